"""Validation of objects that have the right form: names, immutable fields, webhooks, CRDs, events. Pure.

It covers what people run into, not everything that kube-apiserver checks, and uses kube-apiserver's texts. Called by
the verbs of writer.py after mutation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.custom import custom_definitions
from edged.sandbox.custom.definition_checks import definition_causes
from edged.sandbox.custom.definition_warnings import definition_warnings
from edged.sandbox.custom.object_checks import custom_causes
from edged.sandbox.kinds.defaults import DEFAULT_NAMESPACES
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol import api_status
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation import service_allocation
from edged.sandbox.validation.kind_checks import WHOLE_METADATA, check_of, kind_warnings
from edged.sandbox.validation.metadata import changed_metadata, new_metadata, single_owners
from edged.sandbox.validation.pod_resizes import resized_pod
from edged.sandbox.validation.pod_statuses import changed_status, status_warnings
from edged.sandbox.validation.pod_updates import changed_ephemeral_containers, changed_pod
from edged.sandbox.validation.template_warnings import workload_warnings

_POD_CHANGES = {
    "": changed_pod, "ephemeralcontainers": changed_ephemeral_containers, "status": changed_status,
    "resize": resized_pod,
}  # fmt: skip
"""Subresource -> what is checked of a changed Pod."""


def check_create(
    cluster: Cluster, resource: Resource, obj: Object, warnings: list[str], *, dry_run: bool = False
) -> None:
    """Raises 422 with everything that is wrong with a new object; adds what is only worth a warning."""
    if resource.bucket == "services":
        service_allocation.settle(cluster, resource, obj, None, dry_run=dry_run)
    if told := single_owners(obj["metadata"]):
        warnings.append(told)
    later: list[str] = []
    causes = [*new_metadata(resource, obj), *_kind_causes(resource, obj, None, later)]
    _refuse(resource, obj, causes)
    warnings += later
    warnings += kind_warnings(resource.bucket, obj, None)
    warnings += workload_warnings(resource.bucket, obj, None)


def check_update(
    cluster: Cluster,
    resource: Resource,
    subresource: str,
    old: Object,
    new: Object,
    warnings: list[str],
    *,
    dry_run: bool = False,
) -> None:
    """Raises 422 with everything that is wrong with a changed object; adds what is only worth a warning."""
    if resource.bucket == "services" and not subresource:
        service_allocation.settle(cluster, resource, new, old, dry_run=dry_run)
    if told := single_owners(new["metadata"]):
        warnings.append(told)
    later: list[str] = []
    causes = [*new_metadata(resource, new, generic=True), *changed_metadata(resource, old, new)]
    if resource.custom:
        causes += changed_metadata(resource, old, new)  # found twice there, too
    if resource.bucket in WHOLE_METADATA and not subresource:
        causes += new_metadata(resource, new)
    if resource.bucket == "pods":
        causes += _POD_CHANGES[subresource](old, new) if subresource in _POD_CHANGES else ()
    else:
        causes += _kind_causes(resource, new, old, later, subresource)
    _refuse(resource, new, causes)
    warnings += later
    if not subresource:
        warnings += kind_warnings(resource.bucket, new, old)
        warnings += workload_warnings(resource.bucket, new, old)
    if resource.bucket == "pods" and subresource == "status":
        warnings += status_warnings(new)


def check_delete(resource: Resource, obj: Object) -> None:
    """Raises 403 for objects that may not be deleted."""
    name = obj["metadata"]["name"]
    if resource.bucket == "namespaces" and name in DEFAULT_NAMESPACES:
        raise api_status.forbidden(resource.named, name, "this namespace may not be deleted")


def _refuse(resource: Resource, obj: Object, causes: list[Cause]) -> None:
    """Of what is found twice about built-in kinds one finding is told. Both groups' Events are of one internal type."""
    if causes:
        told = causes if resource.custom else list(dict.fromkeys(causes))
        named = replace(resource.named, group="") if resource.bucket == "events" else resource.named
        raise api_status.invalid(named, obj["metadata"].get("name") or "", told)


def _kind_causes(
    resource: Resource, obj: Object, old: Object | None, warnings: list[str], subresource: str = ""
) -> Iterator[Cause]:
    if resource.custom:
        yield from custom_causes(resource, obj, old, warnings, subresource)
        return
    if resource.bucket == custom_definitions.BUCKET:
        warnings += definition_warnings(obj, old)
        yield from definition_causes(obj, old, subresource)
    check = check_of(resource.bucket, subresource)
    if check is not None:
        yield from check(obj, old)
