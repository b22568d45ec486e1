"""What a DELETE does to an object before it goes: grace periods, and finalizers that the options ask for. Pure.

Source: pkg/registry/rest/delete.go and pkg/registry/generic/registry/store.go of apiserver 1.37. Namespaces and
CustomResourceDefinitions have rules of their own (lifecycle.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.kinds.resources import Resource

ORPHAN: Final = "orphan"
FOREGROUND: Final = "foregroundDeletion"
ORPHANS_BY_DEFAULT: Final = ("jobs.batch", "replicationcontrollers")
"""Deleted without a policy they leave their dependents, as they did before there were policies."""
_NEVER_COLLECTED: Final = ("events",)
_ENDED: Final = ("Succeeded", "Failed")
_LONGEST_S: Final = 10**9
"""About thirty years: what a grace period is cut to, so that its end is a date."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """`changed`: the object as it is to be stored first; None if it stays as it is. `gone`: it is removed then."""

    changed: Object | None
    gone: bool


def begin(cluster: Cluster, resource: Resource, obj: Object, options: Mapping[str, object]) -> Beginning:
    metadata = dict(obj["metadata"])
    graceful = None
    if resource.bucket == "pods":
        graceful = _grace(cluster, obj, metadata, options)
        if graceful is None and metadata.get("deletionTimestamp") and _period(metadata):
            return Beginning(None, False)  # it ends already, and not sooner
    finalizers = wanted_finalizers(resource, metadata, options)
    metadata.pop("finalizers", None)
    if finalizers:
        metadata["finalizers"] = finalizers
    if graceful is None:
        if not finalizers:
            return Beginning(None, True)
        _end_now(cluster, metadata)
    return Beginning({**obj, "metadata": metadata}, not finalizers and not graceful)


def _period(metadata: Object) -> int:
    return int(metadata.get("deletionGracePeriodSeconds") or 0)


def _grace(cluster: Cluster, pod: Object, metadata: Object, options: Mapping[str, object]) -> int | None:
    """Sets when a Pod has to be gone; None if that is not changed."""
    given = options.get("gracePeriodSeconds")
    asked = None if not isinstance(given, int) else 1 if given < 0 else min(given, _LONGEST_S)
    if metadata.get("deletionTimestamp"):
        return _shorten(cluster, metadata, asked) if _period(metadata) and asked is not None else None
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    period = asked if asked is not None else int(spec.get("terminationGracePeriodSeconds") or 0)
    if not spec.get("nodeName") or status.get("phase") in _ENDED:
        period = 0
    period = 1 if period < 0 else min(period, _LONGEST_S)
    metadata |= {"deletionTimestamp": cluster.timestamp(period), "deletionGracePeriodSeconds": period}
    _next_generation(metadata)
    return period


def _shorten(cluster: Cluster, metadata: Object, asked: int) -> int | None:
    """A grace period that runs already can only become shorter."""
    period = _period(metadata)
    if asked >= period:
        return None
    until = datetime.fromisoformat(metadata["deletionTimestamp"]).astimezone(UTC).timestamp() - period + asked
    if until < cluster.now():
        until, asked = cluster.now(), min(asked, 1)
    end = cluster.timestamp(until - cluster.now())
    metadata |= {"deletionTimestamp": end, "deletionGracePeriodSeconds": asked}
    return asked


def _end_now(cluster: Cluster, metadata: Object) -> None:
    now = cluster.timestamp()
    if not metadata.get("deletionTimestamp"):
        _next_generation(metadata)
    if (metadata.get("deletionTimestamp") or "9") > now:
        metadata["deletionTimestamp"] = now
    metadata["deletionGracePeriodSeconds"] = 0


def _next_generation(metadata: Object) -> None:
    if metadata.get("generation"):
        metadata["generation"] += 1


def wanted_finalizers(resource: Resource, metadata: Object, options: Mapping[str, object]) -> list[str]:
    """The object's finalizers with those of the garbage collector that the options, or the kind, ask for."""
    present = list(metadata.get("finalizers") or ())
    if resource.bucket in _NEVER_COLLECTED:
        return present
    others = [each for each in present if each not in (ORPHAN, FOREGROUND)]
    orphan, policy = options.get("orphanDependents"), options.get("propagationPolicy")
    if orphan is not None:
        chosen = ORPHAN if orphan else ""
    elif policy is not None:
        chosen = {"Orphan": ORPHAN, "Foreground": FOREGROUND}.get(str(policy), "")
    else:
        by_default = ORPHAN if resource.bucket in ORPHANS_BY_DEFAULT else ""
        chosen = next((each for each in present if each in (ORPHAN, FOREGROUND)), by_default)
    return [*others, chosen] if chosen else others
