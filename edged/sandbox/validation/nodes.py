"""Nodes and Namespaces. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.addresses import cidr_warnings, is_ipv6, legacy_cidr
from edged.sandbox.validation.causes import (
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    part,
    required,
    shown,
)
from edged.sandbox.validation.formats import label_value, qualified_name
from edged.sandbox.validation.metadata import known_finalizer
from edged.sandbox.validation.resource_names import amount

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_CIDR_FIXED = 'node updates may not change podCIDR except from "" to valid'


def node(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    yield from taints(spec.get("taints") or [], "metadata.taints")
    yield from _resources(obj)
    yield from _pod_cidrs(_cidrs(spec))
    if old is None:
        return
    yield from _unique_addresses(obj)
    before = part(old, "spec")
    given, kept = _cidrs(spec), _cidrs(before)
    if kept and len(kept) != len(given):
        yield forbidden("spec.podCIDRs", _CIDR_FIXED)
    elif kept:
        for one, other in zip(kept, given, strict=True):
            if one != other:
                yield forbidden("spec.podCIDRs", _CIDR_FIXED)
    if (spec.get("externalID") or "") != (before.get("externalID") or ""):
        yield forbidden("spec.externalID", "may not be updated")
    provider = before.get("providerID") or ""
    if provider and (spec.get("providerID") or "") != provider:
        why = "field cannot be modified once set" if spec.get("providerID") else "field cannot be cleared once set"
        yield invalid("spec.providerID", None, why)


def node_status(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from _resources(obj)
    yield from _unique_addresses(obj)


def namespace(obj: Object, old: Object | None) -> Iterator[Cause]:
    for name in part(obj, "spec").get("finalizers") or ():
        yield from each_invalid("spec.finalizers", name, qualified_name(name))
        yield from known_finalizer("spec.finalizers", name)


def namespace_status(obj: Object, old: Object | None) -> Iterator[Cause]:
    phase = part(obj, "status").get("phase") or ""
    if obj["metadata"].get("deletionTimestamp"):
        if phase != "Terminating":
            why = "may only be 'Terminating' if `deletionTimestamp` is not empty"
            yield invalid("status.Phase", phase, why)
    elif phase != "Active":
        yield invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")


def taints(given: list[Object], field: str) -> Iterator[Cause]:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(given):
        where = f"{field}[{index}]"
        key, value, effect = (taint.get(name) or "" for name in ("key", "value", "effect"))
        yield from each_invalid(f"{where}.key", key, qualified_name(key))
        if wrong := label_value(value):
            yield invalid(f"{where}.value", value, ";".join(wrong))
        if not effect:
            yield required(f"{where}.effect")
        elif effect not in _EFFECTS:
            yield not_supported(f"{where}.effect", effect, _EFFECTS)
        if (effect, key) in seen:
            printed = {"Key": key, "Value": value, "Effect": effect, "TimeAdded": taint.get("timeAdded")}
            found = f"Duplicate value: {shown(printed)}: taints must be unique by key and effect pair"
            yield Cause(where, found, "FieldValueDuplicate")
        seen.add((effect, key))


def node_warnings(obj: Object, old: Object | None) -> Iterator[str]:
    spec = part(obj, "spec")
    if spec.get("externalID"):
        yield "spec.externalID: this field is deprecated, and is unused by Kubernetes"
    for index, cidr in enumerate(_cidrs(spec)):
        yield from cidr_warnings(f"spec.podCIDRs[{index}]", cidr)


def _cidrs(spec: Object) -> list[str]:
    """podCIDRs, as podCIDR has it."""
    first, given = spec.get("podCIDR") or "", spec.get("podCIDRs") or []
    return [first] if first and given[:1] != [first] else given


def _resources(obj: Object) -> Iterator[Cause]:
    for field in ("capacity", "allocatable"):
        for name, value in part(obj, "status", field).items():
            yield from amount(f"status.{field}.{name}", name, value)


def _pod_cidrs(given: list[str]) -> Iterator[Cause]:
    for index, cidr in enumerate(given):
        yield from legacy_cidr(f"spec.podCIDRs[{index}]", cidr)
    families = {is_ipv6(cidr.partition("/")[0]) for cidr in given}
    if len(given) > 1 and (len(families) == 1 or len(given) > 2):
        yield invalid("spec.podCIDRs", given, "may specify no more than one CIDR for each IP family")


def _unique_addresses(obj: Object) -> Iterator[Cause]:
    seen: set[tuple[object, object]] = set()
    for index, address in enumerate(part(obj, "status").get("addresses") or ()):
        key = (address.get("type") or "", address.get("address") or "")
        if key in seen:
            yield duplicate(f"status.addresses[{index}]", {"Type": key[0], "Address": key[1]})
        seen.add(key)
