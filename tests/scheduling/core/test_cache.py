"""Cache and snapshot: assume, confirm, forget; order over zones; what a snapshot copies."""

import pytest

from edged.scheduling.core.cache import Cache, CacheError
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.objects.nodes import NodeParser
from tests.scheduling.makers import node, nothing, parsed_node, pod_info


def cache_with(*nodes):
    cache, snapshot = Cache(), Snapshot()
    for each in nodes:
        cache.set_node(each)
    cache.update_snapshot(snapshot)
    return cache, snapshot


def zoned(name, zone):
    return parsed_node(name, labels={"topology.kubernetes.io/zone": zone})


def test_nodes_are_listed_round_robin_over_zones():
    _, snapshot = cache_with(zoned("a1", "a"), zoned("a2", "a"), zoned("a3", "a"), zoned("b1", "b"), zoned("c1", "c"))
    assert snapshot.names == ("a1", "b1", "c1", "a2", "a3")


def test_an_assumed_pod_counts_until_it_is_forgotten():
    cache, snapshot = cache_with(parsed_node("n"))
    assumed = cache.assume(pod_info(requests={"cpu": "1"}), "n")
    cache.update_snapshot(snapshot)
    assert snapshot.get("n").requested == {"cpu": 1000}
    cache.forget(assumed)
    cache.forget(assumed)
    cache.update_snapshot(snapshot)
    assert snapshot.get("n").requested == {"cpu": 0}
    assert not snapshot.get("n").pods


def test_assuming_twice_is_an_error():
    cache, _ = cache_with(parsed_node("n"))
    cache.assume(pod_info(), "n")
    with pytest.raises(CacheError, match="default/p"):
        cache.assume(pod_info(), "n")


def test_confirming_moves_a_pod_that_went_elsewhere():
    cache, snapshot = cache_with(parsed_node("n"), parsed_node("m"))
    cache.assume(pod_info(requests={"cpu": "1"}), "n")
    cache.set_pod(pod_info(requests={"cpu": "1"}, node="m"))
    cache.update_snapshot(snapshot)
    assert not cache.is_assumed("uid-p")
    assert not snapshot.get("n").pods
    assert snapshot.get("m").requested == {"cpu": 1000}


def test_forgetting_on_another_node_is_an_error_and_a_confirmed_pod_stays():
    cache, _ = cache_with(parsed_node("n"))
    assumed = cache.assume(pod_info(), "n")
    with pytest.raises(CacheError, match="assumed on n, not on m"):
        cache.forget(assumed.on("m"))
    cache.set_pod(pod_info(node="n"))
    cache.forget(assumed)
    assert "uid-p" in cache.pods


def test_pods_of_a_missing_node_wait_in_an_imaginary_entry():
    cache, snapshot = cache_with()
    cache.set_pod(pod_info(node="late", requests={"cpu": "1"}))
    cache.update_snapshot(snapshot)
    assert snapshot.names == ()
    cache.set_node(parsed_node("late"))
    cache.update_snapshot(snapshot)
    assert snapshot.get("late").requested == {"cpu": 1000}
    cache.remove_node("late")
    cache.update_snapshot(snapshot)
    assert snapshot.names == ()
    cache.remove_pod("uid-p")
    assert not cache.nodes


def test_a_snapshot_copies_only_what_changed():
    cache, snapshot = cache_with(parsed_node("n"), parsed_node("m"))
    before, layout, mark = list(snapshot.nodes), snapshot.layout, snapshot.mark
    cache.assume(pod_info(), "m")
    cache.update_snapshot(snapshot)
    assert snapshot.nodes[0] is before[0]
    assert snapshot.nodes[1] is not before[1]
    assert snapshot.layout == layout
    assert list(snapshot.changed_since(mark)) == [1]


def test_a_heartbeat_changes_nothing_and_an_image_voids_the_layout():
    cache, snapshot = cache_with(parsed_node("n"))
    generation, layout = cache.generation, snapshot.layout
    cache.set_node(parsed_node("n"))
    cache.update_snapshot(snapshot)
    assert (cache.generation, snapshot.layout) == (generation, layout)
    cache.set_node(parsed_node("n", images={"a:1": 5}))
    cache.update_snapshot(snapshot)
    assert snapshot.layout > layout


def test_a_heartbeat_is_known_before_the_node_is_read():
    parser, obj = NodeParser(nothing), node("n")
    obj["status"]["conditions"] = [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}]
    obj["metadata"]["resourceVersion"] = "1"
    known = parser.parse(obj)
    obj["status"]["conditions"][0]["lastHeartbeatTime"] = "2026-01-01T00:00:10Z"
    obj["metadata"]["resourceVersion"] = "2"
    assert parser.parse(obj, known) is known
    for place, value in ((obj["status"]["conditions"][0], {"reason": "x"}), (obj["metadata"], {"uid": "other"})):
        place |= value
        changed = parser.parse(obj, known)
        assert changed is not known
        known = changed


def test_images_are_counted_over_nodes_with_the_first_ones_size():
    cache, snapshot = cache_with(parsed_node("n", images={"a:1": 5}), parsed_node("m", images={"a:1": 7}))
    state = snapshot.get("m").image_states["a:1"]
    assert (state.size, state.nodes) == (5, 2)
    cache.remove_node("n")
    assert state.nodes == 1


def test_a_port_that_two_pods_hold_is_free_when_both_are_gone():
    """The kubelet turns one of them down, and it ends as a failed Pod: the port is still the other one's."""
    cache, snapshot = cache_with(parsed_node("n"))
    ports = [{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80, "hostIP": "10.0.0.1"}]
    cache.set_pod(pod_info("p", node="n", ports=ports))
    cache.set_pod(pod_info("q", node="n", ports=ports[:1]))
    for gone, left in (("uid-p", {("TCP", 80): {"0.0.0.0": 1}}), ("uid-q", {})):
        cache.remove_pod(gone)
        cache.update_snapshot(snapshot)
        assert snapshot.get("n").ports == left
