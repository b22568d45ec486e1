"""A cluster as plain objects: what a simulation starts from. Pure: documents come decoded.

Takes what people have: objects and Lists as `kubectl get -o yaml` prints them, and the export of
kube-scheduler-simulator (`{"pods": [...], "nodes": [...], "pvs": ...}`). Kinds that no scheduling decision looks at
are counted in `ignored`. What-if changes are in changes.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from edged.errors import ConfigError
from edged.kube.values.names import NamespacedName, key_of
from edged.kube.values.shape_checks import SHAPES, problem

Object = dict[str, Any]

CLUSTER_SCOPED: Final = frozenset(
    {"Node", "Namespace", "PersistentVolume", "StorageClass", "PriorityClass", "CSINode", "CSIDriver",
     "VolumeAttachment"}
)  # fmt: skip
KINDS: Final = frozenset(SHAPES)
EXPORT_KEYS: Final = {
    "pods": "Pod", "nodes": "Node", "pvs": "PersistentVolume", "pvcs": "PersistentVolumeClaim",
    "storageClasses": "StorageClass", "priorityClasses": "PriorityClass", "namespaces": "Namespace",
}  # fmt: skip
SCHEDULER_CONFIG: Final = "KubeSchedulerConfiguration"
SYSTEM_PRIORITIES: Final = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


class ClusterState:
    """Objects by kind and key. `scheduler_config`: the KubeSchedulerConfiguration that came along, if any."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[NamespacedName, Object]] = {kind: {} for kind in KINDS}
        self.scheduler_config: Object | None = None
        self.ignored: Counter[str] = Counter()

    def of(self, kind: str) -> dict[NamespacedName, Object]:
        return self.objects[kind]

    @property
    def nodes(self) -> dict[NamespacedName, Object]:
        return self.objects["Node"]

    @property
    def pods(self) -> dict[NamespacedName, Object]:
        return self.objects["Pod"]

    def copy(self) -> ClusterState:
        """Changes of the copy do not show here; the objects themselves are shared, and never changed in place."""
        other = ClusterState()
        other.objects = {kind: dict(objects) for kind, objects in self.objects.items()}
        other.scheduler_config = self.scheduler_config
        other.ignored = self.ignored.copy()
        return other

    def put(self, kind: str, obj: Object) -> None:
        self.objects[kind][key_of(obj)] = obj

    def add_document(self, document: object, where: str) -> None:
        """An object, a List, or an export. A later object replaces one of the same name. Raises ConfigError that
        starts with `where`."""
        if document is None:
            return
        if not isinstance(document, dict):
            raise ConfigError(f"{where}: not a Kubernetes object but {type(document).__name__}")
        kind = document.get("kind")
        if kind is None and not EXPORT_KEYS.keys().isdisjoint(document):
            self._add_export(document, where)
        elif not isinstance(kind, str):
            raise ConfigError(f"{where}: no kind, and no export of kube-scheduler-simulator either")
        elif kind.endswith("List") and isinstance(document.get("items"), list | None):
            for number, item in enumerate(document.get("items") or ()):
                self._add_item(item, kind.removesuffix("List"), f"{where}: items[{number}]")
        elif kind == SCHEDULER_CONFIG:
            self.scheduler_config = document
        else:
            self._add_object(document, kind, where)

    def _add_export(self, document: Mapping[str, Any], where: str) -> None:
        for key, kind in EXPORT_KEYS.items():
            items = document.get(key)
            if not isinstance(items, list | None):
                raise ConfigError(f"{where}: {key}: must be a list")
            for number, item in enumerate(items or ()):
                self._add_item(item, kind, f"{where}: {key}[{number}]")
        if document.get("schedulerConfig"):
            self.scheduler_config = document["schedulerConfig"]

    def _add_item(self, item: object, kind: str, where: str) -> None:
        """Items of typed lists carry no kind of their own."""
        if not isinstance(item, dict):
            raise ConfigError(f"{where}: not an object")
        own = item.get("kind") or kind
        if not own:
            raise ConfigError(f"{where}.kind: is required")
        self._add_object(item, own, where)

    def _add_object(self, obj: Object, kind: str, where: str) -> None:
        if kind not in KINDS:
            self.ignored[kind] += 1
            return
        metadata = obj.get("metadata")
        if not isinstance(metadata, dict) or metadata.get("name") in (None, ""):
            raise ConfigError(f"{where}: {kind} without metadata.name")
        if kind not in CLUSTER_SCOPED and not metadata.get("namespace"):
            obj = {**obj, "metadata": {**metadata, "namespace": "default"}}
        check(obj, kind, where)
        self.put(kind, complete(obj, self) if kind == "Pod" else obj)

    def priority(self, class_name: str) -> int | None:
        """What admission would resolve a priorityClassName to; None: no such class is known."""
        obj = self.of("PriorityClass").get(NamespacedName("", class_name))
        return SYSTEM_PRIORITIES.get(class_name) if obj is None else int(obj.get("value") or 0)

    def complete_pods(self) -> None:
        """Priorities of Pods that came before their PriorityClass did."""
        for key, pod in self.pods.items():
            self.pods[key] = complete(pod, self)

    def waiting_pods(self) -> Iterator[Object]:
        """Pods without a node that have not ended."""
        return (pod for pod in self.pods.values() if not node_of(pod) and not has_ended(pod))


def check(obj: Object, kind: str, where: str) -> None:
    """Raises ConfigError that names the object and the field, if what edged reads of it cannot be read."""
    found = problem(obj, SHAPES[kind])
    if found:
        names = (obj["metadata"].get("namespace"), obj["metadata"].get("name"))
        called = "/".join(str(name) for name in names if name)
        raise ConfigError(f"{where}: {f'{kind} {called}'.rstrip()}: {found}")


def node_of(pod: Mapping[str, Any]) -> str:
    return (pod.get("spec") or {}).get("nodeName") or ""


def has_ended(pod: Mapping[str, Any]) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def owner(pod: Mapping[str, Any]) -> tuple[str, str]:
    """(kind, name) of the controller; ("", "") for none."""
    for reference in (pod.get("metadata") or {}).get("ownerReferences") or ():
        if reference.get("controller"):
            return reference.get("kind") or "", reference.get("name") or ""
    return "", ""


def is_daemon(pod: Mapping[str, object]) -> bool:
    return owner(pod)[0] == "DaemonSet"


def is_mirror(pod: Mapping[str, Any]) -> bool:
    """The API server's picture of a Pod that the kubelet runs from a file."""
    return "kubernetes.io/config.mirror" in ((pod.get("metadata") or {}).get("annotations") or {})


def complete(pod: Object, state: ClusterState) -> Object:
    """What the API server would have filled in, for Pods that were never there: spec and status, requests from
    limits, the priority of a class."""
    spec = pod.get("spec") or {}
    changed: Object = {}
    name = spec.get("priorityClassName")
    if name and spec.get("priority") is None and (priority := state.priority(name)) is not None:
        changed["priority"] = priority
    for field in ("containers", "initContainers"):
        containers = spec.get(field)
        if containers and any(_lacks_requests(container) for container in containers):
            changed[field] = [_with_requests(container) for container in containers]
    if not changed and "spec" in pod and "status" in pod:
        return pod
    return {**pod, "spec": {**spec, **changed}, "status": pod.get("status") or {}}


def _lacks_requests(container: Mapping[str, Any]) -> bool:
    resources = container.get("resources") or {}
    return not (resources.get("limits") or {}).keys() <= (resources.get("requests") or {}).keys()


def _with_requests(container: Object) -> Object:
    resources = container.get("resources") or {}
    requests = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {**container, "resources": {**resources, "requests": requests}} if requests else container
