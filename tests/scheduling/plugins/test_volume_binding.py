"""VolumeBinding: what the comparison with kube-scheduler does not reach, and each rule once by hand."""

import pytest

from edged.errors import PeerError
from edged.kube.values.names import NamespacedName
from edged.scheduling.core.cycle import OfflineHandle, evaluate, offline, run_now
from edged.scheduling.core.framework import ArgumentError, CycleState
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.core.volume_binder import is_older
from edged.scheduling.plugins.volume_binding import VolumeBinding
from tests.scheduling.makers import pod
from tests.scheduling.plugins.volumes import (
    EBS_ZONE,
    SELECTED,
    ZONE,
    check_that_claims_wake_the_pods_that_use_them,
    claim,
    feasible,
    hints,
    info,
    info_of,
    known,
    made,
    nodes,
    parsed,
    storage_class,
    using,
    volume,
)


def test_the_smallest_volume_that_fits_is_taken_and_each_only_once():
    spread = [volume("big", "9Gi"), volume("fits", "2Gi"), volume("small", "500Mi")]
    handle = OfflineHandle(Snapshot(), known(storage_class(), claim("a", "1Gi"), claim("b", "1Gi"), *spread))
    plugin, state, incoming = VolumeBinding({}, handle), CycleState(), info(using("a", "b"))
    assert plugin.pre_filter(state, incoming, ()) is None
    assert plugin.filter(state, incoming, info_of("n")) is None
    plan = state.data["VolumeBinding"].plans["n"]
    assert {m.claim.key.name: m.volume.name for m in plan.matches} == {"a": "fits", "b": "big"}


def test_what_a_pod_reserved_is_not_offered_again_until_it_is_given_back():
    objects = known(storage_class(), claim("a"), claim("b"), volume("only"))
    plugin = VolumeBinding({}, OfflineHandle(Snapshot(), objects))
    first, state = info(using("a", name="first")), CycleState()
    plugin.pre_filter(state, first, ())
    plugin.filter(state, first, info_of("n"))
    assert plugin.reserve(state, first, "n") is None
    assert plugin.pre_binds(state, first, "n")
    second, other = info(using("b", name="second")), CycleState()
    plugin.pre_filter(other, second, ())
    assert plugin.filter(other, second, info_of("n")).reasons == (
        "node(s) didn't find available persistent volumes to bind",
    )
    plugin.unreserve(state, first, "n")
    plugin.unreserve(state, first, "n")  # again: nothing happens
    assert plugin.filter(other, second, info_of("n")) is None


class Api(OfflineHandle):
    """Takes writes into the objects, and then does what a controller would."""

    def __init__(self, objects, settles=True, error=None):
        super().__init__(offline(nodes("n"), [])[2], objects)
        self.written, self.settles, self.error = [], settles, error

    async def patch(self, kind, key, body):
        if self.error:
            raise self.error
        self.written.append((kind, str(key), body))
        return {"metadata": {"resourceVersion": "2"}}

    async def settle(self, pod, done, timeout_s):
        self.timeout_s = timeout_s
        assert not done()  # the informers have not heard of the writes yet
        self.settles and self.settles()
        return done()


def bound_by(api, incoming):
    plugin, state = VolumeBinding({"bindTimeoutSeconds": 7}, api), CycleState()
    assert plugin.pre_filter(state, incoming, ()) is None
    assert plugin.filter(state, incoming, info_of("n")) is None
    assert plugin.reserve(state, incoming, "n") is None
    return run_now(plugin.pre_bind(state, incoming, "n"))


def test_a_static_volume_is_told_its_claim():
    objects = known(storage_class(), claim("a"), volume("v"))

    def controller():
        reference = {"namespace": "default", "name": "a", "uid": "uid-a"}
        objects.put("PersistentVolume", volume("v", version="2", claimRef=reference))
        objects.put("PersistentVolumeClaim", claim("a", bound_to="v"))

    api = Api(objects, controller)
    assert bound_by(api, info(using("a"))) is None
    ((kind, key, body),) = api.written
    assert (kind, key, api.timeout_s) == ("PersistentVolume", "v", 7.0)
    assert body["metadata"] == {
        "resourceVersion": "1", "annotations": {"pv.kubernetes.io/bound-by-controller": "yes"},
    }  # fmt: skip
    assert body["spec"]["claimRef"]["uid"] == "uid-a"


def test_a_claim_is_told_its_node():
    objects = known(storage_class("csi", "disks.example"), claim("a", kind="csi"))

    def provisioner():
        annotations = {SELECTED: "n"}
        objects.put("PersistentVolumeClaim", claim("a", kind="csi", bound_to="v", annotations=annotations, version="3"))
        objects.put("PersistentVolume", volume("v", where=["n"]))

    api = Api(objects, provisioner)
    assert bound_by(api, info(using("a"))) is None
    body = {"metadata": {"resourceVersion": "1", "annotations": {SELECTED: "n"}}}
    assert api.written == [("PersistentVolumeClaim", "default/a", body)]


@pytest.mark.parametrize(
    ("now", "problem"),
    [
        (claim("a", kind="csi", version="2"), 'provisioning failed for PVC "a"'),
        (None, 'failed to check provisioning pvc: persistentvolumeclaims "default/a" not found'),
    ],
)
def test_provisioning_can_fail(now, problem):
    objects = known(storage_class("csi", "disks.example"), claim("a", kind="csi"))

    def provisioner():
        if now is None:
            objects.remove("PersistentVolumeClaim", NamespacedName("default", "a"))
        else:
            objects.put("PersistentVolumeClaim", now)

    status = bound_by(Api(objects, provisioner), info(using("a")))
    assert (status.code, status.message) == (1, f"binding volumes: {problem}")


def test_writes_can_fail_and_waiting_ends():
    objects = [storage_class("csi", "disks.example"), claim("a", kind="csi")]
    status = bound_by(Api(known(*objects), error=PeerError("409: conflict")), info(using("a")))
    assert (status.code, status.message) == (1, "409: conflict")
    status = bound_by(Api(known(*objects), settles=None), info(using("a")))
    assert status.message == "binding volumes: context deadline exceeded"


@pytest.mark.parametrize(
    ("now", "problem"),
    [
        (None, 'failed to get node "n": node "n" not found'),
        ({}, 'pv "v" node affinity doesn\'t match node "n": no matching NodeSelectorTerms'),
        ({"topology.example/rack": "r1"}, ""),
    ],
    ids=["gone", "without its label", "with a label that came late"],
)
def test_waiting_for_volumes_looks_at_the_node_as_it_is(now, problem):
    """A CSI driver labels its node after the cycle has seen it; a node is deleted while a volume is made."""
    objects = known(storage_class("csi", "disks.example"), claim("a", kind="csi"))

    def provisioner():
        annotations = {SELECTED: "n"}
        objects.put("PersistentVolumeClaim", claim("a", kind="csi", bound_to="v", annotations=annotations, version="3"))
        objects.put("PersistentVolume", volume("v", where=["r1"], key="topology.example/rack"))
        api.node_labels = lambda name: now

    api = Api(objects, provisioner)
    status = bound_by(api, info(using("a")))
    assert (status.reasons if status else ()) == ((f"binding volumes: {problem}",) if problem else ())


def test_versions_are_compared_whatever_their_length():
    assert is_older("9", "10") and not is_older("10", "9") and not is_older("7", "7") and not is_older("007", "7")
    assert is_older("9" * 5000, "1" + "0" * 5000) and not is_older("", "1") and not is_older("\u0661", "2")


def test_an_ephemeral_volume_must_be_the_pods_own():
    volumes = [{"name": "v", "ephemeral": {"volumeClaimTemplate": {}}}]
    incoming = pod("p", volumes=volumes)
    result = evaluate(None, nodes("n"), [], incoming)
    assert 'waiting for ephemeral volume controller to create the persistentvolumeclaim "p-v"' in result.message()
    result = evaluate(None, nodes("n"), [], incoming, objects=[claim("p-v"), storage_class()])
    assert "PVC default/p-v was not created for pod default/p (pod is not owner)" in result.message()
    own = claim("p-v", bound_to="v")
    own["metadata"]["ownerReferences"] = [{"controller": True, "uid": "uid-p", "kind": "Pod", "name": "p"}]
    assert feasible(nodes("n", "m"), incoming, own, volume("v", where=["m"])) == {"m"}


def test_in_tree_volumes_follow_their_driver_where_the_node_has_it():
    there = nodes("old", **{ZONE: "a"}) + nodes("new", **{EBS_ZONE: "a"})
    disk = volume("v", where=["a"], key=ZONE, awsElasticBlockStore={"volumeID": "vol-1"})
    migrated = {"storage.alpha.kubernetes.io/migrated-plugins": "kubernetes.io/aws-ebs"}
    csi = made("CSINode", "new", annotations=migrated, spec={"drivers": []})
    assert feasible(there, using("data"), claim(bound_to="v"), disk, csi) == {"old", "new"}
    assert feasible(there, using("data"), claim(bound_to="v"), disk) == {"old"}


def test_scores_by_how_full_the_volumes_get():
    objects = [storage_class(), claim(size="1Gi"), volume("one", "2Gi", where=["a"]), volume("two", "4Gi", where=["b"])]
    raw = evaluate(None, nodes("a", "b"), [], using("data"), objects=objects).raw_scores()
    assert raw["VolumeBinding"] == {"a": 50, "b": 75}
    assert "VolumeBinding" not in evaluate(None, nodes("a", "b"), [], pod("p")).raw_scores()


@pytest.mark.parametrize(
    ("args", "path"),
    [
        ({"bindTimeoutSeconds": -1}, "bindTimeoutSeconds"),
        ({"bindTimeoutSeconds": "9"}, "bindTimeoutSeconds"),
        ({"shape": {}}, None),
        ({"shape": "x"}, "shape"),
        ({"shape": [{"utilization": 0, "score": 11}]}, "shape[0].score"),
        ({"shape": [{"utilization": 9, "score": 1}, {"utilization": 9, "score": 2}]}, "shape[1].utilization"),
        ({"bindTimeout": 1}, "bindTimeout"),
    ],
)
def test_arguments(args, path):
    handle = OfflineHandle(Snapshot())
    if path is None:
        VolumeBinding(args, handle)
        return
    with pytest.raises(ArgumentError) as caught:
        VolumeBinding(args, handle)
    assert caught.value.path == path


def test_claims_wake_the_pods_that_use_them():
    check_that_claims_wake_the_pods_that_use_them(VolumeBinding)


def test_more_capacity_wakes():
    waiting = info(using("data"))
    ((_, room),) = hints(VolumeBinding, "CSIStorageCapacity")
    small, large = (parsed(made("CSIStorageCapacity", "c", namespace="x", capacity=c))[0] for c in ("1Gi", "2Gi"))
    assert room(waiting, small, large) and not room(waiting, large, small) and room(waiting, None, small)


def test_a_driver_that_does_not_track_capacity_any_more_wakes():
    waiting = info(using("data"))
    ((_, stopped),) = hints(VolumeBinding, "CSIDriver")
    tracks, does_not = parsed(
        made("CSIDriver", "d", spec={"storageCapacity": True}), made("CSIDriver", "d", spec={"storageCapacity": False})
    )
    assert stopped(waiting, tracks, does_not) and stopped(waiting, tracks, None)
    assert not stopped(waiting, does_not, None) and not stopped(waiting, does_not, tracks)
