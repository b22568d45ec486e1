"""VolumeRestrictions: disks and claims that one Pod may use at a time."""

from edged.scheduling.core.cycle import evaluate
from edged.scheduling.plugins.volume_restrictions import VolumeRestrictions
from tests.scheduling.makers import pod, pod_info
from tests.scheduling.plugins.volumes import (
    check_that_claims_wake_the_pods_that_use_them,
    claim,
    feasible,
    hints,
    info,
    nodes,
    using,
    volume,
)


def test_disks_and_single_pod_claims():
    def rbd(*monitors, read_only=False):
        return [{"name": "d", "rbd": {"monitors": list(monitors), "image": "i", "readOnly": read_only}}]

    running = [pod("q", node="n", volumes=rbd("m1", "m2"))]
    assert feasible(nodes("n", "m"), pod("p", volumes=rbd("m2")), pods=running) == {"m"}
    assert feasible(nodes("n", "m"), pod("p", volumes=rbd("m3")), pods=running) == {"n", "m"}
    alone = claim(bound_to="v")
    alone["spec"]["accessModes"] = ["ReadWriteOncePod"]
    result = evaluate(
        None, nodes("n", "m"), [using("data", name="q", node="n")], using("data"), objects=[alone, volume("v")]
    )
    assert "2 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod" in result.message()


def test_claims_wake_the_pods_that_use_them():
    check_that_claims_wake_the_pods_that_use_them(VolumeRestrictions)


def test_a_pod_that_frees_the_claim_wakes():
    waiting = info(using("data"))
    ((_, freed),) = hints(VolumeRestrictions, "Pod")
    assert freed(waiting, info(using("data", name="q")), None)
    assert not freed(waiting, pod_info("q"), None)
