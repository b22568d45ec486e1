"""PersistentVolumeClaims, and the access modes that volumes have, too. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.kube.values import quantity
from edged.kube.values.quantity import to_milli
from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import (
    each_invalid,
    forbidden,
    immutable,
    invalid,
    not_supported,
    part,
    quoted,
    required,
)
from edged.sandbox.validation.formats import dns_label, dns_subdomain
from edged.sandbox.validation.internal_values import difference, internal_equal
from edged.sandbox.validation.selectors import label_selector

MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
"""What named the class before there was a field."""
_FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n"


def claim(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from claim_spec(part(obj, "spec"), "spec")
    if old is not None:
        yield from _changed(obj, old)


def claim_warnings(obj: Object, old: Object | None) -> Iterator[str]:
    """What a right claim is warned of."""
    if CLASS_ANNOTATION in part(obj, "metadata", "annotations"):
        field, use = f"metadata.annotations[{CLASS_ANNOTATION}]", 'use "storageClassName" attribute instead'
        yield f"{field}: deprecated since v1.8; {use}"
    for kind in ("requests", "limits"):
        amounts = part(obj, "spec", "resources", kind)
        if "storage" in amounts and to_milli(nanos_of(amounts["storage"]) or 0) % 1000:
            where, value = f"spec.resources.{kind}[storage]", quoted(quantity.canonical(amounts["storage"]))
            yield f"{where}: fractional byte value {value} is invalid, must be an integer"


def claim_status(obj: Object, old: Object | None) -> Iterator[Cause]:
    for name, value in part(obj, "status", "capacity").items():
        yield from not_negative_amount(f"status.capacity[{name}]", value)


def claim_spec(spec: Object, field: str) -> Iterator[Cause]:
    """A PersistentVolumeClaimSpec, which templates have, too."""
    if not spec.get("accessModes"):
        yield required(f"{field}.accessModes", "at least 1 access mode is required")
    yield from label_selector(spec.get("selector"), f"{field}.selector")
    yield from access_modes(spec.get("accessModes") or [], f"{field}.accessModes")
    requests = part(spec, "resources", "requests")
    if "storage" not in requests:
        yield required(f"{field}.resources[storage]")
    else:
        yield from positive_amount(f"{field}.resources[storage]", requests["storage"])
    name = spec.get("storageClassName")
    if name:
        yield from each_invalid(f"{field}.storageClassName", name, dns_subdomain(name))
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        yield not_supported(f"{field}.volumeMode", mode, VOLUME_MODES)
    yield from _sources(spec, field)
    attributes = spec.get("volumeAttributesClassName")
    if attributes:
        yield from each_invalid(f"{field}.volumeAttributesClassName", attributes, dns_subdomain(attributes))


def access_modes(modes: list[str], field: str) -> Iterator[Cause]:
    for mode in modes:
        if mode not in MODES:
            yield not_supported(field, mode, MODES)
    if "ReadWriteOncePod" in modes and set(modes) & set(MODES[:3]):
        yield forbidden(field, "may not use ReadWriteOncePod with other access modes")


def positive_amount(field: str, value: object) -> Iterator[Cause]:
    if (nanos := nanos_of(value)) is not None and nanos <= 0:
        yield invalid(field, quantity.canonical(value), "must be greater than zero")


def not_negative_amount(field: str, value: object) -> Iterator[Cause]:
    if (nanos := nanos_of(value)) is not None and nanos < 0:
        yield invalid(field, quantity.to_units(nanos), "must be a valid resource quantity")


def nanos_of(value: object) -> int | None:
    try:
        return quantity.nano(value)
    except quantity.QuantityError:
        return None


def _sources(spec: Object, field: str) -> Iterator[Cause]:
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is None and reference is not None and not reference.get("namespace"):
        source = reference
    elif reference is None and source is not None and not _old_source(source):
        return  # kube-apiserver takes it out
    for name, given in (("dataSource", source), ("dataSourceRef", reference)):
        if given is not None:
            yield from _source(given, f"{field}.{name}")
    if (reference or {}).get("namespace"):
        if source is not None:
            yield invalid(field, {}, "may not be specified when dataSourceRef.namespace is specified")
    elif source is not None and reference is not None:
        keys = ("apiGroup", "kind", "name")
        if any(source.get(key) != reference.get(key) for key in keys):
            yield invalid(field, {}, "must match dataSourceRef")


def _old_source(source: Object) -> bool:
    """What dataSource can be that dataSourceRef need not repeat."""
    kind, group = source.get("kind"), source.get("apiGroup") or ""
    return (kind, group) in (("PersistentVolumeClaim", ""), ("VolumeSnapshot", "snapshot.storage.k8s.io"))


def _source(given: Object, field: str) -> Iterator[Cause]:
    for name in ("name", "kind"):
        if not given.get(name):
            yield required(f"{field}.{name}")
    group, kind = given.get("apiGroup") or "", given.get("kind") or ""
    if not group and kind != "PersistentVolumeClaim":
        yield invalid(field, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")
    if group:
        yield from each_invalid(f"{field}.apiGroup", group, dns_subdomain(group))
    if given.get("namespace"):
        yield from each_invalid(f"{field}.namespace", given["namespace"], dns_label(given["namespace"]))


def _changed_class(obj: Object, old: Object, after: Object) -> Iterator[Cause]:
    """A claim without a class may get one, that of its annotation if it has one. `after` loses what may change."""
    new_class, old_class = (part(each, "spec").get("storageClassName") for each in (obj, old))
    given, before = (part(each, "metadata", "annotations").get(CLASS_ANNOTATION) for each in (obj, old))
    late = old_class is None and new_class is not None and before in (None, new_class)
    if late:
        after["storageClassName"] = None
    if not (late and before is not None and given in (None, before)) and (given or "") != (before or ""):
        yield immutable(f"metadata.annotations.{CLASS_ANNOTATION}", given or "")


def _changed(obj: Object, old: Object) -> Iterator[Cause]:
    after, before = dict(part(obj, "spec")), dict(part(old, "spec"))
    bound = part(obj, "status").get("phase") == "Bound"
    if not before.get("volumeName"):
        before["volumeName"] = after.get("volumeName")
    yield from _changed_class(obj, old, after)
    if bound:
        kept = part(before, "resources", "requests").get("storage")
        after["volumeAttributesClassName"] = before.get("volumeAttributesClassName")
        requests = part(after, "resources", "requests")
        if requests and kept is not None:
            after["resources"] = {**part(after, "resources"), "requests": {**requests, "storage": kept}}
    if not internal_equal("core.PersistentVolumeClaimSpec", before, after):
        found = difference("core.PersistentVolumeClaimSpec", before, after)
        yield forbidden("spec", _FIXED + found)
    new_size, old_size = (nanos_of(part(o, "spec", "resources", "requests").get("storage", 0)) for o in (obj, old))
    status = nanos_of(part(old, "status", "capacity").get("storage", 0))
    if new_size is not None and old_size is not None and new_size < old_size and new_size <= (status or 0):
        yield forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")
    if part(obj, "spec").get("volumeMode") != part(old, "spec").get("volumeMode"):
        yield invalid("volumeMode", part(obj, "spec").get("volumeMode"), "field is immutable")
