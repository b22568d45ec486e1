"""The plugins of volumes: what the comparison with kube-scheduler does not reach, and each rule once by hand."""

import pytest

from edged.errors import PeerError
from edged.kube.values.names import NamespacedName
from edged.scheduling.core.classes import Classes
from edged.scheduling.core.cycle import Algorithm, OfflineHandle, evaluate, offline, run_now
from edged.scheduling.core.framework import ArgumentError, CycleState
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.profile import default_profile
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.objects.other_objects import Objects, StaleError
from edged.scheduling.plugins.node_declared_features import NodeDeclaredFeatures
from edged.scheduling.plugins.node_volume_limits import NodeVolumeLimits
from edged.scheduling.plugins.volume_binding import VolumeBinding
from edged.scheduling.plugins.volume_restrictions import VolumeRestrictions
from edged.scheduling.plugins.volume_zone import VolumeZone
from tests.scheduling.makers import node, parsed_node, pod, pod_info

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
EBS_ZONE = "topology.ebs.csi.aws.com/zone"
SELECTED = "volume.kubernetes.io/selected-node"


def made(kind, name, *, namespace="", labels=None, annotations=None, version="1", **body):
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": version, "labels": labels or {}}
    metadata |= {"annotations": annotations or {}} | ({"namespace": namespace} if namespace else {})
    return {"kind": kind, "metadata": metadata, **body}


def storage_class(name="local", provisioner="kubernetes.io/no-provisioner", **body):
    return made("StorageClass", name, provisioner=provisioner, volumeBindingMode="WaitForFirstConsumer", **body)


def claim(name="data", size="1Gi", *, bound_to="", annotations=None, kind="local", status=None, **more):
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": kind, "resources": {"requests": {"storage": size}}}
    annotations = {**(annotations or {}), **({"pv.kubernetes.io/bind-completed": "yes"} if bound_to else {})}
    spec |= {"volumeName": bound_to} if bound_to else {}
    made_with = {"annotations": annotations, "spec": spec, "status": status or {}, **more}
    return made("PersistentVolumeClaim", name, namespace="default", **made_with)


def volume(name, size="1Gi", *, where=None, key=HOST, kind="local", labels=None, version="1", **spec):
    body = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "storageClassName": kind, **spec}
    if where:
        term = {"matchExpressions": [{"key": key, "operator": "In", "values": where}]}
        body["nodeAffinity"] = {"required": {"nodeSelectorTerms": [term]}}
    state = {"spec": body, "status": {"phase": "Available"}}
    return made("PersistentVolume", name, labels=labels, version=version, **state)


def nodes(*names, **labels):
    return [node(name, labels={HOST: name, **labels}) for name in names]


def using(*claims, name="p", **fields):
    volumes = [{"name": c, "persistentVolumeClaim": {"claimName": c}} for c in claims]
    return pod(name, volumes=volumes, **fields)


def known(*objects):
    found = Objects()
    for obj in objects:
        found.put(obj["kind"], obj)
    return found


def feasible(nodes, incoming, *objects, pods=()):
    return set(evaluate(None, nodes, list(pods), incoming, objects=objects).feasible_names())


# --- VolumeBinding


def test_the_smallest_volume_that_fits_is_taken_and_each_only_once():
    spread = [volume("big", "9Gi"), volume("fits", "2Gi"), volume("small", "500Mi")]
    handle = OfflineHandle(Snapshot(), known(storage_class(), claim("a", "1Gi"), claim("b", "1Gi"), *spread))
    plugin, state, incoming = VolumeBinding({}, handle), CycleState(), info(using("a", "b"))
    assert plugin.pre_filter(state, incoming, ()) is None
    assert plugin.filter(state, incoming, info_of("n")) is None
    plan = state.data["VolumeBinding"].plans["n"]
    assert {m.claim.key.name: m.volume.name for m in plan.matches} == {"a": "fits", "b": "big"}


def info(obj):
    return pod_info(obj["metadata"]["name"], **{"volumes": obj["spec"]["volumes"]})


def info_of(name, **labels):
    from tests.scheduling.makers import node_info

    return node_info(name, labels={HOST: name, **labels})


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


def test_an_assumption_ends_with_the_version_it_was_made_of():
    objects = known(volume("v"))
    old = objects.volume("v")
    objects.assume_volume(old)
    assert objects.volume("v") is old
    objects.put("PersistentVolume", volume("v", "3Gi", version="2"))
    assert objects.volume("v").capacity == 3 << 30
    with pytest.raises(StaleError, match="out of sync"):
        objects.assume_volume(old)
    objects.remove("PersistentVolume", NamespacedName("", "v"))
    assert objects.volume("v") is None
    assert objects.volumes_of_class("local") == []


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


# --- limits, zones, restrictions, features


def csi_node(name, count):
    driver = {"name": "d", "nodeID": name, "allocatable": {"count": count}}
    return made("CSINode", name, spec={"drivers": [driver]})


def csi(handle):
    return {"csi": {"driver": "d", "volumeHandle": handle}}


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


def test_zones_of_volumes():
    there = nodes("a", **{ZONE: "a"}) + nodes("c", **{ZONE: "c"}) + nodes("nowhere")
    both = volume("v", labels={"failure-domain.beta.kubernetes.io/zone": "a__b"})
    assert feasible(there, using("data"), claim(bound_to="v"), both) == {"a", "nowhere"}
    assert feasible(there, using("data"), claim(bound_to="v"), volume("v", labels={ZONE: "a____b"})) == {
        "a", "c", "nowhere",
    }  # fmt: skip


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


def test_needed_features():
    capable = node("n")
    capable["status"]["declaredFeatures"] = ["UserNamespacesHostNetworkSupport"]
    incoming = pod("p", hostNetwork=True, hostUsers=False)
    assert feasible([capable, node("m")], incoming) == {"n"}
    plugin, old, new = NodeDeclaredFeatures({}, OfflineHandle(Snapshot())), parsed_node("m"), parsed_node("n")
    (by_node, by_pod) = (registration.hint for registration in plugin.events_to_register())
    assert by_node(pod_info(), None, new)
    assert not by_node(pod_info(), old, new)
    assert by_pod(pod_info("p"), pod_info("p"), pod_info("p", hostNetwork=True, hostUsers=False))
    assert not by_pod(pod_info("p"), pod_info("p"), pod_info("p", labels={"a": "b"}))


# --- what changes wake


def hints(plugin, resource):
    """Of one resource's events: (action, hint or None)."""
    found = plugin({}, OfflineHandle(Snapshot())).events_to_register()
    return [(int(r.event.action), r.hint) for r in found if r.event.resource.endswith(resource)]


def parsed(*objects):
    found = known(*objects)
    return [found.put(obj["kind"], obj)[1] for obj in objects]


@pytest.mark.parametrize("plugin", [VolumeBinding, VolumeZone, VolumeRestrictions, NodeVolumeLimits])
def test_claims_wake_the_pods_that_use_them(plugin):
    ((_, hint),) = hints(plugin, "PersistentVolumeClaim")
    mine, other = parsed(claim("data"), claim("other"))
    waiting = info(using("data"))
    assert hint(waiting, None, mine)
    assert not hint(waiting, None, other)


def test_what_else_wakes():
    waiting = info(using("data"))
    ((_, room),) = hints(VolumeBinding, "CSIStorageCapacity")
    small, large = (parsed(made("CSIStorageCapacity", "c", namespace="x", capacity=c))[0] for c in ("1Gi", "2Gi"))
    assert room(waiting, small, large) and not room(waiting, large, small) and room(waiting, None, small)
    _, (_, more) = hints(NodeVolumeLimits, "CSINode")
    one, two = parsed(csi_node("n", 1), csi_node("n", 2))
    assert more(waiting, one, two) and not more(waiting, two, one)
    ((_, freed),) = hints(VolumeRestrictions, "Pod")
    assert freed(waiting, info(using("data", name="q")), None)
    assert not freed(waiting, pod_info("q"), None)
    ((_, moved),) = hints(VolumeZone, "PersistentVolume")
    here, there = parsed(volume("v"), volume("v", labels={ZONE: "a"}))
    assert moved(waiting, here, there) and not moved(waiting, here, here)


# --- Pods without volumes


def test_pods_without_volumes_share_verdicts_and_ask_for_nothing():
    _, parser, snapshot = offline(nodes("n", "m"), [])
    handle = OfflineHandle(snapshot)
    profile = default_profile("edged", handle)
    assert profile.shares_verdicts
    plain, stored = parser.parse(pod("p")), parser.parse(using("data"))
    assert {kind for needs in profile.needs for kind in needs(plain)} == set()
    assert "PersistentVolume" in {kind for needs in profile.needs for kind in needs(stored)}
    classes = Classes(Algorithm(snapshot, Nominator()))
    for each in (plain, stored):
        run_now(classes.schedule(profile, CycleState(), each))
    assert len(classes) == 1
