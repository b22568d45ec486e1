"""Resources of a Pod as a whole, beside those of its containers. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go and component-helpers' resource.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from edged.kube.values.quantity import canonical, text_of
from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.amounts import amount_of, is_huge_pages, pod_requirements
from edged.sandbox.validation.amounts import text_of as shown
from edged.sandbox.validation.causes import forbidden, invalid, part

Amounts = dict[str, int]


def pod_resources(spec: Object, claims: Collection[str], field: str) -> Iterator[Cause]:
    given, where = spec.get("resources"), f"{field}.resources"
    if given is None:
        return
    if part(spec, "os").get("name") == "windows":
        yield forbidden(where, "may not be set for a windows pod")
        return
    if given.get("claims") is not None:
        yield forbidden(f"{where}.claims", "claims may not be set for Resources at pod-level")
    yield from pod_requirements(given, claims, where)
    yield from _consistent(spec, given, where)


def aggregated(spec: Object, kind: str) -> Amounts:
    """Billionths of what all containers together need: `kind` is requests or limits. Init containers that restart stay;
    the others run one after another before the rest."""
    total = _sum([_of(each, kind) for each in spec.get("containers") or ()])
    sidecars: Amounts = {}
    most: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = _of(container, kind)
        if container.get("restartPolicy") == "Always":
            total, sidecars = _sum([total, own]), _sum([sidecars, own])
            own = sidecars
        else:
            own = _sum([own, sidecars])
        most = {name: max(most.get(name, 0), own.get(name, 0)) for name in most | own}
    return {name: max(total.get(name, 0), most.get(name, 0)) for name in total | most}


def _consistent(spec: Object, given: Object, field: str) -> Iterator[Cause]:
    requests, limits = given.get("requests") or {}, given.get("limits") or {}
    for name, amount in aggregated(spec, "requests").items():
        if name in requests and amount > amount_of(requests[name]):
            why = f"must be greater than or equal to aggregate container requests of {_text(name, amount, spec)}"
            yield invalid(f"{field}.requests[{name}]", shown(requests[name]), why)
    for name, amount in aggregated(spec, "limits").items():
        if is_huge_pages(name) and name in limits and amount > amount_of(limits[name]):
            why = f"must be greater than or equal to aggregate container limits of {_text(name, amount, spec)}"
            yield invalid(f"{field}.limits[{name}]", shown(limits[name]), why)
    for index, container in enumerate(spec.get("containers") or ()):
        for name, amount in part(container, "resources", "limits").items():
            if name in limits and amount_of(amount) > amount_of(limits[name]):
                where = f"{field}.containers[{index}][{name}].limits"
                why = f"must be less than or equal to pod limits of {shown(limits[name])}"
                yield invalid(where, shown(amount), why)


def _of(container: Object, kind: str) -> Amounts:
    return {name: amount_of(amount) for name, amount in part(container, "resources", kind).items()}


def _sum(each: list[Amounts]) -> Amounts:
    total: Amounts = {}
    for amounts in each:
        for name, amount in amounts.items():
            total[name] = total.get(name, 0) + amount
    return total


def _text(name: str, amount: int, spec: Object) -> str:
    """In the form in which the containers say it: with Ki, Mi where they do."""
    for container in spec.get("containers") or ():
        for kind in ("requests", "limits"):
            said = part(container, "resources", kind).get(name)
            if isinstance(said, str):
                return text_of(amount, binary=canonical(said).endswith("i") or said.endswith("i"))
    return text_of(amount)
