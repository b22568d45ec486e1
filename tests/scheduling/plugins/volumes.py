"""Claims, volumes and their classes as plain objects, and what the plugins of volumes make of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edged.scheduling.core.cycle import OfflineHandle, evaluate
from edged.scheduling.core.framework import Plugin
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.other_objects import Objects
from edged.scheduling.objects.pods import PodInfo
from tests.scheduling.makers import node, node_info, pod, pod_info

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
EBS_ZONE = "topology.ebs.csi.aws.com/zone"
SELECTED = "volume.kubernetes.io/selected-node"


def made(
    kind: str,
    name: str,
    *,
    namespace: str = "",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    version: str = "1",
    **body: Any,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "uid": f"uid-{name}", "resourceVersion": version, "labels": labels or {}}
    metadata |= {"annotations": annotations or {}} | ({"namespace": namespace} if namespace else {})
    return {"kind": kind, "metadata": metadata, **body}


def storage_class(
    name: str = "local", provisioner: str = "kubernetes.io/no-provisioner", **body: Any
) -> dict[str, Any]:
    return made("StorageClass", name, provisioner=provisioner, volumeBindingMode="WaitForFirstConsumer", **body)


def claim(
    name: str = "data",
    size: str = "1Gi",
    *,
    bound_to: str = "",
    annotations: dict[str, str] | None = None,
    kind: str = "local",
    status: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": kind, "resources": {"requests": {"storage": size}}}
    annotations = {**(annotations or {}), **({"pv.kubernetes.io/bind-completed": "yes"} if bound_to else {})}
    spec |= {"volumeName": bound_to} if bound_to else {}
    made_with = {"annotations": annotations, "spec": spec, "status": status or {}, **more}
    return made("PersistentVolumeClaim", name, namespace="default", **made_with)


def volume(
    name: str,
    size: str = "1Gi",
    *,
    where: list[str] | None = None,
    key: str = HOST,
    kind: str = "local",
    labels: dict[str, str] | None = None,
    version: str = "1",
    **spec: Any,
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "capacity": {"storage": size},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": kind,
        **spec,
    }
    if where:
        term = {"matchExpressions": [{"key": key, "operator": "In", "values": where}]}
        body["nodeAffinity"] = {"required": {"nodeSelectorTerms": [term]}}
    state: dict[str, Any] = {"spec": body, "status": {"phase": "Available"}}
    return made("PersistentVolume", name, labels=labels, version=version, **state)


def nodes(*names: str, **labels: str) -> list[dict[str, Any]]:
    return [node(name, labels={HOST: name, **labels}) for name in names]


def using(*claims: str, name: str = "p", **fields: Any) -> dict[str, Any]:
    volumes = [{"name": c, "persistentVolumeClaim": {"claimName": c}} for c in claims]
    return pod(name, volumes=volumes, **fields)


def known(*objects: dict[str, Any]) -> Objects:
    found = Objects()
    for obj in objects:
        found.put(obj["kind"], obj)
    return found


def feasible(
    nodes: list[dict[str, Any]], incoming: dict[str, Any], *objects: dict[str, Any], pods: Sequence[dict[str, Any]] = ()
) -> set[str]:
    return set(evaluate(None, nodes, list(pods), incoming, objects=objects).feasible_names())


def info(obj: dict[str, Any]) -> PodInfo:
    return pod_info(obj["metadata"]["name"], **{"volumes": obj["spec"]["volumes"]})


def info_of(name: str, **labels: str) -> NodeInfo:
    return node_info(name, labels={HOST: name, **labels})


def csi_node(name: str, count: int) -> dict[str, Any]:
    driver = {"name": "d", "nodeID": name, "allocatable": {"count": count}}
    return made("CSINode", name, spec={"drivers": [driver]})


def csi(handle: str) -> dict[str, Any]:
    return {"csi": {"driver": "d", "volumeHandle": handle}}


def hints(plugin: Callable[..., Plugin], resource: str) -> list[tuple[int, Any]]:
    """Of one resource's events: (action, hint or None)."""
    found = plugin({}, OfflineHandle(Snapshot())).events_to_register()
    return [(int(r.event.action), r.hint) for r in found if r.event.resource.endswith(resource)]


def parsed(*objects: dict[str, Any]) -> list[Any]:
    found = known(*objects)
    return [found.put(obj["kind"], obj)[1] for obj in objects]


def check_that_claims_wake_the_pods_that_use_them(plugin: Callable[..., Plugin]) -> None:
    ((_, hint),) = hints(plugin, "PersistentVolumeClaim")
    mine, other = parsed(claim("data"), claim("other"))
    waiting = info(using("data"))
    assert hint(waiting, None, mine)
    assert not hint(waiting, None, other)
