"""Names of resources and their amounts, in quotas, limit ranges and Nodes. Pure.

Facts from kubernetes' pkg/apis/core/helper/helpers.go and pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.kube.values import quantity
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import NEGATIVE, each_invalid, invalid
from edged.sandbox.validation.formats import qualified_name

COMPUTE = ("cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory")
COUNTED = ("pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps",
           "persistentvolumeclaims", "services.nodeports", "services.loadbalancers")  # fmt: skip
_STANDARD = {*COMPUTE, *COUNTED, "ephemeral-storage", "requests.ephemeral-storage", "limits.ephemeral-storage",
             "requests.storage"}  # fmt: skip
_CONTAINER = ("cpu", "memory", "ephemeral-storage")
_HUGE = "hugepages-"


def resource_name(field: str, name: str) -> Iterator[Cause]:
    """A standard name, or a qualified one."""
    found = qualified_name(name)
    if found:
        yield from each_invalid(field, name, found)
    elif "/" not in name and name != "storage" and not is_quota_name(name):
        yield invalid(field, name, "must be a standard resource type or fully qualified")


def quota_name(field: str, name: str) -> Iterator[Cause]:
    yield from resource_name(field, name)
    if "/" not in name and not is_quota_name(name):
        yield invalid(field, name, "must be a standard resource for quota")


def container_name(field: str, name: str) -> Iterator[Cause]:
    yield from resource_name(field, name)
    if "/" not in name:
        if name not in _CONTAINER and not name.startswith(_HUGE):
            yield invalid(field, name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        yield invalid(field, name, "doesn't follow extended resource name standard")


def is_quota_name(name: str) -> bool:
    return name in _STANDARD or name.startswith((_HUGE, f"requests.{_HUGE}"))


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    return not is_native(name) and not name.startswith("requests.") and not qualified_name(f"requests.{name}")


def amount(field: str, name: str, value: object) -> Iterator[Cause]:
    """Not negative, and whole where the resource is counted."""
    try:
        nanos = quantity.nano(value)
    except quantity.QuantityError:
        return
    text = quantity.canonical(value)
    if nanos < 0:
        yield invalid(field, text, NEGATIVE)
    if (name in COUNTED or is_extended(name)) and quantity.to_milli(nanos) % 1000:
        yield invalid(field, text, "must be an integer")
