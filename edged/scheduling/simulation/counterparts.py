"""What of a picture lacks its counterpart there: workloads without Pods, Pods whose Node is not there. Pure.

A simulation makes neither. It says so, so that nobody takes room for free that they need.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from edged.kube.defaults.pod_spec import object_at, objects_in
from edged.kube.values.names import NamespacedName, key_of
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.pod_objects import Object, has_ended, node_of, owner

NO_PODS: Final = "has no Pods in the input; --add-pods makes them, and their claims"
NO_NODE: Final = "names a Node that is not in the input: it takes no room anywhere"
_KEPT: Final = ("StatefulSet", "ReplicaSet", "ReplicationController")
"""Workloads of which a ClusterState keeps the objects, because Pods are spread by them."""
_ABOVE: Final = {"ReplicaSet": "Deployment", "Job": "CronJob"}
"""Kind that controls Pods -> kind that makes those, and gives them its name with a suffix."""


def note_counterparts(state: ClusterState) -> None:
    """Once, when everything was read."""
    _note_missing_pods(state)
    for pod in state.pods.values():
        note_missing_node(state, pod)


def note_missing_node(state: ClusterState, pod: Object) -> None:
    name = node_of(pod)
    if name and not has_ended(pod) and NamespacedName("", name) not in state.nodes:
        state.notes.add(NO_NODE, f"Pod {key_of(pod)} on {name}")


def _note_missing_pods(state: ClusterState) -> None:
    """Names the workloads that should have Pods and have none. Those that have some are no longer said to be ignored:
    their Pods are what counts."""
    there = {each for pod in state.pods.values() for each in _makers(pod)}
    for (kind, key), obj in _workloads(state):
        if (kind, key) not in there:
            if _wants_pods(kind, obj):
                state.notes.add(NO_PODS, f"{kind} {key}")
        elif kind not in _KEPT:
            state.ignored[kind] -= 1
    state.ignored = +state.ignored


def _workloads(state: ClusterState) -> Iterator[tuple[tuple[str, NamespacedName], Object]]:
    for kind in _KEPT:
        yield from (((kind, key), obj) for key, obj in state.of(kind).items())
    yield from state.workloads.items()


def _makers(pod: Object) -> Iterator[tuple[str, NamespacedName]]:
    kind, name = owner(pod)
    namespace = key_of(pod).namespace
    yield kind, NamespacedName(namespace, name)
    if kind in _ABOVE:
        yield _ABOVE[kind], NamespacedName(namespace, name.rpartition("-")[0])


def _wants_pods(kind: str, obj: Object) -> bool:
    """Whether its controller makes some, now or at its time."""
    spec, status = object_at(obj, "spec"), object_at(obj, "status")
    if kind in ("Job", "CronJob"):
        ended = any(
            each.get("type") in ("Complete", "Failed") and each.get("status") == "True"
            for each in objects_in(status.get("conditions"))
        )
        return spec.get("suspend") is not True and spec.get("parallelism") != 0 and not ended
    if kind == "DaemonSet":
        return status.get("desiredNumberScheduled") != 0
    return kind != "PodTemplate" and spec.get("replicas") != 0
