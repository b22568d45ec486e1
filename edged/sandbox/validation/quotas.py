"""ResourceQuotas and LimitRanges. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.kube.values import quantity
from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import (
    duplicate,
    each_invalid,
    forbidden,
    immutable,
    invalid,
    part,
    required,
)
from edged.sandbox.validation.formats import qualified_name
from edged.sandbox.validation.resource_names import (
    COMPUTE,
    amount,
    container_name,
    is_quota_name,
    quota_name,
    resource_name,
)

_SCOPES = {
    "BestEffort": ("pods",), "NotBestEffort": ("pods", *COMPUTE), "Terminating": ("pods", *COMPUTE),
    "NotTerminating": ("pods", *COMPUTE), "PriorityClass": ("pods", *COMPUTE),
    "CrossNamespacePodAffinity": ("pods", *COMPUTE),
    "VolumeAttributesClass": ("persistentvolumeclaims", "requests.storage"),
}  # fmt: skip
"""Scope -> the resources that it can be applied to."""
_PAIRS = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_EXISTING = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")
_EXISTING_TEXT = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)
_LIMIT_TYPES = ("Container", "PersistentVolumeClaim", "Pod")


def resource_quota(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    hard, scopes = spec.get("hard") or {}, spec.get("scopes") or []
    yield from _amounts("spec.hard", hard)
    for scope in scopes:
        if scope not in _SCOPES:
            yield invalid("spec.scopes", scopes, "unsupported scope")
        for _resource in _outside(scope, hard):
            yield invalid("spec.scopes", scopes, "unsupported scope applied to resource")
    for pair in _PAIRS:
        if set(pair) <= set(scopes):
            yield invalid("spec.scopes", scopes, "conflicting scopes")
    if spec.get("scopeSelector") is not None:
        yield from _selector(spec, hard)
    if old is not None and set(part(old, "spec").get("scopes") or ()) != set(scopes):
        yield immutable("spec.scopes", spec.get("scopes"))


def resource_quota_status(obj: Object, old: Object | None) -> Iterator[Cause]:
    for field in ("hard", "used"):
        yield from _amounts(f"status.{field}", part(obj, "status", field))


def limit_range(obj: Object, old: Object | None) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, limit in enumerate(part(obj, "spec").get("limits") or ()):
        field, kind = f"spec.limits[{index}]", limit.get("type") or ""
        found = qualified_name(kind)
        yield from each_invalid(f"{field}.type", kind, found)
        if not found and "/" not in kind and kind not in _LIMIT_TYPES:
            yield invalid(f"{field}.type", kind, "must be a standard limit type or fully qualified")
        if kind in seen:
            yield duplicate(f"{field}.type", kind)
        seen.add(kind)
        yield from _limit(limit, kind, field)


def _amounts(field: str, given: Object) -> Iterator[Cause]:
    for name, value in given.items():
        yield from quota_name(f"{field}[{name}]", name)
        yield from amount(f"{field}[{name}]", name, value)


def _outside(scope: str, hard: Object) -> list[str]:
    """Standard resources that a scope does not cover."""
    covered = _SCOPES.get(scope)
    return [] if covered is None else [n for n in sorted(hard) if is_quota_name(n) and n not in covered]


def _selector(spec: Object, hard: Object) -> Iterator[Cause]:
    field, names = "spec.scopeSelector.matchExpressions", set()
    for requirement in spec["scopeSelector"].get("matchExpressions") or ():
        scope, operator = requirement.get("scopeName") or "", requirement.get("operator") or ""
        values = requirement.get("values") or []
        if scope not in _SCOPES:
            yield invalid(f"{field}.scopeName", scope, "unsupported scope")
        for _resource in _outside(scope, hard):
            yield invalid(field, _shown_selector(spec["scopeSelector"]), "unsupported scope applied to resource")
        if scope in _EXISTING and operator != "Exists":
            yield invalid(f"{field}.operator", operator, _EXISTING_TEXT)
        if operator in ("In", "NotIn"):
            if not values:
                why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                yield required(f"{field}.values", why)
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                yield invalid(f"{field}.values", values, why)
        else:
            yield invalid(f"{field}.operator", operator, "not a valid selector operator")
        names.add(scope)
    for pair in _PAIRS:
        if set(pair) <= names:
            yield invalid(field, spec.get("scopes"), "conflicting scopes")


def _shown_selector(selector: Object) -> Object:
    """As kube-apiserver's own type prints it."""
    return {"MatchExpressions": [
        {"ScopeName": each.get("scopeName") or "", "Operator": each.get("operator") or "", "Values": each.get("values")}
        for each in selector.get("matchExpressions") or ()
    ]}  # fmt: skip


def _limit(limit: Object, kind: str, field: str) -> Iterator[Cause]:
    check = container_name if kind in ("Pod", "Container") else resource_name
    parts = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"]
    if kind == "Pod":
        for name in ("default", "defaultRequest"):
            if limit.get(name):
                yield forbidden(f"{field}.{name}", "may not be specified when `type` is 'Pod'")
    for name in parts:
        if kind == "Pod" and name in ("default", "defaultRequest"):
            continue
        for key in limit.get(name) or {}:
            yield from check(f"{field}.{name}[{key}]", key)
        if name == "defaultRequest" and kind == "PersistentVolumeClaim":
            yield from _claim_limits(limit, field)
    keys = dict.fromkeys(key for name in parts for key in limit.get(name) or {})
    for key in keys:
        given = {name: limit[name][key] for name in parts
                 if key in (limit.get(name) or {}) and not (kind == "Pod" and name.startswith("default"))}  # fmt: skip
        yield from _relations(given, key, field)


def _claim_limits(limit: Object, field: str) -> Iterator[Cause]:
    if "storage" not in part(limit, "min") and "storage" not in part(limit, "max"):
        why = "either minimum or maximum storage value is required, but neither was provided"
        yield required(f"{field}.limits", why)


_ORDERS = (
    ("min", "max", "min", "min", "min value {} is greater than max value {}"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest",
     "min value {} is greater than default request value {}"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest",
     "default request value {} is greater than max value {}"),
    ("defaultRequest", "default", "defaultRequest", "defaultRequest",
     "default request value {} is greater than default limit value {}"),
    ("min", "default", "default", "min", "min value {} is greater than default value {}"),
    ("default", "max", "default", "max", "default value {} is greater than max value {}"),
)  # fmt: skip
"""What may not be greater than what, the field that is wrong, whose value is shown, and the text."""


def _relations(given: Object, key: str, field: str) -> Iterator[Cause]:
    try:
        nanos = {name: quantity.nano(value) for name, value in given.items()}
        text = {name: quantity.canonical(value) for name, value in given.items()}
    except quantity.QuantityError:
        return
    for less, more, where, shown, why in _ORDERS:
        if less in nanos and more in nanos and nanos[less] > nanos[more]:
            yield invalid(f"{field}.{where}[{key}]", text[shown], why.format(text[less], text[more]))
    ratio = nanos.get("maxLimitRequestRatio")
    where = f"{field}.maxLimitRequestRatio[{key}]"
    if ratio is not None:
        shown = text["maxLimitRequestRatio"]
        if ratio < quantity.NANO:
            yield invalid(where, shown, f"ratio {shown} is less than 1")
        if nanos.get("min") and "max" in nanos and ratio / quantity.NANO > nanos["max"] / nanos["min"]:
            why = f"ratio {shown} is greater than max/min = {nanos['max'] / nanos['min']:f}"
            yield invalid(where, shown, why)
    if {"default", "defaultRequest"} <= nanos.keys() and nanos["default"] != nanos["defaultRequest"] and (
        "/" in key or key.startswith("hugepages-")
    ):
        why = (f"default value {text['default']} must equal to defaultRequest value {text['defaultRequest']} in {key}")
        yield invalid(f"{field}.defaultRequest[{key}]", text["defaultRequest"], why)
