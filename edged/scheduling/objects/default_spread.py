"""Topology spread constraints for Pods that have none: which, and which Pods count. Pure.

The constraints are the system's or the profile's; the selector is that of the Services which select the Pod and
of the workload that controls it. A Pod that nothing selects is not spread. Called by plugins/pod_topology_spread.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from edged.kube.values.names import NamespacedName
from edged.kube.values.selectors import LabelSelector, Requirement
from edged.scheduling.core.framework import ArgumentError
from edged.scheduling.objects.other_objects import REPLICA_SET, REPLICATION_CONTROLLER, SERVICE, STATEFUL_SET, Objects
from edged.scheduling.objects.pods import PodInfo, SpreadConstraint, parse_spread

if TYPE_CHECKING:
    from edged.kube.values.shapes import TopologySpreadConstraint

_SELECTORS: Final = 512
_WORKLOADS: Final = {
    ("v1", "ReplicationController"): REPLICATION_CONTROLLER,
    ("apps/v1", "ReplicaSet"): REPLICA_SET,
    ("apps/v1", "StatefulSet"): STATEFUL_SET,
}
_SERVICES: Final = frozenset({SERVICE})
_KINDS: Final = {kind: frozenset({SERVICE, kind}) for kind in _WORKLOADS.values()}
_NAME: Final = re.compile(r"(?:[a-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?", re.ASCII)
SYSTEM: Final = tuple(
    parse_spread({"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway"})
    for key, skew in (("kubernetes.io/hostname", 3), ("topology.kubernetes.io/zone", 5))
)


class DefaultSpread(NamedTuple):
    """`by_system`: nodes that lack a key are scored all the same."""

    constraints: tuple[SpreadConstraint, ...]
    by_system: bool


def parse_args(args: Mapping[str, object]) -> DefaultSpread:
    """Of PodTopologySpreadArgs. Raises ArgumentError."""
    for key in args:
        if key not in ("defaultingType", "defaultConstraints"):
            raise ArgumentError(key, "unknown field")
    kind, given = args.get("defaultingType") or "System", args.get("defaultConstraints") or []
    if kind not in ("System", "List"):
        raise ArgumentError("defaultingType", f"must be System or List, not {kind!r}")
    if not isinstance(given, list):
        raise ArgumentError("defaultConstraints", "must be a list")
    if kind == "System":
        if given:
            raise ArgumentError("defaultingType", "must be List where there are defaultConstraints")
        return DefaultSpread(SYSTEM, True)
    constraints: list[SpreadConstraint] = []
    for i, each in enumerate(given):
        made = _constraint(each, f"defaultConstraints[{i}]")
        if any((c.topology_key, c.hard) == (made.topology_key, made.hard) for c in constraints):
            raise ArgumentError(f"defaultConstraints[{i}]", "has the topologyKey and whenUnsatisfiable of another one")
        constraints.append(made)
    return DefaultSpread(tuple(constraints), False)


def _constraint(given: object, path: str) -> SpreadConstraint:
    if not isinstance(given, dict):
        raise ArgumentError(path, "must be an object")
    skew, key = given.get("maxSkew"), given.get("topologyKey")
    if not isinstance(skew, int) or isinstance(skew, bool) or skew <= 0:
        raise ArgumentError(f"{path}.maxSkew", f"must be a number above 0, not {skew!r}")
    if not isinstance(key, str) or not _NAME.fullmatch(key):
        raise ArgumentError(f"{path}.topologyKey", f"must be a label's name, not {key!r}")
    if given.get("whenUnsatisfiable") not in ("DoNotSchedule", "ScheduleAnyway"):
        said = given.get("whenUnsatisfiable")
        raise ArgumentError(f"{path}.whenUnsatisfiable", f"must be DoNotSchedule or ScheduleAnyway, not {said!r}")
    if given.get("labelSelector") is not None:
        raise ArgumentError(f"{path}.labelSelector", "must not be there: it is found for each Pod")
    return parse_spread(cast("TopologySpreadConstraint", given))  # nothing else of the constraint is read


def kinds_for(pod: PodInfo) -> frozenset[str]:
    """The kinds of objects that its selector is made of."""
    workload = _workload(pod)
    return _SERVICES if workload is None else _KINDS[workload]


def _workload(pod: PodInfo) -> str | None:
    return None if pod.owner is None else _WORKLOADS.get((pod.owner.api_version, pod.owner.kind))


class DefaultSelectors:
    """The selectors of Pods. Pods with equal labels share theirs, until an object that selects Pods changes."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._generation = -1
        self._known: dict[Any, tuple[Mapping[str, str], LabelSelector | None]] = {}

    def of(self, pod: PodInfo) -> LabelSelector | None:
        """None: nothing selects the Pod."""
        if self._generation != self._objects.generation or len(self._known) > _SELECTORS:
            self._known.clear()
            self._generation = self._objects.generation
        # Pods with equal labels share one dict. The entry keeps it alive, so that its id is not used again.
        key = (id(pod.labels), pod.key.namespace, pod.owner)
        entry = self._known.get(key)
        if entry is None:
            entry = self._known[key] = (pod.labels, self._find(pod))
        return entry[1]

    def _find(self, pod: PodInfo) -> LabelSelector | None:
        namespace = pod.key.namespace
        by_key = self._objects.service_requirements(namespace, pod.labels)
        extra: tuple[Requirement, ...] = ()
        workload = _workload(pod)
        if workload is not None and pod.owner is not None:
            selector = self._objects.workload_selector(workload, NamespacedName(namespace, pod.owner.name))
            extra = selector.requirements if selector is not None else ()
        requirements = (*by_key.values(), *extra)
        return LabelSelector(requirements) if requirements else None


def with_label_keys(constraint: SpreadConstraint, labels: Mapping[str, str]) -> SpreadConstraint:
    """Its selector with the Pod's own values of `matchLabelKeys`. An API server from 1.34 on has done that already;
    doing it twice changes nothing."""
    requirements = [Requirement(key, "In", (labels[key],)) for key in constraint.match_label_keys if key in labels]
    if not requirements or constraint.selector is None:
        return constraint
    return constraint._replace(selector=LabelSelector((*requirements, *constraint.selector.requirements)))
