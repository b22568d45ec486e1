"""Events of both groups, and Leases. Pure.

Facts from kubernetes' pkg/apis/core/validation/events.go and pkg/apis/coordination/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import each_invalid, immutable, invalid, part, required
from edged.sandbox.validation.formats import qualified_name, size

_LONGEST = {"reportingInstance": 128, "action": 128, "reason": 128, "message": 1024}
_FIXED = (
    ("involvedObject", "regarding"), ("reason", "reason"), ("message", "note"), ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"), ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"), ("reason", "reason"), ("type", "type"), ("eventTime", "eventTime"),
    ("action", "action"), ("related", "related"), ("reportingController", "reportingController"),
    ("reportingInstance", "reportingInstance"),
)  # fmt: skip
"""What may not change of an Event of events.k8s.io/v1: the name in findings, and its field there."""


def event(obj: Object, old: Object | None) -> Iterator[Cause]:
    """An Event of v1, or of events.k8s.io/v1 if its apiVersion says so."""
    newer = str(obj.get("apiVersion")).startswith("events.k8s.io/")
    yield from _any_event(obj, newer)
    if not newer:
        return
    series = obj.get("series")
    if series is not None and (old is None or series != old.get("series")):
        if (series.get("count") or 0) < 2:
            yield invalid("series.count", "", "should be at least 2")
        if not series.get("lastObservedTime"):
            yield required("series.lastObservedTime")
    if old is not None:
        yield from _unchanged(obj, old)
        return
    if not obj.get("eventTime"):
        yield required("eventTime")
    if obj.get("type") not in ("Normal", "Warning"):
        yield invalid("type", "", f"has invalid value: {obj.get('type') or ''}")
    for name, field in (("firstTimestamp", "deprecatedFirstTimestamp"), ("lastTimestamp", "deprecatedLastTimestamp"),
                        ("count", "deprecatedCount"), ("source", "deprecatedSource")):  # fmt: skip
        if obj.get(field):
            yield invalid(name, "", "needs to be unset")


def lease(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    seconds, changes = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        yield invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    if changes is not None and changes < 0:
        yield invalid("spec.leaseTransitions", changes, "must be greater than or equal to 0")


def _any_event(obj: Object, newer: bool) -> Iterator[Cause]:
    namespace = obj["metadata"].get("namespace") or ""
    stated = part(obj, "regarding" if newer else "involvedObject").get("namespace") or ""
    wrong = invalid("involvedObject.namespace", stated, "does not match event.namespace")
    if not obj.get("eventTime"):
        if (namespace != stated) if stated else namespace not in ("", "default"):
            yield wrong
        return
    if not stated and namespace not in ("default", "kube-system"):
        yield wrong
    field = "reportingController" if newer else "reportingComponent"
    controller = obj.get(field) or ""
    if not controller:
        yield required(field)
    yield from each_invalid(field, controller, qualified_name(controller))
    for name, longest in _LONGEST.items():
        value = obj.get("note" if newer and name == "message" else name) or ""
        if not value and name != "message":
            yield required(name)
        if size(value) > longest:
            yield invalid(name, "", f"can have at most {longest} characters")


def _unchanged(obj: Object, old: Object) -> Iterator[Cause]:
    for name, field in _FIXED:
        value = obj.get(field)
        if (value or None) != (old.get(field) or None):
            yield immutable(name, _own(field, value))


def _own(field: str, value: object) -> object:
    """A value as kube-apiserver's own types print it."""
    if field not in ("regarding", "related") or not isinstance(value, dict | None):
        return ("" if value is None else value) if field not in ("eventTime", "deprecatedCount") else value
    names = ("Kind", "Namespace", "Name", "UID", "APIVersion", "ResourceVersion", "FieldPath")
    keys = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    return {name: (value or {}).get(key) or "" for name, key in zip(names, keys, strict=True)}
