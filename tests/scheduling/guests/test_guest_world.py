"""The cluster as guests see it."""

from __future__ import annotations

from random import Random

from edged.kube.values.names import NamespacedName
from edged.scheduling.guests.guest_world import GuestWorld
from edged.scheduling.guests.object_encoding import encode_what_can_be
from tests.hostile_values import described, mutations
from tests.scheduling.guests.protobuf_decode import decode
from tests.scheduling.guests.support import FakeHandle, FakeWaitingPod, node, offline, pod


def world() -> tuple[GuestWorld, FakeHandle]:
    _, _, snapshot = offline([node("a"), node("b", zone="z")], [])
    handle = FakeHandle(snapshot)
    return GuestWorld(handle), handle


def test_nodes():
    guests, _ = world()
    assert decode("Node", guests.node("b")) == node("b", zone="z")
    assert guests.node("nowhere") == b""
    items = decode("NodeList", guests.node_list())["items"]
    assert [item["metadata"]["name"] for item in items] == ["a", "b"]


def test_nodes_are_encoded_beforehand_and_once():
    guests, _ = world()
    assert len(list(guests.encode_nodes())) == 2
    assert len(list(guests.encode_nodes())) == 0
    assert guests.node("a") is guests.node("a")


def test_image_states():
    guests, _ = world()
    assert guests.image_states("a") == {"image-of-a": (1000, 1), "shared": (1000, 2)}
    assert guests.image_states("nowhere") is None


def test_an_assumed_pod_carries_its_node():
    _, parser, _ = offline([], [])
    guests, handle = world()
    kept = pod("p")
    waiting = parser.parse(kept)
    waiting.source = {waiting.key: kept}.get
    assert "nodeName" not in decode("Pod", guests.pod(waiting))["spec"]
    assert decode("Pod", guests.pod(waiting.on("a")))["spec"]["nodeName"] == "a"
    assert "nodeName" not in kept["spec"]
    handle.waiting["uid-p"] = FakeWaitingPod(waiting.on("b"))
    found = guests.waiting_pod("uid-p")
    assert found is not None and decode("Pod", found)["spec"]["nodeName"] == "b"
    assert guests.waiting_pod("uid-q") is None


def test_a_pod_that_is_gone_keeps_its_identity():
    _, parser, _ = offline([], [])
    guests, _ = world()
    assert decode("Pod", guests.pod(parser.parse(pod("p"))))["metadata"] == {
        "name": "p",
        "namespace": "default",
        "uid": "uid-p",
    }


def test_nodes_that_are_gone_are_forgotten_by_and_by():
    guests, handle = world()
    for number in range(500):
        _, _, handle.snapshot = offline([node(f"n{number}")], [])
        assert guests.node(f"n{number}")
    assert len(guests._nodes._nodes) < 50


def test_a_hostile_node_costs_only_the_part_that_is_wrong():
    """Guests that list nodes would fail for every Pod otherwise."""
    odd = node("odd", zone="z")
    odd["spec"]["podCIDR"] = 5
    named = {"metadata": {"name": "named", "labels": {"zone": "z"}, "generation": []}, "status": {"images": 5}}
    _, _, snapshot = offline([node("a"), node("odd", zone="z"), node("named")], [])
    guests = GuestWorld(FakeHandle(snapshot))
    for info, obj in zip(snapshot.nodes, (node("a"), odd, named), strict=True):
        assert info.node is not None
        info.node.source = {NamespacedName("", info.name): obj}.get
    assert len(list(guests.encode_nodes())) == 3
    first, second, third = decode("NodeList", guests.node_list())["items"]
    assert first["spec"] == node("a")["spec"] and first["status"] == node("a")["status"]
    assert second["metadata"]["labels"] == {"zone": "z"} and second["status"] == odd["status"]
    assert "spec" not in second
    assert third["metadata"] == {"name": "named"}


def test_whatever_a_node_is_it_can_be_listed():
    for path, obj in mutations(node("a"), Random(1), each=6):
        if isinstance(obj, dict) and isinstance(obj.get("metadata"), dict) and obj["metadata"].get("name") == "a":
            assert encode_what_can_be("Node", obj), described(path, obj)
