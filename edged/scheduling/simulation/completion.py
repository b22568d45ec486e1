"""What the API server, and those who watch it, would have filled in: for objects that people wrote by hand. Pure.

    complete(state)                    # the whole picture
    pod = completed_pod(pod, state)    # a Pod that a change adds

Objects that an API server has seen (they have a uid or a version) keep what was decided when they were made: classes
and limits of today do not change them. Defaults of fields are added to all, as the API server adds them to what it
reads. Source of the rules: edged/kube/defaults. What is not done is noted; what is missing in the end, by gaps.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from edged.kube.defaults import cluster_objects, limit_checks, pod_admission, pod_checks, pod_creation, pod_spec
from edged.kube.values.names import NamespacedName, key_of
from edged.scheduling.simulation.claims import add_missing_claims
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.counterparts import note_counterparts
from edged.scheduling.simulation.pod_objects import Object, was_seen
from edged.scheduling.simulation.volumes import bind_claims, make_available

HOSTNAME: Final = "kubernetes.io/hostname"
UNSCHEDULABLE: Final = "node.kubernetes.io/unschedulable"
REFUSED: Final = "the API server would refuse it, it is simulated all the same: {}"
_ALWAYS: Final = ("default", "kube-system", "kube-public", "kube-node-lease")
"""Namespaces that every API server makes."""
_NOT_APPLIED: Final = (
    "scheduler.alpha.kubernetes.io/node-selector", "scheduler.alpha.kubernetes.io/defaultTolerations",
    "openshift.io/node-selector",
)  # fmt: skip
"""Annotations of namespaces that plugins read which are off by default, or of another distribution."""
_TAINTS: Final = {
    ("Ready", "False"): "not-ready", ("Ready", "Unknown"): "unreachable", ("MemoryPressure", "True"): "memory-pressure",
    ("DiskPressure", "True"): "disk-pressure", ("PIDPressure", "True"): "pid-pressure",
    ("NetworkUnavailable", "True"): "network-unavailable",
}  # fmt: skip
"""Condition -> the taint that the node lifecycle controller gives to a node for it."""


_SETTERS: Final[Mapping[str, Callable[[Object], None]]] = {
    "StorageClass": cluster_objects.storage_class, "PersistentVolume": cluster_objects.volume,
    "PriorityClass": cluster_objects.priority_class, "Namespace": cluster_objects.namespace,
    "Node": cluster_objects.node, "PersistentVolumeClaim": cluster_objects.claim,
}  # fmt: skip


def complete(state: ClusterState) -> None:
    """Once, when everything was read."""
    state.namespaces = frozenset(key.name for key in state.of("Namespace"))
    note_counterparts(state)
    make_available(state)
    for kind in _SETTERS:
        for obj in list(state.of(kind).values()):
            state.put(kind, completed(obj, kind))
    for pod in list(state.pods.values()):
        seen = was_seen(pod)
        state.put("Pod", _completed(pod, state) if seen else completed_pod(pod, state, keep_priority=True))
    complete_around_pods(state)


def completed(obj: Object, kind: str) -> Object:
    """An object of another kind than Pod."""
    if kind not in _SETTERS:
        return obj
    obj = copied(obj)
    _SETTERS[kind](obj)
    if kind == "Node" and not was_seen(obj):
        _taint(obj)
    return obj


def complete_around_pods(state: ClusterState) -> None:
    """Namespaces that are only named, claims of ephemeral volumes, classes and volumes of claims."""
    for namespace in sorted({key.namespace for key in state.pods} - {key.name for key in state.of("Namespace")}):
        obj: Object = {"metadata": {"name": namespace}}
        cluster_objects.namespace(obj)
        state.put("Namespace", obj)
    add_missing_claims(state)
    name = cluster_objects.default_class(state.of("StorageClass").values())
    for claim in list(state.of("PersistentVolumeClaim").values()):
        # A controller gives the class also to claims that are older than it, while they have no volume.
        if name and not cluster_objects.has_class(claim) and not (claim.get("spec") or {}).get("volumeName"):
            state.put("PersistentVolumeClaim", {**claim, "spec": {**claim["spec"], "storageClassName": name}})
    bind_claims(state)


def completed_pod(pod: Object, state: ClusterState, *, keep_priority: bool = False) -> Object:
    """A Pod as the API server stores it when it is made. `keep_priority`: as it stands in the spec, if it does. Pods of
    exports have one, from before the classes of today."""
    pod = copied(pod)
    debts = [*pod_checks.without_debts(pod.get("spec") or {})]
    pod = _completed(pod, state)
    key = key_of(pod)
    surroundings = around(state, key.namespace, keep_priority=keep_priority)
    closed = _closed_namespace(state, key.namespace)
    refusals = [*filter(None, [closed]), *pod_admission.admit(pod, surroundings)]
    pod_creation.prepare(pod)
    refusals += [*pod_checks.refused(pod), *limit_checks.refused_pod(pod, surroundings.limit_ranges)]
    for reason in (*debts, *refusals):
        state.notes.add(REFUSED.format(reason), f"Pod {key}")
    annotations = (state.of("Namespace").get(NamespacedName("", key.namespace)) or {}).get("metadata") or {}
    for name in _NOT_APPLIED:
        if name in (annotations.get("annotations") or {}):
            state.notes.add(f"not applied: annotation {name}", f"Namespace {key.namespace}")
    return pod


def _closed_namespace(state: ClusterState, name: str) -> str:
    """Why nothing can be made there: neither in the input, nor added with the Pods, nor made by every API server; or on
    its way out."""
    there = state.of("Namespace").get(NamespacedName("", name))
    if there is not None and there["metadata"].get("deletionTimestamp"):
        return f"unable to create new content in namespace {name} because it is being terminated"
    known = not state.namespaces or name in state.namespaces or name in _ALWAYS
    return "" if known else f'namespaces "{name}" not found'


def _completed(pod: Object, state: ClusterState) -> Object:
    """Defaults of its fields; and the priority of its class for a Pod of an API server that gives none."""
    pod = copied(pod)
    pod["spec"], pod["status"] = pod.get("spec") or {}, pod.get("status") or {}
    pod_spec.pod(pod)
    spec, name = pod["spec"], pod["spec"].get("priorityClassName")
    known = around(state, "").priority_class(name) if name and spec.get("priority") is None else None
    if known is not None and was_seen(pod):
        spec["priority"] = known.get("value") or 0
    return pod


def around(state: ClusterState, namespace: str, *, keep_priority: bool = False) -> pod_admission.Surroundings:
    return pod_admission.Surroundings(
        list(state.of("PriorityClass").values()),
        list(state.of("RuntimeClass").values()),
        [obj for key, obj in state.of("LimitRange").items() if key.namespace == namespace],
        keep_priority,
    )


def copied(value: Any) -> Any:
    """The same with objects and lists of its own."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


# --- Nodes


def _taint(node: Object) -> None:
    """Taints for conditions and for being cordoned, which controllers would add."""
    spec = node["spec"]
    taints = list(spec.get("taints") or ())
    for key, effect in _due_taints(node):
        if not any(each.get("key") == key and each.get("effect") == effect for each in taints):
            taints.append({"key": key, "effect": effect})
    spec["taints"] = taints


def _due_taints(node: Object) -> Iterator[tuple[str, str]]:
    if node["spec"].get("unschedulable"):
        yield UNSCHEDULABLE, "NoSchedule"
    for condition in (node.get("status") or {}).get("conditions") or ():
        name = _TAINTS.get((condition["type"], condition.get("status") or ""))
        if name:
            yield f"node.kubernetes.io/{name}", "NoSchedule"
        if name and condition["type"] == "Ready":
            yield f"node.kubernetes.io/{name}", "NoExecute"
