"""Claims, volumes and their classes as plain objects, and what the plugins of volumes make of them."""

from edged.scheduling.core.cycle import OfflineHandle, evaluate
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.objects.other_objects import Objects
from tests.scheduling.makers import node, node_info, pod, pod_info

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


def info(obj):
    return pod_info(obj["metadata"]["name"], **{"volumes": obj["spec"]["volumes"]})


def info_of(name, **labels):
    return node_info(name, labels={HOST: name, **labels})


def csi_node(name, count):
    driver = {"name": "d", "nodeID": name, "allocatable": {"count": count}}
    return made("CSINode", name, spec={"drivers": [driver]})


def csi(handle):
    return {"csi": {"driver": "d", "volumeHandle": handle}}


def hints(plugin, resource):
    """Of one resource's events: (action, hint or None)."""
    found = plugin({}, OfflineHandle(Snapshot())).events_to_register()
    return [(int(r.event.action), r.hint) for r in found if r.event.resource.endswith(resource)]


def parsed(*objects):
    found = known(*objects)
    return [found.put(obj["kind"], obj)[1] for obj in objects]


def check_that_claims_wake_the_pods_that_use_them(plugin):
    ((_, hint),) = hints(plugin, "PersistentVolumeClaim")
    mine, other = parsed(claim("data"), claim("other"))
    waiting = info(using("data"))
    assert hint(waiting, None, mine)
    assert not hint(waiting, None, other)
