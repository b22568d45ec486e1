"""What-if changes of a cluster: drain, cordon and remove nodes, scale workloads, reschedule. Pure. Nodes are added in
added_nodes.py, Pods and other objects in added_objects.py.

Each function changes a ClusterState (a copy of the one that is compared with) and gives back what it did, in words.
Objects are replaced, never changed in place. Raises ConfigError that names what is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edged.errors import ConfigError
from edged.kube.values.names import NamespacedName, key_of
from edged.scheduling.simulation.claims import drop_claims
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.completion import UNSCHEDULABLE
from edged.scheduling.simulation.pod_objects import (
    Object,
    has_ended,
    is_daemon,
    is_mirror,
    marked,
    node_of,
    owner,
    pods,
)
from edged.scheduling.simulation.replicas import another, in_order


class UnknownNameError(ConfigError):
    """`name` is none of `known`. `message`: without the known names, for who names the nearest."""

    def __init__(self, message: str, name: str, known: Iterable[str]) -> None:
        self.message, self.name, self.known = message, name, sorted(known)
        shown = ", ".join(self.known[:5]) + (f" and {len(self.known) - 5} more" if len(self.known) > 5 else "")
        super().__init__(f"{message}; there {'is' if len(self.known) == 1 else 'are'} {shown or 'none at all'}")


def cordon(state: ClusterState, name: str) -> str:
    node = node_named(state, name)
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
    del state.nodes[key_of(node_named(state, name))]
    state.of("CSINode").pop(NamespacedName("", name), None)
    moved, dropped = _clear(state, name, "node removed", keep_mirrors=False)
    return f"{name} removed: {_cleared(moved, f'{pods(dropped)} removed with it' if dropped else '')}"


def scale(state: ClusterState, workload: str, count: int) -> str:
    """`workload` is NAME or NAMESPACE/NAME of what controls the Pods (a Deployment's ReplicaSet counts as it)."""
    namespace, _, name = workload.rpartition("/")
    namespace = namespace or "default"
    pods = [p for key, p in state.pods.items() if key.namespace == namespace and not has_ended(p) and _is_of(p, name)]
    if not pods:
        message = f"no Pod in namespace {namespace} belongs to a workload {name!r}"
        raise UnknownNameError(message, f"{namespace}/{name}", _workloads(state, name))
    pods = in_order(pods)
    for pod in pods[count:]:
        del state.pods[key_of(pod)]
    for number in range(1, count - len(pods) + 1):
        state.put("Pod", _waiting(another(state, pods[0], name, number)))
    return f"{namespace}/{name} scaled from {len(pods)} to {count}"


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
        drop_claims(state, pod)
        state.put("Pod", _waiting(marked(pod, "placed anew")))
    return f"{pods(len(meant))} placed anew"


# --- how


def _selector(which: str) -> Callable[[NamespacedName], bool]:
    if which == "all":
        return lambda key: True
    namespace, slash, name = which.partition("/")
    if not slash:
        namespace, name = "default", namespace
    return lambda key: key.namespace == namespace and (not name or key.name == name)


def node_named(state: ClusterState, name: str) -> Object:
    node = state.nodes.get(NamespacedName("", name))
    if node is None:
        raise UnknownNameError(f"there is no node {name!r}", name, (key.name for key in state.nodes))
    return node


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
        drop_claims(state, pod)
        state.put("Pod", _waiting(marked(pod, origin_here)))
        moved += 1
    return moved, dropped


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


def _waiting(pod: Object) -> Object:
    """The Pod as its controller would create it again."""
    spec = {key: value for key, value in (pod.get("spec") or {}).items() if key != "nodeName"}
    metadata = {key: value for key, value in pod["metadata"].items() if key != "deletionTimestamp"}
    return {**pod, "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}
