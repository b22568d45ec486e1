"""What a picture lacks: objects and fields without which something is placed otherwise, or not at all. Pure.

    note_gaps(state)                   # once, when all changes are made: one of them may bring what was missing
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from edged.kube.defaults import limit_checks
from edged.kube.defaults.pod_spec import object_at, objects_in
from edged.kube.values.names import key_of
from edged.scheduling.simulation.claims import note_unbound
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.completion import HOSTNAME, REFUSED, around
from edged.scheduling.simulation.pod_objects import Object, has_ended, was_seen

NO_STATUS: Final = "allows no disruption, because its status does not say how many"
NO_LABELS: Final = "selects namespaces by labels, and the input has no Namespaces: only their names are known"


def note_gaps(state: ClusterState) -> None:
    _claims(state)
    _namespaces(state)
    _nodes(state)
    _budgets(state)


def _claims(state: ClusterState) -> None:
    for key, claim in state.of("PersistentVolumeClaim").items():
        limits = () if was_seen(claim) else around(state, key.namespace).limit_ranges
        for reason in limit_checks.refused_claim(claim, limits):
            state.notes.add(REFUSED.format(reason), f"claim {key}")
    note_unbound(state)


def _namespaces(state: ClusterState) -> None:
    for pod in () if state.namespaces else state.waiting_pods():
        if any((term.get("namespaceSelector") or {}).values() for term in _affinity_terms(pod)):
            state.notes.add(NO_LABELS, f"Pod {key_of(pod)}")


def _budgets(state: ClusterState) -> None:
    for key, budget in state.of("PodDisruptionBudget").items():
        if not was_seen(budget) and (budget.get("status") or {}).get("disruptionsAllowed") is None:
            state.notes.add(NO_STATUS, f"PodDisruptionBudget {key}")


def _nodes(state: ClusterState) -> None:
    """What kubelets would have set."""
    by_name = any(HOSTNAME in _topology_keys(pod) for pod in state.pods.values() if not has_ended(pod))
    for key, node in state.nodes.items():
        if "pods" not in ((node.get("status") or {}).get("allocatable") or {}):
            state.notes.add("takes no Pod, because status.allocatable has no pods", f"Node {key}")
        if by_name and HOSTNAME not in (node["metadata"].get("labels") or {}):
            state.notes.add(f"has no label {HOSTNAME}, by which Pods are spread", f"Node {key}")


def _topology_keys(pod: Object) -> set[str]:
    spread = objects_in((pod.get("spec") or {}).get("topologySpreadConstraints"))
    return {each.get("topologyKey") or "" for each in (*spread, *_affinity_terms(pod))}


def _affinity_terms(pod: Object) -> Iterator[Object]:
    """Of affinity and anti-affinity, required and preferred."""
    for name in ("podAffinity", "podAntiAffinity"):
        terms = object_at(object_at(object_at(pod, "spec"), "affinity"), name)
        yield from objects_in(terms.get("requiredDuringSchedulingIgnoredDuringExecution"))
        for each in objects_in(terms.get("preferredDuringSchedulingIgnoredDuringExecution")):
            yield object_at(each, "podAffinityTerm")
