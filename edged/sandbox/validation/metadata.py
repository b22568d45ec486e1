"""The metadata of every object, when it is new and when it changes. Pure.

Facts from apimachinery's api/validation/objectmeta.go; the formats of names from the kinds' own validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.addresses import strict_ip
from edged.sandbox.validation.causes import (
    each_invalid,
    forbidden,
    invalid,
    not_negative,
    quoted,
    required,
    too_long,
    unchanged,
)
from edged.sandbox.validation.formats import (
    Format,
    dns_label,
    dns_subdomain,
    path_segment,
    prefix_of,
    qualified_name,
    size,
)
from edged.sandbox.validation.selectors import labels

FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
"""Names of finalizers that need no domain."""
_ANY_FINALIZER = ("coordination.k8s.io", "admissionregistration.k8s.io", "apiextensions.k8s.io", "node.k8s.io",
                  "policy")  # fmt: skip
"""Groups whose kinds may have finalizers of any name."""
MOST_ANNOTATIONS = 256 << 10
"""Bytes of all keys and values of annotations."""

NAME_FORMATS: dict[str, Format] = {
    "namespaces": dns_label, "services": dns_label,
    "roles.rbac.authorization.k8s.io": path_segment, "clusterroles.rbac.authorization.k8s.io": path_segment,
    "rolebindings.rbac.authorization.k8s.io": path_segment,
    "clusterrolebindings.rbac.authorization.k8s.io": path_segment, "statefulsets.apps": dns_label,
    "poddisruptionbudgets.policy": path_segment, "ipaddresses.networking.k8s.io": strict_ip,
    "certificatesigningrequests.certificates.k8s.io": path_segment,
}  # fmt: skip
"""Bucket -> format of names, of kinds whose names are no subdomains."""


def new_metadata(resource: Resource, obj: Object, *, generic: bool = False) -> Iterator[Cause]:
    """Findings about the metadata of a new object, whose name was generated already. `generic`: what is checked of
    every change before anything of the kind is."""
    metadata = obj["metadata"]
    name_format = path_segment if generic else NAME_FORMATS.get(resource.bucket, dns_subdomain)
    prefix, name = metadata.get("generateName") or "", metadata.get("name") or ""
    if prefix:
        either = name_format if name_format is path_segment else prefix_of(name_format)
        yield from each_invalid("metadata.generateName", prefix, either(prefix))
    if name:
        yield from each_invalid("metadata.name", name, name_format(name))
    else:
        yield required("metadata.name", "name or generateName is required")
    yield from _namespace(resource, metadata.get("namespace") or "")
    yield from not_negative("metadata.generation", metadata.get("generation"))
    yield from common("metadata", metadata)
    yield from finalizers("metadata.finalizers", metadata.get("finalizers") or [])
    if not generic:
        yield from _known_finalizers(resource, metadata)


def changed_metadata(resource: Resource, old: Object, new: Object) -> Iterator[Cause]:
    """Findings about the metadata of a changed object."""
    before, after = old["metadata"], new["metadata"]
    if before.get("deletionTimestamp"):
        yield from _no_new_finalizers(before.get("finalizers") or [], after.get("finalizers") or [])
    yield from not_negative("metadata.generation", after.get("generation"))
    for field in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        yield from unchanged(f"metadata.{field}", before.get(field), after.get(field))
    yield from common("metadata", after)
    yield from _known_finalizers(resource, after)


def common(field: str, metadata: Object) -> Iterator[Cause]:
    """What is checked of new and of changed objects."""
    yield from labels(metadata.get("labels"), f"{field}.labels")
    yield from annotation_map(metadata.get("annotations"), f"{field}.annotations")
    yield from owner_references(metadata.get("ownerReferences") or [], f"{field}.ownerReferences")


def annotation_map(given: Object | None, field: str) -> Iterator[Cause]:
    """Keys are qualified names whatever their case; all together have a bound."""
    total = 0
    for key, value in (given or {}).items():
        yield from each_invalid(field, key, qualified_name(key.lower()))
        total += size(key) + size(value)
    if total > MOST_ANNOTATIONS:
        yield too_long(field, MOST_ANNOTATIONS)


def owner_references(references: list[Object], field: str) -> Iterator[Cause]:
    controller = ""
    for index, reference in enumerate(references):
        yield from _owner_reference(reference, f"{field}[{index}]")
        if not reference.get("controller"):
            continue
        name = f"{reference.get('kind') or ''}/{reference.get('name') or ''}"
        if controller:
            why = (
                'Only one reference can have Controller set to true. Found "true" in references for '
                f"{controller} and {name}"
            )
            yield invalid(field, [_shown_owner(each) for each in references], why)
        else:
            controller = name


def single_owners(metadata: Object) -> str:
    """Takes out of a new or changed object's metadata the owners that are there twice; a warning about them, or ""."""
    references = metadata.get("ownerReferences") or []
    if len(references) < 2 or len(references) > 1000:
        return ""
    kept = [each for index, each in enumerate(references) if each not in references[:index]]
    if len(kept) == len(references):
        return ""
    twice = sorted({str(each.get("uid") or "") for index, each in enumerate(references) if each in references[:index]})
    metadata["ownerReferences"] = kept
    return (
        ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may "
        "reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
        + ", ".join(twice)
    )


def finalizers(field: str, names: list[str]) -> Iterator[Cause]:
    for name in names:
        yield from each_invalid(field, name, qualified_name(name))
    if "orphan" in names and "foregroundDeletion" in names:
        yield invalid(field, names, "finalizer orphan and foregroundDeletion cannot be both set")


def known_finalizer(field: str, name: str) -> Iterator[Cause]:
    """A finalizer without a domain has to be a standard one."""
    if "/" not in name and name not in FINALIZERS:
        yield invalid(field, name, "name is neither a standard finalizer name nor is it fully qualified")


def _known_finalizers(resource: Resource, metadata: Object) -> Iterator[Cause]:
    if resource.custom or resource.group in _ANY_FINALIZER:
        return
    for index, name in enumerate(metadata.get("finalizers") or ()):
        yield from known_finalizer(f"metadata.finalizers[{index}]", name)


def _namespace(resource: Resource, namespace: str) -> Iterator[Cause]:
    if not resource.namespaced:
        if namespace:
            yield forbidden("metadata.namespace", "not allowed on this type")
    elif not namespace:
        yield required("metadata.namespace")
    else:
        yield from each_invalid("metadata.namespace", namespace, dns_label(namespace))


def _owner_reference(reference: Object, field: str) -> Iterator[Cause]:
    version = reference.get("apiVersion") or ""
    if not version:
        yield required(f"{field}.apiVersion", "must not be empty")
    elif version.count("/") > 1 or version.endswith("/"):
        yield invalid(f"{field}.apiVersion", version, "must be <group>/<version> or <version>")
    for name in ("kind", "name", "uid"):
        if not reference.get(name):
            yield required(f"{field}.{name}", "must not be empty")
    if version == "v1" and reference.get("kind") == "Event":
        yield invalid(field, _shown_owner(reference), "/v1, Kind=Event is disallowed from being an owner")


def _shown_owner(reference: Object) -> Object:
    """The fields in the order of the Go type."""
    first = ("apiVersion", "kind", "name", "uid")
    return {name: reference.get(name) or "" for name in first} | reference


def _no_new_finalizers(before: list[str], after: list[str]) -> Iterator[Cause]:
    added = sorted(set(after) - set(before))
    if added:
        names = ", ".join(quoted(name) for name in added)
        why = (
            "no new finalizers can be added if the object is being deleted, found new finalizers "
            f"[]string{{{names}}}"
        )
        yield forbidden("metadata.finalizers", why)
