"""NodeResourcesFit: the node has room for what the Pod requests; scores by how much is left, or used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edged.errors import shown
from edged.scheduling.core.cluster_events import Action, ClusterEvent, EventRegistration
from edged.scheduling.core.framework import NODE, POD, ArgumentError, CycleState, Handle, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.objects.nodes import Node, NodeInfo
from edged.scheduling.objects.pods import PodInfo
from edged.scheduling.objects.resource_amounts import is_extended, is_scalar
from edged.scheduling.plugins.resource_scoring import (
    Strategy,
    least_allocated,
    most_allocated,
    requested_to_capacity_ratio,
)

_NAME = "NodeResourcesFit"
_FULL = Status(Code.UNSCHEDULABLE, ("Too many pods",), _NAME)
_NATIVE = ("cpu", "memory", "ephemeral-storage")
_DEFAULT_RESOURCES = ({"name": "cpu", "weight": 1}, {"name": "memory", "weight": 1})


class NodeResourcesFit(Plugin):
    """Args: ignoredResources, ignoredResourceGroups, scoringStrategy {type, resources,
    requestedToCapacityRatio}."""

    name = _NAME
    points = frozenset({"filter", "score"})
    depends_on = frozenset({POD, NODE})

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        self._ignored = frozenset(_names(args, "ignoredResources"))
        self._ignored_groups = frozenset(_names(args, "ignoredResourceGroups"))
        strategy = args.get("scoringStrategy") or {}
        if not isinstance(strategy, dict):
            raise ArgumentError("scoringStrategy", "must be an object")
        self._strategy = _strategy(strategy)
        self._resources = weighted_resources(strategy, "scoringStrategy.resources")

    def events_to_register(self) -> Iterable[EventRegistration]:
        pod = ClusterEvent("Pod", Action.DELETE | Action.UPDATE_POD_SCALE_DOWN)
        node = ClusterEvent("Node", Action.ADD | Action.UPDATE_NODE_ALLOCATABLE)
        return (EventRegistration(pod, _frees_resources), EventRegistration(node, self._newly_fits))

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        allocatable, requested = node.allocatable, node.requested
        if len(node.pods) >= node.pod_limit:
            return self._explain(pod, node)
        for resource, amount in pod.spec.requests.items():
            if amount and amount > allocatable.get(resource, 0) - requested.get(resource, 0):
                status = self._explain(pod, node)
                if status is not None:  # None: all that lacks is ignored
                    return status
        return None

    def _explain(self, pod: PodInfo, node: NodeInfo) -> Status | None:
        """All that lacks, in upstream's order."""
        reasons = ["Too many pods"] if len(node.pods) >= node.pod_limit else []
        code = Code.UNSCHEDULABLE
        for resource, amount in _ordered(pod.spec.requests):
            if not amount or self._is_ignored(resource):
                continue
            total = node.allocatable.get(resource, 0)
            if amount > total - node.requested.get(resource, 0):
                reasons.append(f"Insufficient {resource}")
                if amount > total:
                    code = Code.UNRESOLVABLE
        if not reasons:
            return None
        return _FULL if reasons == ["Too many pods"] else Status(code, tuple(reasons), _NAME)

    def _is_ignored(self, resource: str) -> bool:
        if not is_extended(resource):
            return False
        return resource in self._ignored or resource.split("/", 1)[0] in self._ignored_groups

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        requests = pod.spec.scored_requests
        allocatable, requested = node.allocatable, node.requested
        amounts = []
        for resource, weight in self._resources:
            total = allocatable.get(resource, 0)
            if not total:
                continue
            own = requests.get(resource, 0)
            if resource == "cpu":
                amounts.append((node.assumed_cpu + own, total, weight))
            elif resource == "memory":
                amounts.append((node.assumed_memory + own, total, weight))
            elif own or not is_scalar(resource):
                amounts.append((requested.get(resource, 0) + own, total, weight))
        return self._strategy(amounts)

    def _newly_fits(self, pod: PodInfo, old: Node | None, new: Node | None) -> bool:
        if new is None or not self._fits_when_empty(pod, new):
            return False
        if old is None or new.pod_limit > old.pod_limit:
            return True
        return any(
            amount and new.allocatable.get(resource, 0) > old.allocatable.get(resource, 0)
            for resource, amount in pod.spec.requests.items()
        )

    def _fits_when_empty(self, pod: PodInfo, node: Node) -> bool:
        info = NodeInfo(node.name)
        info.set_node(node)
        return self._explain(pod, info) is None


def _ordered(requests: dict[str, int]) -> list[tuple[str, int]]:
    native = [(name, requests[name]) for name in _NATIVE if name in requests]
    return native + sorted((name, amount) for name, amount in requests.items() if name not in _NATIVE)


def _frees_resources(pod: PodInfo, old: PodInfo | None, new: PodInfo | None) -> bool:
    if old is None:
        return False
    if new is None:
        return bool(old.node_name or old.nominated_node)
    if new.uid == pod.uid:
        return True
    if not new.node_name:
        return False
    before, after = old.spec.requests, new.spec.requests
    return any(
        amount and after.get(resource, 0) < before.get(resource, 0)
        for resource, amount in pod.spec.requests.items()
    )


# --- arguments


def _names(args: Mapping[str, object], key: str) -> list[str]:
    names = args.get(key) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ArgumentError(key, "must be a list of names")
    return names


def weighted_resources(args: Mapping[str, object], path: str) -> tuple[tuple[str, int], ...]:
    """`resources: [{name, weight}]` of a plugin's args; cpu and memory with weight 1 when there are none."""
    entries = args.get("resources") or _DEFAULT_RESOURCES
    if not isinstance(entries, list | tuple):
        raise ArgumentError(path, "must be a list of {name, weight}")
    result = []
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"]:
            raise ArgumentError(f"{path}[{i}]", "must have a name")
        weight = entry.get("weight") or 1
        if not isinstance(weight, int) or not 1 <= weight <= 100:
            raise ArgumentError(f"{path}[{i}].weight", f"must be 1..100, not {shown(weight)}")
        result.append((entry["name"], weight))
    return tuple(result)


def _strategy(args: dict[str, Any]) -> Strategy:
    kind = args.get("type") or "LeastAllocated"
    if kind == "LeastAllocated":
        return least_allocated
    if kind == "MostAllocated":
        return most_allocated
    if kind != "RequestedToCapacityRatio":
        kinds = "LeastAllocated, MostAllocated or RequestedToCapacityRatio"
        raise ArgumentError("scoringStrategy.type", f"must be {kinds}, not {shown(kind)}")
    ratio = args.get("requestedToCapacityRatio") or {}
    if not isinstance(ratio, dict):
        raise ArgumentError("scoringStrategy.requestedToCapacityRatio", "must be an object")
    return requested_to_capacity_ratio(_shape(ratio.get("shape")))


def _shape(points: object) -> list[tuple[int, int]]:
    path = "scoringStrategy.requestedToCapacityRatio.shape"
    if not isinstance(points, list) or not points:
        raise ArgumentError(path, "must be a list of {utilization, score} with at least one point")
    result: list[tuple[int, int]] = []
    for i, point in enumerate(points):
        if not isinstance(point, dict):
            raise ArgumentError(f"{path}[{i}]", "must be {utilization, score}")
        utilization, score = point.get("utilization", 0), point.get("score", 0)
        if not isinstance(utilization, int) or not 0 <= utilization <= 100:
            raise ArgumentError(f"{path}[{i}].utilization", f"must be 0..100, not {shown(utilization)}")
        if not isinstance(score, int) or not 0 <= score <= 10:
            raise ArgumentError(f"{path}[{i}].score", f"must be 0..10, not {shown(score)}")
        if result and utilization <= result[-1][0]:
            raise ArgumentError(f"{path}[{i}].utilization", "must be larger than the one before")
        result.append((utilization, score))
    return result
