"""What a LimitRange forbids, in the API server's words. Pure.

For Pods as they are stored in the end, and for claims. Amounts were checked before: raises QuantityError for others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from edged.kube.defaults.pod_spec import Object, object_at, objects_in
from edged.kube.values.container_amounts import Amounts, sum_of_containers
from edged.kube.values.quantity import canonical, nano, text_of

_OF_THE_WHOLE_POD = ("cpu", "memory")

Part = Callable[[str], Amounts]
"""`requests` or `limits` -> the amounts of what is limited."""


def refused_pod(pod: Object, limit_ranges: Iterable[Object]) -> Iterator[str]:
    spec = object_at(pod, "spec")
    containers = [each for field in ("containers", "initContainers") for each in objects_in(spec.get(field))]
    for item in _items(limit_ranges):
        if item.get("type") == "Container":
            for container in containers:
                yield from _broken(item, _amounts_of(container))
        elif item.get("type") == "Pod":
            yield from _broken(item, _amounts_of_pod(spec))


def refused_claim(claim: Object, limit_ranges: Iterable[Object]) -> Iterator[str]:
    """Of a claim only what it requests counts."""
    requests = _amounts_of(object_at(claim, "spec"))("requests")
    for item in _items(limit_ranges):
        if item.get("type") == "PersistentVolumeClaim":
            for name, least in object_at(item, "min").items():
                yield from _too_little("PersistentVolumeClaim", name, least, requests, {})
            for name, most in object_at(item, "max").items():
                if name not in requests or requests[name] > nano(most):
                    yield _most("PersistentVolumeClaim", name, most, "request", requests)


def _items(limit_ranges: Iterable[Object]) -> Iterator[Object]:
    for each in limit_ranges:
        yield from objects_in(object_at(each, "spec").get("limits"))


def _amounts_of(container: Mapping[str, object]) -> Part:
    def part(name: str) -> Amounts:
        resources = container.get("resources")
        given = object_at(resources, name) if isinstance(resources, dict) else {}
        return {resource: nano(amount) for resource, amount in given.items()}

    return part


def _amounts_of_pod(spec: Object) -> Part:
    def part(name: str) -> Amounts:
        total = sum_of_containers(spec, lambda container: _amounts_of(container)(name))  # type: ignore[arg-type]
        whole = object_at(object_at(spec, "resources"), name)
        return total | {key: nano(amount) for key, amount in whole.items() if key in _OF_THE_WHOLE_POD}

    return part


def _broken(item: Object, part: Part) -> Iterator[str]:
    kind, requests, limits = item["type"], part("requests"), part("limits")
    for name, least in object_at(item, "min").items():
        yield from _too_little(kind, name, least, requests, limits)
    for name, most in object_at(item, "max").items():
        if name not in limits or limits[name] > nano(most):
            yield _most(kind, name, most, "limit", limits)
        elif requests.get(name, 0) > nano(most):
            yield _most(kind, name, most, "request", requests)
    for name, ratio in object_at(item, "maxLimitRequestRatio").items():
        yield from _too_far_apart(kind, name, ratio, requests, limits)


def _too_little(kind: str, name: str, least: object, requests: Amounts, limits: Amounts) -> Iterator[str]:
    said = f"minimum {name} usage per {kind} is {canonical(least)}"
    if name not in requests:
        yield f"{said}.  No request is specified"
    elif requests[name] < nano(least):
        yield f"{said}, but request is {_shown(name, requests[name])}"
    elif name in limits and limits[name] < nano(least):
        yield f"{said}, but limit is {_shown(name, limits[name])}"


def _most(kind: str, name: str, most: object, what: str, amounts: Amounts) -> str:
    said = f"maximum {name} usage per {kind} is {canonical(most)}"
    if name not in amounts:
        return f"{said}.  No {what} is specified"
    return f"{said}, but {what} is {_shown(name, amounts[name])}"


def _too_far_apart(kind: str, name: str, ratio: object, requests: Amounts, limits: Amounts) -> Iterator[str]:
    said = f"{name} max limit to request ratio per {kind} is {canonical(ratio)}, but"
    for what, amounts in (("request", requests), ("limit", limits)):
        if not amounts.get(name):
            yield f"{said} no {what} is specified or {what} is 0"
            return
    # In whole numbers: a quotient of floats may be larger than it is.
    if limits[name] * nano(1) > nano(ratio) * requests[name]:
        yield f"{said} provided ratio is {limits[name] / requests[name]:f}"


def _shown(name: str, amount: int) -> str:
    return text_of(amount, binary=name != "cpu")
