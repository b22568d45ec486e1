"""PriorityClasses and RuntimeClasses. Pure.

Facts from kubernetes' pkg/apis/scheduling/validation/validation.go and pkg/apis/node/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import each_invalid, fixed, forbidden, immutable, not_supported, part, required
from edged.sandbox.validation.formats import dns_label
from edged.sandbox.validation.resource_names import amount, container_name
from edged.sandbox.validation.selectors import labels

HIGHEST = 1_000_000_000
"""The greatest value of a class that is not the system's."""
SYSTEM = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
_POLICIES = ("PreemptLowerPriority", "Never")


def priority_class(obj: Object, old: Object | None) -> Iterator[Cause]:
    name, value, policy = obj["metadata"].get("name") or "", obj.get("value") or 0, obj.get("preemptionPolicy")
    if old is not None:
        if value != (old.get("value") or 0):
            yield forbidden("value", "may not be changed in an update.")
        if policy != old.get("preemptionPolicy"):
            yield immutable("preemptionPolicy", policy)
        return
    if name.startswith("system-"):
        if problem := _system_problem(name, value, bool(obj.get("globalDefault"))):
            why = "priority class names with 'system-' prefix are reserved for system use only. error: "
            yield forbidden("metadata.name", why + problem)
    elif value > HIGHEST:
        yield forbidden("value", f"maximum allowed value of a user defined priority is {HIGHEST}")
    if policy is not None:
        if not policy:
            yield required("preemptionPolicy")
        elif policy not in _POLICIES:
            yield not_supported("preemptionPolicy", policy, _POLICIES)


def runtime_class(obj: Object, old: Object | None) -> Iterator[Cause]:
    handler = obj.get("handler") or ""
    for name, value in part(obj, "overhead", "podFixed").items():
        field = f"overhead.limits[{name}]"
        yield from container_name(field, name)
        yield from amount(field, name, value)
    yield from labels(part(obj, "scheduling").get("nodeSelector"), "scheduling.nodeSelector")
    if old is not None and handler != (old.get("handler") or ""):
        yield fixed("handler")
    if not handler:
        yield required("handler")
    else:
        yield from each_invalid("handler", handler, dns_label(handler))


def _system_problem(name: str, value: int, default: bool) -> str:
    if name not in SYSTEM:
        return f"{name} is not a known system priority class"
    if value != SYSTEM[name]:
        return f"value of {name} PriorityClass must be {SYSTEM[name]}"
    return f"globalDefault of {name} PriorityClass must be false" if default else ""
