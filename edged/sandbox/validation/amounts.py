"""Requests and limits of containers and of Pods. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go and pkg/apis/core/helper.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from edged.kube.values.quantity import NANO, QuantityError, canonical, nano, to_units
from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import duplicate, each_invalid, forbidden, invalid, not_supported, required
from edged.sandbox.validation.formats import dns_label
from edged.sandbox.validation.resource_names import amount as amount_value
from edged.sandbox.validation.resource_names import container_name, is_native, resource_name

HUGE_PAGES = "hugepages-"
_COMPUTE = ("cpu", "memory")
_POD_LEVEL = ("cpu", "hugepages-", "memory")
NameCheck = Callable[[str, str], Iterator[Cause]]


def container_requirements(given: Object, claims: Collection[str], field: str) -> Iterator[Cause]:
    """`resources` of a container. `claims`: the names in spec.resourceClaims."""
    return _requirements(given, container_name, claims, field)


def pod_requirements(given: Object, claims: Collection[str], field: str) -> Iterator[Cause]:
    """`resources` of a whole Pod."""
    return _requirements(given, _pod_resource, claims, field)


def amount_of(amount: object) -> int:
    """Billionths; 0 for what is no quantity, which was refused before."""
    try:
        return nano(amount)
    except QuantityError:
        return 0


def text_of(amount: object) -> str:
    """As Kubernetes prints it."""
    try:
        return canonical(amount)
    except QuantityError:
        return str(amount)


def is_huge_pages(name: str) -> bool:
    return name.startswith(HUGE_PAGES)


def _pod_resource(field: str, name: str) -> Iterator[Cause]:
    wrong = list(resource_name(field, name))
    yield from wrong
    if not wrong and name not in _COMPUTE and not is_huge_pages(name):
        yield not_supported(field, name, _POD_LEVEL)


def _requirements(given: Object, check: NameCheck, claims: Collection[str], field: str) -> Iterator[Cause]:
    limits, requests = given.get("limits") or {}, given.get("requests") or {}
    for name, amount in limits.items():
        yield from _one(name, amount, check, f"{field}.limits[{name}]")
    for name, amount in requests.items():
        yield from _request(name, amount, limits, check, field)
    both = [*limits, *requests]
    if any(is_huge_pages(name) for name in both) and not any(name in _COMPUTE for name in both):
        yield forbidden(field, "HugePages require cpu or memory")
    yield from _claims(given.get("claims") or [], claims, f"{field}.claims")


def _one(name: str, amount: object, check: NameCheck, field: str) -> Iterator[Cause]:
    yield from check(field, name)
    yield from amount_value(field, name, amount)
    yield from _pages(name, amount, field)


def _pages(name: str, amount: object, field: str) -> Iterator[Cause]:
    if is_huge_pages(name) and not _divisible(name, amount):
        text = text_of(amount)
        yield invalid(field, text, f"{text} is not positive integer multiple of {name}")


def _request(name: str, amount: object, limits: Object, check: NameCheck, field: str) -> Iterator[Cause]:
    yield from check(f"{field}.requests[{name}]", name)
    yield from amount_value(f"{field}.requests[{name}]", name, amount)
    loose = is_native(name) and not is_huge_pages(name)
    if name in limits:
        limit, value = amount_of(limits[name]), amount_of(amount)
        of_limit = f"to {name} limit of {text_of(limits[name])}"
        if value != limit and not loose:
            yield invalid(f"{field}.requests", text_of(amount), f"must be equal {of_limit}")
        elif value > limit:
            yield invalid(f"{field}.requests", text_of(amount), f"must be less than or equal {of_limit}")
    elif not loose:
        yield required(f"{field}.limits", "Limit must be set for non overcommitable resources")
    yield from _pages(name, amount, f"{field}.requests[{name}]")


def _divisible(name: str, amount: object) -> bool:
    page = amount_of(name.removeprefix(HUGE_PAGES))
    return page > 0 and page % NANO == 0 and to_units(amount_of(amount)) % (page // NANO) == 0


def _claims(given: list[Object], known: Collection[str], field: str) -> Iterator[Cause]:
    seen: set[str] = set()
    with_request: set[str] = set()
    for index, claim in enumerate(given):
        name, request, where = claim.get("name") or "", claim.get("request") or "", f"{field}[{index}]"
        if not name:
            yield required(where)
            continue
        if name in seen:
            yield duplicate(where, name)
        else:
            yield from _claim_twice(name, request, seen, with_request, where)
        if name not in known:
            among = ": " + ", ".join(sorted(known)) if known else " which is empty"
            why = f'Not found: "{name}": must be one of the names in pod.spec.resourceClaims{among}'
            yield Cause(where, why, "FieldValueNotFound")


def _claim_twice(name: str, request: str, seen: set[str], with_request: set[str], where: str) -> Iterator[Cause]:
    key = name
    if request:
        yield from each_invalid(f"{where}.request", request, dns_label(request))
        key = f"{name}/{request}"
    if key in seen:
        yield duplicate(where, key)
    elif not request and name in with_request:
        yield duplicate(where, name)
    if request:
        with_request.add(name)
    seen.add(key)
