"""The args of kube-scheduler's plugins in `pluginConfig`: their fields, and what the values may be. Pure.

Rules and ranges are kube-scheduler's. What comes out is what the plugins in scheduling/plugins take.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from edged.errors import ConfigError, shown
from edged.kube.values.name_checks import label_value_problem, qualified_name_problem
from edged.scheduling.config.config_shapes import an_object, text
from edged.scheduling.config.document_shapes import API_VERSION, ARGS, GROUP

Args = dict[str, Any]

_STRATEGIES: Final = ("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio")
_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,100}")
# Without a version the args are those of the document's; the other two are names of the same types.
_VERSIONS: Final = ("", API_VERSION, f"{GROUP}/", f"{GROUP}/__internal")


def decoded(plugin: str, value: object, path: str) -> Args:
    """The args of a plugin of ARGS, without apiVersion and kind. Raises ConfigError with the path."""
    given = an_object(value, path)
    version, kind = text(given.get("apiVersion"), f"{path}.apiVersion"), text(given.get("kind"), f"{path}.kind")
    if kind not in ("", f"{plugin}Args"):
        raise ConfigError(f"{path}.kind: must be {plugin}Args, not {shown(kind)}")
    if version not in _VERSIONS:
        raise ConfigError(f"{path}.apiVersion: must be {API_VERSION}, not {shown(version)}")
    args: Args = ARGS[plugin](given, path)
    return {key: item for key, item in args.items() if key not in ("apiVersion", "kind")}


def check(plugin: str, args: Args, path: str) -> None:
    """Raises ConfigError with the path."""
    rule = _RULES.get(plugin)
    if rule is not None:
        rule(args, path)


def _default_preemption(args: Args, path: str) -> None:
    percentage, absolute = args.get("minCandidateNodesPercentage", 10), args.get("minCandidateNodesAbsolute", 100)
    _within(percentage, 0, 100, f"{path}.minCandidateNodesPercentage")
    if absolute < 0:
        raise ConfigError(f"{path}.minCandidateNodesAbsolute: must not be negative: {absolute}")
    if not percentage and not absolute:
        raise ConfigError(f"{path}.minCandidateNodesPercentage: cannot be 0 where minCandidateNodesAbsolute is")


def _dynamic_resources(args: Args, path: str) -> None:
    if args.get("filterTimeout", 0.0) < 0:
        raise ConfigError(f"{path}.filterTimeout: must not be negative")
    if args.get("bindingTimeout", 600.0) < 1:
        raise ConfigError(f"{path}.bindingTimeout: must be at least 1s")


def _inter_pod_affinity(args: Args, path: str) -> None:
    _within(args.get("hardPodAffinityWeight", 1), 0, 100, f"{path}.hardPodAffinityWeight")


def _balanced_allocation(args: Args, path: str) -> None:
    seen: set[str] = set()
    for i, resource in enumerate(args.get("resources", ())):
        here, name = f"{path}.resources[{i}]", resource.get("name", "")
        if name in seen:
            raise ConfigError(f"{here}.name: {shown(name)} is there twice")
        seen.add(name)
        if (resource.get("weight") or 1) != 1:
            raise ConfigError(f"{here}.weight: must be 1, not {resource['weight']}")


def _fit(args: Args, path: str) -> None:
    for key, what in (("ignoredResources", "a resource's name"), ("ignoredResourceGroups", "a resource's group")):
        for i, name in enumerate(args.get(key, ())):
            if qualified_name_problem(name) or (key == "ignoredResourceGroups" and "/" in name):
                raise ConfigError(f"{path}.{key}[{i}]: {shown(name)} is not {what}")
    strategy, here = args.get("scoringStrategy"), f"{path}.scoringStrategy"
    if strategy is None:
        return
    kind, ratio = strategy.get("type", ""), strategy.get("requestedToCapacityRatio")
    if kind not in _STRATEGIES:
        raise ConfigError(f"{here}.type: must be {', '.join(_STRATEGIES[:2])} or {_STRATEGIES[2]}, not {shown(kind)}")
    for i, resource in enumerate(strategy.get("resources", ())):
        _within(resource.get("weight") or 1, 1, 100, f"{here}.resources[{i}].weight")
    if (kind == _STRATEGIES[2]) != (ratio is not None):
        wrong = "must not be there" if ratio is not None else "is required"
        raise ConfigError(f"{here}.requestedToCapacityRatio: {wrong} where the type is {kind}")
    if ratio is not None:
        _shape(ratio.get("shape", ()), f"{here}.requestedToCapacityRatio.shape")


def _shape(points: Sequence[Mapping[str, int]], path: str) -> None:
    if not points:
        raise ConfigError(f"{path}: must have at least one point")
    last = -1 << 32
    for i, point in enumerate(points):
        utilization = point.get("utilization", 0)
        if utilization <= last:
            raise ConfigError(f"{path}[{i}].utilization: values must be sorted in increasing order")
        _within(utilization, 0, 100, f"{path}[{i}].utilization")
        _within(point.get("score", 0), 0, 10, f"{path}[{i}].score")
        last = utilization


def _volume_binding(args: Args, path: str) -> None:
    if args.get("bindTimeoutSeconds", 0) < 0:
        raise ConfigError(f"{path}.bindTimeoutSeconds: must be a number of seconds, not negative")
    if args.get("shape"):
        _shape(args["shape"], f"{path}.shape")


def _topology_spread(args: Args, path: str) -> None:
    kind, constraints = args.get("defaultingType") or "System", args.get("defaultConstraints", [])
    if kind not in ("System", "List"):
        raise ConfigError(f"{path}.defaultingType: must be System or List, not {shown(kind)}")
    if kind == "System" and constraints:
        raise ConfigError(f"{path}.defaultingType: must be List where there are defaultConstraints")
    seen: set[tuple[str, str]] = set()
    for i, constraint in enumerate(constraints):
        here = f"{path}.defaultConstraints[{i}]"
        key, action = constraint.get("topologyKey", ""), constraint.get("whenUnsatisfiable", "")
        if constraint.get("maxSkew", 0) <= 0:
            raise ConfigError(f"{here}.maxSkew: must be a number above 0, not {constraint.get('maxSkew', 0)}")
        if qualified_name_problem(key):
            raise ConfigError(f"{here}.topologyKey: must be a label's name, not {shown(key)}")
        if action not in ("DoNotSchedule", "ScheduleAnyway"):
            raise ConfigError(f"{here}.whenUnsatisfiable: must be DoNotSchedule or ScheduleAnyway, not {shown(action)}")
        if "labelSelector" in constraint:
            raise ConfigError(f"{here}.labelSelector: must not be there: it is found for each Pod")
        if (key, action) in seen:
            raise ConfigError(f"{here}: has the topologyKey and whenUnsatisfiable of another one")
        seen.add((key, action))


def _node_affinity(args: Args, path: str) -> None:
    affinity, here = args.get("addedAffinity", {}), f"{path}.addedAffinity"
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {})
    for i, term in enumerate(required.get("nodeSelectorTerms", ())):
        _term(term, f"{here}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[{i}]")
    for i, preferred in enumerate(affinity.get("preferredDuringSchedulingIgnoredDuringExecution", ())):
        if preferred.get("weight"):  # one without is never looked at
            where = f"{here}.preferredDuringSchedulingIgnoredDuringExecution[{i}].preference"
            _term(preferred.get("preference", {}), where)


def _term(term: Args, path: str) -> None:
    for i, requirement in enumerate(term.get("matchExpressions", ())):
        _requirement(requirement, f"{path}.matchExpressions[{i}]")
    for i, requirement in enumerate(term.get("matchFields", ())):
        here, operator = f"{path}.matchFields[{i}]", requirement.get("operator", "")
        if operator not in ("In", "NotIn"):
            raise ConfigError(f"{here}.operator: must be In or NotIn, not {shown(operator)}")
        if len(requirement.get("values", ())) != 1:
            raise ConfigError(f"{here}.values: must have one value")


def _requirement(requirement: Args, path: str) -> None:
    operator, values = requirement.get("operator", ""), requirement.get("values", [])
    if operator not in _OPERATORS:
        raise ConfigError(f"{path}.operator: must be {', '.join(_OPERATORS[:-1])} or Lt, not {shown(operator)}")
    if problem := qualified_name_problem(requirement.get("key", "")):
        raise ConfigError(f"{path}.key: {shown(requirement.get('key', ''))} {problem}")
    if operator in ("In", "NotIn") and not values:
        raise ConfigError(f"{path}.values: operator {operator} needs values")
    if operator in ("Exists", "DoesNotExist") and values:
        raise ConfigError(f"{path}.values: operator {operator} takes no values")
    if operator in ("Gt", "Lt") and (len(values) != 1 or not _is_int64(values[0])):
        raise ConfigError(f"{path}.values: operator {operator} needs one value, an integer")
    for i, value in enumerate(values):
        if problem := label_value_problem(value):
            raise ConfigError(f"{path}.values[{i}]: {shown(value)} {problem}")


def _is_int64(value: str) -> bool:
    return bool(_INTEGER.fullmatch(value)) and -(1 << 63) <= int(value) < 1 << 63


def _within(value: int, least: int, most: int, path: str) -> None:
    if not least <= value <= most:
        raise ConfigError(f"{path}: must be {least}..{most}, not {value}")


_RULES: Final[Mapping[str, Callable[[Args, str], None]]] = {
    "DefaultPreemption": _default_preemption,
    "DynamicResources": _dynamic_resources,
    "InterPodAffinity": _inter_pod_affinity,
    "NodeAffinity": _node_affinity,
    "NodeResourcesBalancedAllocation": _balanced_allocation,
    "NodeResourcesFit": _fit,
    "PodTopologySpread": _topology_spread,
    "VolumeBinding": _volume_binding,
}
LATE: Final = frozenset({"NodeResourcesFit"})
"""kube-scheduler checks these args only where a profile has the plugin."""
