"""Further Pods of a workload that is scaled, and which of its Pods go first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from edged.kube.values.names import NamespacedName
from edged.scheduling.simulation.claims import claims_like
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.pod_objects import Object, like, node_of, owner


def in_order(pods: Sequence[Object]) -> list[Object]:
    """Those that stay longest come first: of a StatefulSet the lowest numbers, otherwise those that have a node."""
    if pods and owner(pods[0])[0] == "StatefulSet":
        return sorted(pods, key=lambda pod: _number(pod["metadata"]["name"]))
    return sorted(pods, key=lambda pod: (not node_of(pod), pod["metadata"]["name"]))


def another(state: ClusterState, pod: Object, workload: str, number: int) -> Object:
    """One more Pod like this one; of a StatefulSet with the next number, and with claims of its own."""
    if owner(pod)[0] != "StatefulSet":
        return like(pod, f"{workload}-scaled-{number}", "scaled up")
    first, namespace = _number(pod["metadata"]["name"]), pod["metadata"]["namespace"]
    ordinal = next(n for n in count(first) if NamespacedName(namespace, f"{workload}-{n}") not in state.pods)
    added = like(pod, f"{workload}-{ordinal}", "scaled up")
    own = {"statefulset.kubernetes.io/pod-name": f"{workload}-{ordinal}", "apps.kubernetes.io/pod-index": str(ordinal)}
    labels = added["metadata"].get("labels") or {}
    added["metadata"]["labels"] = {**labels, **{key: value for key, value in own.items() if key in labels}}
    claims_like(state, added, pod)
    return added


def _number(name: str) -> int:
    digits = name.rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else 0
