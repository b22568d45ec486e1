"""What-if changes of a cluster: drain, cordon, remove and add nodes, scale workloads, reschedule. Pure.

Each function changes a ClusterState (a copy of the one that is compared with) and gives back what it did, in words.
Objects are replaced, never changed in place. Raises ConfigError that names what is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from edged.errors import ConfigError
from edged.kube.values.names import NamespacedName, key_of
from edged.scheduling.simulation.cluster_state import (
    ClusterState,
    Object,
    check,
    complete,
    has_ended,
    is_daemon,
    is_mirror,
    node_of,
    owner,
)

ORIGIN: Final = "edged.simulate/origin"
"""Annotation on Pods that a change made: why there is such a Pod. Never leaves the simulation."""
UNSCHEDULABLE: Final = "node.kubernetes.io/unschedulable"
HOSTNAME: Final = "kubernetes.io/hostname"
TEMPLATES: Final = frozenset({"Deployment", "ReplicaSet", "StatefulSet", "ReplicationController", "Job"})
MOST_ADDED: Final = 10_000


class UnknownNameError(ConfigError):
    """`name` is none of `known`. `message`: without the known names, for who names the nearest."""

    def __init__(self, message: str, name: str, known: Iterable[str]) -> None:
        self.message, self.name, self.known = message, name, sorted(known)
        shown = ", ".join(self.known[:5]) + (f" and {len(self.known) - 5} more" if len(self.known) > 5 else "")
        super().__init__(f"{message}; there {'is' if len(self.known) == 1 else 'are'} {shown or 'none at all'}")


def cordon(state: ClusterState, name: str) -> str:
    node = _node(state, name)
    spec = node.get("spec") or {}
    taints = [t for t in spec.get("taints") or () if t.get("key") != UNSCHEDULABLE]
    taints.append({"key": UNSCHEDULABLE, "effect": "NoSchedule"})
    state.put("Node", {**node, "spec": {**spec, "unschedulable": True, "taints": taints}})
    return f"{name} cordoned"


def drain(state: ClusterState, name: str) -> str:
    """The node stays, cordoned; its Pods wait for another one."""
    cordon(state, name)
    moved, dropped = _clear(state, name, "drained", keep_mirrors=True)
    return f"{name} drained: {_cleared(moved, f'{pods(dropped)} of DaemonSets removed' if dropped else '')}"


def remove_node(state: ClusterState, name: str) -> str:
    """Removes the node and the Pods that belong to it alone; its other Pods wait for another node."""
    del state.nodes[key_of(_node(state, name))]
    state.of("CSINode").pop(NamespacedName("", name), None)
    moved, dropped = _clear(state, name, "node removed", keep_mirrors=False)
    return f"{name} removed: {_cleared(moved, f'{pods(dropped)} removed with it' if dropped else '')}"


def add_nodes(state: ClusterState, count: int, template: str) -> str:
    """Copies of a node under new names, with their own Pods of its DaemonSets, ready and not cordoned."""
    node = _node(state, template)
    daemons = [pod for pod in state.pods.values() if node_of(pod) == template and is_daemon(pod)]
    names = [name for name in (f"{template}-added-{n}" for n in range(1, MOST_ADDED + count)) if not _has(state, name)]
    for name in names[:count]:
        state.put("Node", _copy_of_node(node, name))
        csi = state.of("CSINode").get(NamespacedName("", template))
        if csi is not None:
            state.put("CSINode", {**csi, "metadata": {"name": name}})
        for pod in daemons:
            added = _like(pod, f"{pod['metadata']['name']}-{name}", "added with its node")
            added["spec"] = {**added["spec"], "nodeName": name}
            state.put("Pod", added)
    shown = ", ".join(names[: min(count, 3)]) + (", ..." if count > 3 else "")
    return f"{count} node{'s' if count != 1 else ''} like {template} added: {shown}"


def scale(state: ClusterState, workload: str, count: int) -> str:
    """`workload` is NAME or NAMESPACE/NAME of what controls the Pods (a Deployment's ReplicaSet counts as it)."""
    namespace, _, name = workload.rpartition("/")
    namespace = namespace or "default"
    pods = [p for key, p in state.pods.items() if key.namespace == namespace and not has_ended(p) and _is_of(p, name)]
    if not pods:
        message = f"no Pod in namespace {namespace} belongs to a workload {name!r}"
        raise UnknownNameError(message, f"{namespace}/{name}", _workloads(state, name))
    pods.sort(key=lambda pod: (not node_of(pod), pod["metadata"]["name"]))
    for pod in pods[count:]:
        del state.pods[key_of(pod)]
    for number in range(1, count - len(pods) + 1):
        state.put("Pod", _waiting(_like(pods[0], f"{name}-scaled-{number}", "scaled up")))
    return f"{namespace}/{name} scaled from {len(pods)} to {count}"


def add_pods(state: ClusterState, documents: Iterable[tuple[object, str]]) -> str:
    """Pods, and those that workloads would have made of their templates. Takes (document, where)."""
    added = 0
    for document, where in documents:
        items = document.get("items") if isinstance(document, dict) and "items" in document else [document]
        for obj in items or ():
            for pod in _pods_of(obj, where):
                check(pod, "Pod", where)
                if key_of(pod) in state.pods:
                    raise ConfigError(f"{where}: there is a Pod {key_of(pod)} already")
                state.put("Pod", complete(pod, state))
                added += 1
    return f"{pods(added)} added"


def reschedule(state: ClusterState, which: str) -> str:
    """Running Pods start without a node: all, those of NAMESPACE/, or NAMESPACE/NAME. Not those of DaemonSets."""
    is_meant = _selector(which)
    meant = [p for k, p in state.pods.items() if is_meant(k) and node_of(p) and not has_ended(p)]
    meant = [pod for pod in meant if not is_daemon(pod) and not is_mirror(pod)]
    if not meant:
        running = [str(key) for key, pod in state.pods.items() if node_of(pod)]
        known = {f"{key.partition('/')[0]}/" for key in running} if which.endswith("/") else running
        message = f"no running Pod is meant by {which!r} (all, NAMESPACE/ or NAMESPACE/NAME)"
        raise UnknownNameError(message, which, known)
    for pod in meant:
        state.put("Pod", _waiting(_marked(pod, "placed anew")))
    return f"{pods(len(meant))} placed anew"


# --- how


def pods(count: int) -> str:
    return f"{count} Pod{'s' if count != 1 else ''}"


def _selector(which: str) -> Callable[[NamespacedName], bool]:
    if which == "all":
        return lambda key: True
    namespace, slash, name = which.partition("/")
    if not slash:
        namespace, name = "default", namespace
    return lambda key: key.namespace == namespace and (not name or key.name == name)


def _node(state: ClusterState, name: str) -> Object:
    node = state.nodes.get(NamespacedName("", name))
    if node is None:
        raise UnknownNameError(f"there is no node {name!r}", name, (key.name for key in state.nodes))
    return node


def _has(state: ClusterState, name: str) -> bool:
    return NamespacedName("", name) in state.nodes


def _cleared(moved: int, dropped: str) -> str:
    needs = f"{pods(moved)} need{'s' if moved == 1 else ''} another node" if moved else ""
    return ", ".join(filter(None, (needs, dropped))) or "no Pod has to leave it"


def _clear(state: ClusterState, name: str, origin: str, *, keep_mirrors: bool) -> tuple[int, int]:
    """(Pods that wait now, Pods that are gone)."""
    moved = dropped = 0
    for pod in [pod for pod in state.pods.values() if node_of(pod) == name and not has_ended(pod)]:
        if is_mirror(pod) and keep_mirrors:
            continue
        if is_daemon(pod) or is_mirror(pod):
            del state.pods[key_of(pod)]
            dropped += 1
            continue
        origin_here = origin if owner(pod)[0] else f"{origin}; nobody would create it again: it has no controller"
        state.put("Pod", _waiting(_marked(pod, origin_here)))
        moved += 1
    return moved, dropped


def _copy_of_node(node: Object, name: str) -> Object:
    metadata, spec = node["metadata"], node.get("spec") or {}
    labels = dict(metadata.get("labels") or {})
    if HOSTNAME in labels:
        labels[HOSTNAME] = name
    # Taints of that prefix say how the original is, not what it is for.
    taints = [t for t in spec.get("taints") or () if not (t.get("key") or "").startswith("node.kubernetes.io/")]
    return {
        "metadata": {"name": name, "labels": labels, "annotations": metadata.get("annotations") or {}},
        "spec": {"taints": taints},
        "status": {**(node.get("status") or {}), "addresses": []},
    }


def _is_of(pod: Object, name: str) -> bool:
    return name in _workload_names(pod)


def _workload_names(pod: Object) -> tuple[str, ...]:
    """The controller, and the Deployment of a ReplicaSet."""
    kind, by = owner(pod)
    deployment = by.rpartition("-")[0] if kind == "ReplicaSet" else ""
    return tuple(filter(None, (deployment, by)))


def _workloads(state: ClusterState, name: str) -> set[str]:
    """NAMESPACE/NAME of all workloads; only those of this name, if there are some in other namespaces."""
    known = {f"{key.namespace}/{each}" for key, pod in state.pods.items() for each in _workload_names(pod)}
    return {each for each in known if each.rpartition("/")[2] == name} or known


def _like(pod: Object, name: str, origin: str) -> Object:
    """A new Pod of the same kind."""
    metadata = {
        k: v for k, v in pod["metadata"].items() if k in ("namespace", "labels", "annotations", "ownerReferences")
    }
    copy = {**pod, "metadata": {**metadata, "name": name, "uid": f"simulated-{name}"}}
    return _marked(copy, origin)


def _marked(pod: Object, origin: str) -> Object:
    metadata = pod["metadata"]
    return {**pod, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), ORIGIN: origin}}}


def _waiting(pod: Object) -> Object:
    """The Pod as its controller would create it again."""
    spec = {key: value for key, value in (pod.get("spec") or {}).items() if key != "nodeName"}
    metadata = {key: value for key, value in pod["metadata"].items() if key != "deletionTimestamp"}
    return {**pod, "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}


def _pods_of(obj: object, where: str) -> list[Object]:
    if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict) or not obj["metadata"].get("name"):
        raise ConfigError(f"{where}: not an object with metadata.name")
    kind, spec = obj.get("kind"), obj.get("spec") or {}
    if not isinstance(spec, dict):
        raise ConfigError(f"{where}: {kind} {obj['metadata']['name']}: spec: must be an object")
    namespace, name = obj["metadata"].get("namespace") or "default", obj["metadata"]["name"]
    if kind == "Pod":
        return [_marked({**obj, "metadata": {**obj["metadata"], "namespace": namespace}}, "added")]
    if kind not in TEMPLATES:
        raise ConfigError(f"{where}: no Pods are made of a {kind}; Pod or one of {', '.join(sorted(TEMPLATES))}")
    count = spec.get("parallelism" if kind == "Job" else "replicas")
    count = 1 if count is None else count
    if not isinstance(count, int) or not 0 <= count <= MOST_ADDED:
        raise ConfigError(f"{where}: {kind} {name}: {count!r} Pods: not a number up to {MOST_ADDED}")
    template = spec.get("template") or {}
    if not isinstance(template, dict) or not isinstance(template.get("metadata"), dict | None):
        raise ConfigError(f"{where}: {kind} {name}: spec.template: must be an object with metadata and spec")
    reference = {"apiVersion": obj.get("apiVersion"), "kind": kind, "name": name, "controller": True}
    metadata = {**(template.get("metadata") or {}), "namespace": namespace, "ownerReferences": [reference]}
    return [
        _marked({"metadata": {**metadata, "name": f"{name}-{n}"}, "spec": template.get("spec") or {}}, "added")
        for n in range(count)
    ]
