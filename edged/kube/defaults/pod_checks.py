"""What the API server's validation refuses in a Pod, of the fields that decide where it goes. Pure.

`refused` takes a Pod with its defaults. `without_debts` comes first: an amount below 0 would give room to others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from edged.kube.defaults.pod_spec import Object, object_at, objects_in
from edged.kube.values.container_amounts import Amounts, sum_of_containers
from edged.kube.values.name_checks import subdomain_problem
from edged.kube.values.quantity import nano, text_of

_CONTAINERS: Final = ("initContainers", "containers")
_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_ACTIONS: Final = ("DoNotSchedule", "ScheduleAnyway")
_LAST_PORT: Final = 65535


def without_debts(spec: Object) -> Iterator[str]:
    """Makes amounts below 0 to 0, in place, and says which."""
    for place, holder in _resources(spec):
        for part in ("requests", "limits"):
            amounts = object_at(holder, part)
            for name, amount in list(amounts.items()):
                if nano(amount) < 0:
                    yield f"{place}.{part}[{name}]: {amount} must be greater than or equal to 0"
                    amounts[name] = "0"


def refused(pod: Object) -> Iterator[str]:
    spec = object_at(pod, "spec")
    name = object_at(pod, "metadata").get("name")
    if problem := subdomain_problem(name):
        yield f"metadata.name: {name!r} {problem}"
    if not spec.get("containers"):
        yield "spec.containers: at least one is required"
    yield from _ports(spec)
    yield from _whole_pod(spec)
    yield from _spread(spec)


def _resources(spec: Object) -> Iterator[tuple[str, Object]]:
    """(place, requests and limits) of containers and of the Pod as a whole."""
    for field in _CONTAINERS:
        for number, container in enumerate(objects_in(spec.get(field))):
            yield f"spec.{field}[{number}].resources", object_at(container, "resources")
    yield "spec.resources", object_at(spec, "resources")


def _ports(spec: Object) -> Iterator[str]:
    for field in _CONTAINERS:
        for number, container in enumerate(objects_in(spec.get(field))):
            for index, port in enumerate(objects_in(container.get("ports"))):
                shared = field == "containers" and spec.get("hostNetwork") is True
                yield from _port(f"spec.{field}[{number}].ports[{index}]", port, shared=shared)


def _port(place: str, port: Object, *, shared: bool) -> Iterator[str]:
    """`shared`: the container has no network of its own."""
    own, host = port.get("containerPort") or 0, port.get("hostPort") or 0
    if not 1 <= own <= _LAST_PORT:
        yield f"{place}.containerPort: {own} is not between 1 and {_LAST_PORT}"
    if not 0 <= host <= _LAST_PORT:
        yield f"{place}.hostPort: {host} is not between 1 and {_LAST_PORT}"
    if port.get("protocol") not in _PROTOCOLS:
        yield f"{place}.protocol: {port.get('protocol')!r} is none of {', '.join(_PROTOCOLS)}"
    if shared and host != own:
        yield f"{place}.hostPort: {host} must be the containerPort {own}, because hostNetwork is true"


# --- resources of the Pod as a whole


def _whole_pod(spec: Object) -> Iterator[str]:
    """Containers ask for no more together than the Pod, none has a higher limit, and requests stay below limits."""
    whole = object_at(spec, "resources")
    requests, limits = _amounts(whole, "requests"), _amounts(whole, "limits")
    for name in sorted(requests.keys() & limits.keys()):
        if requests[name] > limits[name]:
            yield _above(f"spec.resources.requests[{name}]", name, requests[name], "the limit", limits[name])
    together = sum_of_containers(spec, _part("requests"))  # type: ignore[arg-type]
    for name in sorted(requests.keys() & together.keys()):
        if together[name] > requests[name]:
            place = "spec.resources: requests of the containers"
            yield _above(place, name, together[name], "the Pod's", requests[name])
    for number, container in enumerate(objects_in(spec.get("containers"))):
        own = _part("limits")(container)
        for name in sorted(own.keys() & limits.keys()):
            if own[name] > limits[name]:
                place = f"spec.containers[{number}].resources.limits[{name}]"
                yield _above(place, name, own[name], "the Pod's limit", limits[name])


def _part(name: str) -> Callable[[Object], Amounts]:
    return lambda container: _amounts(object_at(container, "resources"), name)


def _amounts(resources: Object, part: str) -> Amounts:
    return {name: nano(amount) for name, amount in object_at(resources, part).items()}


def _above(place: str, name: str, amount: int, what: str, most: int) -> str:
    shown, bound = (text_of(each, binary=name != "cpu") for each in (amount, most))
    return f"{place}: {shown} {name} is more than {what}, {bound}"


# --- topology spread


def _spread(spec: Object) -> Iterator[str]:
    seen: set[tuple[object, object]] = set()
    for number, each in enumerate(objects_in(spec.get("topologySpreadConstraints"))):
        place = f"spec.topologySpreadConstraints[{number}]"
        yield from _constraint(place, each)
        kind = each.get("topologyKey"), each.get("whenUnsatisfiable")
        if kind in seen:
            yield f"{place}: an earlier one has the same topologyKey and whenUnsatisfiable"
        seen.add(kind)


def _constraint(place: str, given: Mapping[str, object]) -> Iterator[str]:
    action, least = given.get("whenUnsatisfiable"), given.get("minDomains")
    if not _positive(given.get("maxSkew")):
        yield f"{place}.maxSkew: {given.get('maxSkew')} must be greater than 0"
    if not given.get("topologyKey"):
        yield f"{place}.topologyKey: is required"
    if action not in _ACTIONS:
        yield f"{place}.whenUnsatisfiable: {action!r} is none of {', '.join(_ACTIONS)}"
    if least is not None and not _positive(least):
        yield f"{place}.minDomains: {least} must be greater than 0"
    if least is not None and action != "DoNotSchedule":
        yield f"{place}.minDomains: needs whenUnsatisfiable DoNotSchedule"


def _positive(value: object) -> bool:
    return isinstance(value, int) and value > 0
