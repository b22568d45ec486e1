"""NodeVolumeLimits: how many volumes of a driver a node takes."""

from edged.scheduling.plugins.node_volume_limits import NodeVolumeLimits
from tests.scheduling.makers import pod
from tests.scheduling.plugins.volumes import (
    check_that_claims_wake_the_pods_that_use_them,
    claim,
    csi,
    csi_node,
    feasible,
    hints,
    info,
    made,
    nodes,
    parsed,
    using,
    volume,
)


def test_volumes_of_a_driver_are_counted_once_each():
    bound = [o for n in "abc" for o in (claim(n, bound_to=f"v{n}"), volume(f"v{n}", **csi(n)))]
    running = [using("a", name="q", node="n"), using("a", name="r", node="n")]
    assert feasible(nodes("n"), using("b"), *bound, csi_node("n", 2), pods=running) == {"n"}
    assert feasible(nodes("n"), using("a"), *bound, csi_node("n", 1), pods=running) == {"n"}
    assert feasible(nodes("n"), using("b"), *bound, csi_node("n", 1), pods=running) == set()
    attached = made(
        "VolumeAttachment", "x", spec={"attacher": "d", "nodeName": "n", "source": {"persistentVolumeName": "vc"}}
    )
    assert feasible(nodes("n"), using("b"), *bound, csi_node("n", 2), attached, pods=running) == set()


def test_inline_disks_count_as_their_driver():
    disk = [{"name": "d", "awsElasticBlockStore": {"volumeID": "aws://zone/vol-1"}}]
    driver = {"name": "ebs.csi.aws.com", "nodeID": "n", "allocatable": {"count": 1}}
    limit = made("CSINode", "n", spec={"drivers": [driver]})
    other = [{"name": "d", "awsElasticBlockStore": {"volumeID": "vol-2"}}]
    running = [pod("q", node="n", volumes=other)]
    assert feasible(nodes("n"), pod("p", volumes=disk), limit) == {"n"}
    assert feasible(nodes("n"), pod("p", volumes=disk), limit, pods=running) == set()


def test_claims_wake_the_pods_that_use_them():
    check_that_claims_wake_the_pods_that_use_them(NodeVolumeLimits)


def test_a_higher_limit_wakes():
    waiting = info(using("data"))
    _, (_, more) = hints(NodeVolumeLimits, "CSINode")
    one, two = parsed(csi_node("n", 1), csi_node("n", 2))
    assert more(waiting, one, two) and not more(waiting, two, one)


def test_a_limit_that_is_gone_and_a_driver_that_is_installed_wake():
    waiting = info(using("data"))
    _, (_, changed) = hints(NodeVolumeLimits, "CSINode")
    bare, unlimited = (made("CSINode", "n", spec={"drivers": some}) for some in ([], [{"name": "d", "nodeID": "n"}]))
    none, limited, free = parsed(bare, csi_node("n", 1), unlimited)
    assert changed(waiting, limited, free) and changed(waiting, none, free) and changed(waiting, none, limited)
    assert not changed(waiting, free, limited) and not changed(waiting, free, none)


def test_a_driver_that_need_not_be_installed_any_more_wakes():
    waiting = info(using("data"))
    ((_, asks_less),) = hints(NodeVolumeLimits, "CSIDriver")
    needed, not_needed = parsed(
        made("CSIDriver", "d", spec={"preventPodSchedulingIfMissing": True}), made("CSIDriver", "d", spec={})
    )
    assert asks_less(waiting, needed, not_needed) and asks_less(waiting, needed, None)
    assert not asks_less(waiting, not_needed, None)


def test_a_volume_that_came_to_a_node_by_another_pod_wakes():
    (_, shared), _ = hints(NodeVolumeLimits, "Pod")
    assert shared(info(using("data")), None, info(using("data", name="q")))
    assert not shared(info(using("data")), None, info(using("other", name="q")))
