"""What the admission plugins that are on by default add to a new Pod. Pure; Pods are changed in place.

LimitRanger, ServiceAccount, Priority, DefaultTolerationSeconds and RuntimeClass, in the order of the API server.
`admit` says what the API server would refuse the Pod for. The Pod has then what could be filled in all the same: who
asks decides what a refusal means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from edged.kube.defaults.pod_spec import Object, object_at, objects_in, set_missing
from edged.kube.defaults.toleration_sets import merged
from edged.kube.values.quantity import QuantityError, nano

SYSTEM_CLASSES: Final[tuple[Object, ...]] = tuple(
    {"metadata": {"name": name}, "value": value, "preemptionPolicy": "PreemptLowerPriority"}
    for name, value in (("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000))
)
"""PriorityClasses that every API server makes when it starts."""
_NOT_READY: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_TOLERATED_S: Final = 300


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the plugins look at beside the Pod. `limit_ranges`: those of the Pod's namespace. `keep_priority`: a
    priority that the Pod has was decided before."""

    priority_classes: Sequence[Object] = ()
    runtime_classes: Sequence[Object] = ()
    limit_ranges: Sequence[Object] = ()
    keep_priority: bool = False

    def priority_class(self, name: str) -> Object | None:
        return next((each for each in (*self.priority_classes, *SYSTEM_CLASSES) if _name(each) == name), None)

    def default_priority_class(self) -> Object | None:
        """Of several the one with the lowest value."""
        marked = [each for each in self.priority_classes if each.get("globalDefault") is True]
        return min(marked, key=lambda each: (each.get("value") or 0, _name(each)), default=None)

    def runtime_class(self, name: str) -> Object | None:
        return next((each for each in self.runtime_classes if _name(each) == name), None)


def admit(pod: Object, around: Surroundings) -> list[str]:
    """Reasons why the API server would refuse the Pod, in its words where it has some."""
    spec: Object = pod["spec"]
    for limit_range in sorted(around.limit_ranges, key=_name):
        _limit_defaults(spec, limit_range)
    set_missing(spec, {"serviceAccountName": "default", "serviceAccount": spec.get("serviceAccountName") or "default"})
    refusals = [*_priority(spec, around)]
    tolerate_lost_nodes(spec)
    refusals += _runtime(spec, around)
    return [*refusals, *_above_limits(spec)]


def _name(obj: Object) -> str:
    return str(object_at(obj, "metadata").get("name") or "")


# --- LimitRanger


def _limit_defaults(spec: Object, limit_range: Object) -> None:
    limits: Object = {}
    requests: Object = {}
    for item in objects_in(object_at(limit_range, "spec").get("limits")):
        if item.get("type") == "Container":
            own_limits, own_requests = item_defaults(item)
            limits |= own_limits
            requests |= own_requests
    if not limits and not requests:
        return
    for containers in ("containers", "initContainers"):
        for container in objects_in(spec.get(containers)):
            set_missing(container, {"resources": {}})
            resources = object_at(container, "resources")
            set_missing(resources, {"limits": {}, "requests": {}})
            resources["limits"] = limits | object_at(resources, "limits")
            resources["requests"] = requests | object_at(resources, "requests")


def item_defaults(item: Object) -> tuple[Object, Object]:
    """(limits, requests) that an item for containers gives: limits also of `max`, requests of those and of `min`."""
    limits = object_at(item, "max") | object_at(item, "default")
    requests = object_at(item, "min") | limits | object_at(item, "defaultRequest")
    return limits, requests


def _above_limits(spec: Object) -> Iterator[str]:
    """What validation finds after a limit was added to a container that asks for more. Amounts that are none are left
    to others."""
    for field_name in ("initContainers", "containers"):
        for number, container in enumerate(objects_in(spec.get(field_name))):
            resources = object_at(container, "resources")
            limits = object_at(resources, "limits")
            for name, amount in object_at(resources, "requests").items():
                with suppress(QuantityError):
                    if name in limits and nano(amount) > nano(limits[name]):
                        place = f"spec.{field_name}[{number}].resources.requests"
                        yield f"{place}: {amount} must be less than or equal to {name} limit of {limits[name]}"


# --- Priority


def _priority(spec: Object, around: Surroundings) -> Iterator[str]:
    if around.keep_priority and spec.get("priority") is not None:
        return
    name = spec.get("priorityClassName") or ""
    found = around.priority_class(name) if name else around.default_priority_class()
    if name and found is None:
        yield f"no PriorityClass with name {name} was found"
        set_missing(spec, {"priority": 0, "preemptionPolicy": "PreemptLowerPriority"})
        return
    given: Mapping[str, object] = found or {}
    if found is not None:
        spec["priorityClassName"] = _name(found)
    priority = given.get("value") or 0
    policy = given.get("preemptionPolicy") or "PreemptLowerPriority"
    if spec.get("priority") not in (None, priority):
        yield f"its priority is {spec['priority']}, but its PriorityClass gives {priority}"
    if spec.get("preemptionPolicy") not in (None, policy):
        yield f"its preemptionPolicy is {spec['preemptionPolicy']}, but its PriorityClass gives {policy}"
    set_missing(spec, {"priority": priority, "preemptionPolicy": policy})


# --- DefaultTolerationSeconds


def tolerate_lost_nodes(spec: Object) -> None:
    """Tolerations of nodes that are not ready or not reachable, for five minutes."""
    tolerations = list(spec.get("tolerations") or ())
    for key in _NOT_READY:
        if not any(_speaks_of(each, key) for each in objects_in(tolerations)):
            tolerations.append(
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _TOLERATED_S}
            )
    spec["tolerations"] = tolerations


def _speaks_of(toleration: Object, key: str) -> bool:
    effect = toleration.get("effect") or "NoExecute"
    return toleration.get("key") in (key, None, "") and effect == "NoExecute"


# --- RuntimeClass


def _runtime(spec: Object, around: Surroundings) -> Iterator[str]:
    name = spec.get("runtimeClassName")
    if not name:
        if spec.get("overhead"):
            yield "it has an overhead, but no RuntimeClass that gives one"
        return
    found = around.runtime_class(name)
    if found is None:
        yield f'RuntimeClass "{name}" not found'
        return
    overhead = object_at(object_at(found, "overhead"), "podFixed")
    if spec.get("overhead") and spec["overhead"] != overhead:
        yield f"its overhead is not that of RuntimeClass {name}"
    if overhead:
        set_missing(spec, {"overhead": dict(overhead)})
    yield from _placement(spec, object_at(found, "scheduling"))


def _placement(spec: Object, scheduling: Object) -> Iterator[str]:
    selector = object_at(spec, "nodeSelector")
    wanted = object_at(scheduling, "nodeSelector")
    for key in sorted(wanted.keys() & selector.keys()):
        if wanted[key] != selector[key]:
            yield f"its nodeSelector asks for {key}={selector[key]}, its RuntimeClass for {key}={wanted[key]}"
    if wanted:
        spec["nodeSelector"] = wanted | selector
    tolerations: Iterable[Object] = objects_in(scheduling.get("tolerations"))
    if scheduling.get("tolerations"):
        spec["tolerations"] = merged([*objects_in(spec.get("tolerations")), *tolerations])
