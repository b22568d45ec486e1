"""VolumeRestrictions: disks and claims that one Pod may use at a time."""

from edged.scheduling.core.cycle import evaluate
from edged.scheduling.core.what_if import preempt
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


def victims(pods, *objects, on=("n", "m")):
    incoming = using("data", priority=10)
    _, result, candidate = preempt(None, nodes(*on), pods, incoming, objects=objects, choose=lambda n: 0)
    return result.nominated_node, [str(victim.key) for victim in candidate.victims] if candidate else []


def test_only_who_uses_the_claim_itself_goes_for_it():
    alone = claim(bound_to="v")
    alone["spec"]["accessModes"] = ["ReadWriteOncePod"]
    objects = [alone, volume("v")]
    user, namesake = using("data", name="q", node="n"), using("data", name="r", node="m", namespace="elsewhere")
    assert victims([user, namesake], *objects) == ("n", ["default/q"])
    important = using("data", name="q", node="n", priority=20)
    assert victims([important, namesake], *objects) == ("", [])
    # Two that use it got their nodes from somebody else: the end of one does not free it.
    second = using("data", name="s", node="m")
    assert victims([user, second], *objects) == ("", [])
    assert victims([user, using("data", name="s", node="n")], *objects, on=("n",)) == ("n", ["default/q", "default/s"])


def test_claims_wake_the_pods_that_use_them():
    check_that_claims_wake_the_pods_that_use_them(VolumeRestrictions)


def test_a_pod_that_frees_the_claim_wakes():
    waiting = info(using("data"))
    ((_, freed),) = hints(VolumeRestrictions, "Pod")
    assert freed(waiting, info(using("data", name="q")), None)
    assert not freed(waiting, pod_info("q"), None)


def test_a_pod_that_frees_a_disk_wakes_whatever_its_namespace():
    disk = [{"name": "d", "gcePersistentDisk": {"pdName": "disk"}}]
    waiting = pod_info("p", volumes=disk)
    ((_, freed),) = hints(VolumeRestrictions, "Pod")
    assert freed(waiting, pod_info("q", volumes=disk, namespace="elsewhere"), None)
    other = pod_info("q", volumes=[{"name": "d", "gcePersistentDisk": {"pdName": "other"}}], namespace="elsewhere")
    assert not freed(waiting, other, None)
    assert not freed(
        info(using("data")), pod_info("q", volumes=using("data")["spec"]["volumes"], namespace="else"), None
    )
