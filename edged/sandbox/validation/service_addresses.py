"""The cluster's addresses and address families of a Service. Pure.

Facts from ValidateServiceClusterIPsRelatedFields and its neighbours in kubernetes'
pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.addresses import is_ipv6, legacy_ip
from edged.sandbox.validation.causes import duplicate, invalid, not_supported, one_of, part, required

_FAMILIES = ("IPv4", "IPv6")
_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_FIXED = "may not change once set"


def is_headless(obj: Object) -> bool:
    return (part(obj, "spec").get("clusterIPs") or []) == ["None"]


def cluster_addresses(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    if spec.get("type") == "ExternalName":
        return
    address, addresses = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    families = spec.get("ipFamilies") or []
    field = "spec.clusterIPs"
    if address and not addresses:
        yield required(field)
    elif address and addresses[0] != address:
        yield invalid(field, addresses, "first value must match `clusterIP`")
    elif not address and addresses:
        yield invalid(field, addresses, "must be empty when `clusterIP` is not specified")
    yield from _families(families, spec.get("ipFamilyPolicy"))
    wrong = list(_texts(addresses, part(old or {}, "spec").get("clusterIPs") or []))
    yield from wrong
    if len(addresses) > 2:
        yield invalid(field, addresses, "may only hold up to 2 values")
    if wrong:
        return
    if len(addresses) > 1 and len({is_ipv6(each) for each in addresses}) == 1:
        yield invalid(field, addresses, "may specify no more than one IP for each IP family")
    if is_headless(obj):
        return
    for index, (each, family) in enumerate(zip(addresses, families, strict=False)):
        if family in _FAMILIES and (family == "IPv6") != is_ipv6(each):
            why = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            yield invalid(f"{field}[{index}]", each, why)


def changed_addresses(old: Object, new: Object) -> Iterator[Cause]:
    """The first address and family stay; a second may come and go."""
    if "ExternalName" in (part(old, "spec").get("type"), part(new, "spec").get("type")):
        return
    if not (is_headless(old) and is_headless(new)):
        yield from _changed_list("clusterIPs", "clusterIP", old, new)
    if not is_headless(old) and not is_headless(new):
        yield from _changed_list("ipFamilies", "ipFamily", old, new)


def _changed_list(field: str, one: str, old: Object, new: Object) -> Iterator[Cause]:
    spec = part(new, "spec")
    before, after = part(old, "spec").get(field) or [], spec.get(field)
    values = after or []
    where = f"spec.{field}"
    if len(before) == len(values):
        for index, each in enumerate(before):
            if each != values[index]:
                at = index if field == "clusterIPs" else 0
                yield invalid(f"{where}[{at}]", values, _FIXED)
        return
    if len(before) > len(values) and not spec.get("clusterIPs"):
        yield invalid(f"{where}[0]", after, f"primary {one} can not be unset")
    if before and values and values[0] != before[0]:
        yield invalid(f"{where}[0]", spec.get("clusterIPs"), _FIXED)
    if len(before) > len(values) == 1 and spec.get("ipFamilyPolicy") != "SingleStack":
        why = f"must be set to 'SingleStack' when releasing the secondary {one}"
        yield invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), why)


def _families(families: list[str], policy: str | None) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, family in enumerate(families):
        field = f"spec.ipFamilies[{index}]"
        yield from one_of(field, family, _FAMILIES)
        if family in seen:
            yield duplicate(field, family)
        seen.add(family)
    if policy is not None and policy not in _POLICIES:
        yield not_supported("spec.ipFamilyPolicy", policy, _POLICIES)


def _texts(addresses: list[str], before: list[str]) -> Iterator[Cause]:
    for index, address in enumerate(addresses):
        if index == 0 and address == "None":
            if len(addresses) > 1:
                yield invalid("spec.clusterIPs", addresses, "'None' must be the first and only value")
            continue
        yield from legacy_ip(f"spec.clusterIPs[{index}]", address, before)
