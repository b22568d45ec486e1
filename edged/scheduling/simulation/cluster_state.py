"""A cluster as plain objects: what a simulation starts from. Pure: documents come decoded.

Takes what people have: objects and Lists as `kubectl get -o yaml` prints them, arrays of objects, and the export of
kube-scheduler-simulator (`{"pods": [...], "nodes": [...], "pvs": ...}`). Kinds that no scheduling decision looks at
are counted in `ignored`; what is no object is skipped, and `notes` name it. What the API server would have filled in is
added by completion.py, what-if changes are in changes.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from edged.errors import ConfigError
from edged.kube.defaults.pod_spec import object_at
from edged.kube.values.names import NamespacedName, key_of
from edged.kube.values.shape_checks import SHAPES, problem
from edged.scheduling.simulation.notes import Notes
from edged.scheduling.simulation.pod_objects import Object, has_ended, node_of

CLUSTER_SCOPED: Final = frozenset(
    {"Node", "Namespace", "PersistentVolume", "StorageClass", "PriorityClass", "CSINode", "CSIDriver",
     "VolumeAttachment", "RuntimeClass"}
)  # fmt: skip
KINDS: Final = frozenset(SHAPES)
SCHEDULER_CONFIG: Final = "KubeSchedulerConfiguration"
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(KINDS, ("",)),
    **dict.fromkeys(("StorageClass", "CSINode", "CSIDriver", "CSIStorageCapacity", "VolumeAttachment"),
                    ("storage.k8s.io",)),
    **dict.fromkeys(("ReplicaSet", "StatefulSet", "Deployment", "DaemonSet"), ("apps", "extensions")),
    **dict.fromkeys(("Job", "CronJob"), ("batch",)),
    "PodTemplate": ("",),
    SCHEDULER_CONFIG: ("kubescheduler.config.k8s.io",),
    "PodDisruptionBudget": ("policy",), "PriorityClass": ("scheduling.k8s.io",), "RuntimeClass": ("node.k8s.io",),
}  # fmt: skip
"""The API groups that a kind is known in: a Node of longhorn.io is none, a Service of serving.knative.dev neither."""
EXPORT_KEYS: Final = {
    "pods": "Pod", "nodes": "Node", "pvs": "PersistentVolume", "pvcs": "PersistentVolumeClaim",
    "storageClasses": "StorageClass", "priorityClasses": "PriorityClass", "namespaces": "Namespace",
}  # fmt: skip
NO_KIND: Final = "skipped, because it has no kind"
TWICE: Final = "in the input more than once, with differences; the newest counts, or else the last"


class ClusterState:
    """Objects by kind and key. `scheduler_configs`: each KubeSchedulerConfiguration that came along, and where it is.
    `namespaces`: names of those that the input has; none where it has no Namespaces at all. `workloads`: those among
    what is ignored (Deployments and the like), by kind and key."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[NamespacedName, Object]] = {kind: {} for kind in KINDS}
        self.scheduler_configs: list[tuple[Object, str]] = []
        self.ignored: Counter[str] = Counter()
        self.workloads: dict[tuple[str, NamespacedName], Object] = {}
        self._counted: set[tuple[str, NamespacedName]] = set()
        self.notes = Notes()
        self.namespaces: frozenset[str] = frozenset()

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
        other.scheduler_configs = list(self.scheduler_configs)
        other.ignored, other.notes = self.ignored.copy(), self.notes.copy()
        other.namespaces, other.workloads = self.namespaces, dict(self.workloads)
        return other

    def put(self, kind: str, obj: Object) -> None:
        self.objects[kind][key_of(obj)] = obj

    def add_document(self, document: object, where: str) -> None:
        """An object, a List, an array of those, or an export. Raises ConfigError that starts with `where`."""
        for obj, kind, place in self.objects_in(document, where):
            self._add_object(obj, kind, place)

    def objects_in(self, document: object, where: str) -> Iterator[tuple[Object, str, str]]:
        """(object, kind, where) of a document; what is none is noted."""
        if document is None:
            return
        if isinstance(document, list):
            for number, item in enumerate(document):
                yield from self.objects_in(item, f"{where}: [{number}]")
            return
        kind = document.get("kind") if isinstance(document, dict) else None
        if not isinstance(document, dict) or (kind is not None and not isinstance(kind, str)):
            self.notes.add(NO_KIND, where)
        elif kind is None:
            yield from self._exported(document, where)
        elif kind.endswith("List") and isinstance(document.get("items"), list | None):
            for number, item in enumerate(document.get("items") or ()):
                yield from self._item(item, kind.removesuffix("List"), document, f"{where}: items[{number}]")
        else:
            yield document, kind, where

    def _exported(self, document: Object, where: str) -> Iterator[tuple[Object, str, str]]:
        found = [key for key in EXPORT_KEYS if key in document]
        if not found or not all(isinstance(document[key], list | None) for key in found):
            self.notes.add(NO_KIND, where)
            return
        for key in found:
            for number, item in enumerate(document[key] or ()):
                yield from self._item(item, EXPORT_KEYS[key], {}, f"{where}: {key}[{number}]")
        if document.get("schedulerConfig"):
            yield document["schedulerConfig"], SCHEDULER_CONFIG, f"{where}: schedulerConfig"

    def _item(self, item: object, kind: str, of: Object, where: str) -> Iterator[tuple[Object, str, str]]:
        """Items of typed lists carry neither a kind nor a version of their own."""
        if not isinstance(item, dict):
            raise ConfigError(f"{where}: not an object")
        own = item.get("kind") or kind
        if not own or not isinstance(own, str):
            raise ConfigError(f"{where}.kind: is required")
        if kind and not item.get("apiVersion") and isinstance(of.get("apiVersion"), str):
            item = {**item, "apiVersion": of["apiVersion"]}
        yield from self.objects_in(item if item.get("kind") else {**item, "kind": own}, where)

    def _add_object(self, obj: Object, kind: str, where: str) -> None:
        if kind == SCHEDULER_CONFIG and is_of_its_group(obj, kind):
            self.scheduler_configs.append((obj, where))
            return
        if kind not in KINDS or not is_of_its_group(obj, kind):
            self._ignore(obj, kind)
            return
        obj = checked(obj, kind, where)
        there = self.of(kind).get(key_of(obj))
        if there is not None and there != obj:
            self.notes.add(TWICE, f"{kind} {key_of(obj)}")
            obj = _newer(there, obj)
        self.put(kind, obj)

    def _ignore(self, obj: Object, kind: str) -> None:
        """Counts it, once where the input has it more than once."""
        called, metadata = name_of_kind(obj, kind), object_at(obj, "metadata")
        name, namespace = metadata.get("name"), metadata.get("namespace") or "default"
        if isinstance(name, str) and isinstance(namespace, str):
            key = NamespacedName(namespace, name)
            if kind in GROUPS and is_of_its_group(obj, kind):
                self.workloads[kind, key] = obj
            if (called, key) in self._counted:
                return
            self._counted.add((called, key))
        self.ignored[called] += 1

    def waiting_pods(self) -> Iterator[Object]:
        """Pods without a node that have not ended."""
        return (pod for pod in self.pods.values() if not node_of(pod) and not has_ended(pod))


def is_of_its_group(obj: object, kind: str) -> bool:
    """Objects without a version are what their kind says."""
    version = obj.get("apiVersion") if isinstance(obj, dict) else None
    return not isinstance(version, str) or version.rpartition("/")[0] in GROUPS.get(kind, ())


def is_of_kubernetes(obj: Object) -> bool:
    """Whether its API group is one of Kubernetes itself, whose kinds are known. Those of its side projects are not."""
    group = str(obj.get("apiVersion") or "").rpartition("/")[0]
    return "." not in group or (group.endswith(".k8s.io") and not group.endswith(".x-k8s.io"))


def name_of_kind(obj: Object, kind: str) -> str:
    """The kind, with its group where the kind alone would mislead."""
    return kind if is_of_its_group(obj, kind) or kind not in GROUPS else f"{kind} of {obj['apiVersion']}"


def checked(obj: Object, kind: str, where: str) -> Object:
    """The object of one of KINDS, with its namespace. Raises ConfigError for one without a name, or that cannot be
    read."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("name") in (None, ""):
        raise ConfigError(f"{where}: {kind} without metadata.name")
    if kind not in CLUSTER_SCOPED and not metadata.get("namespace"):
        obj = {**obj, "metadata": {**metadata, "namespace": "default"}}
    check(obj, kind, where)
    return obj


def check(obj: Object, kind: str, where: str) -> None:
    """Raises ConfigError that names the object and the field, if what edged reads of it cannot be read."""
    found = problem(obj, SHAPES[kind])
    if found:
        names = (obj["metadata"].get("namespace"), obj["metadata"].get("name"))
        called = "/".join(str(name) for name in names if name)
        raise ConfigError(f"{where}: {f'{kind} {called}'.rstrip()}: {found}")


def _newer(there: Object, obj: Object) -> Object:
    """Of two states of an object: the one that the API server wrote later, where both tell."""
    old, new = (str(each["metadata"].get("resourceVersion") or "") for each in (there, obj))
    return there if old.isdecimal() and new.isdecimal() and int(old) > int(new) else obj
