"""Validation of objects that have the right form: names, immutable fields, webhooks, CRDs, events. Pure.

It covers what people run into, not everything that kube-apiserver checks, and uses kube-apiserver's texts. Called by
the verbs of writer.py after mutation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edged.kube.values import cel as celrules
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.custom.object_checks import custom_causes
from edged.sandbox.kinds.defaults import DEFAULT_NAMESPACES
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol import api_status
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation import service_allocation
from edged.sandbox.validation.causes import immutable, invalid, not_supported, required
from edged.sandbox.validation.kind_checks import WHOLE_METADATA, check_of, kind_warnings
from edged.sandbox.validation.metadata import changed_metadata, new_metadata
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
    causes = [*new_metadata(resource, obj), *_kind_causes(resource, obj, None, warnings)]
    _refuse(resource, obj, causes)
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
    causes = [*new_metadata(resource, new, generic=True), *changed_metadata(resource, old, new)]
    if resource.bucket in WHOLE_METADATA and not subresource:
        causes += new_metadata(resource, new)
    if resource.bucket == "pods":
        causes += _POD_CHANGES[subresource](old, new) if subresource in _POD_CHANGES else ()
    else:
        causes += _kind_causes(resource, new, old, warnings, subresource)
    _refuse(resource, new, causes)
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
    """Of what is found twice about built-in kinds one finding is told."""
    if causes:
        told = causes if resource.custom else list(dict.fromkeys(causes))
        raise api_status.invalid(resource.named, obj["metadata"].get("name") or "", told)


def _kind_causes(
    resource: Resource, obj: Object, old: Object | None, warnings: list[str], subresource: str = ""
) -> Iterator[Cause]:
    if resource.custom:
        yield from custom_causes(resource, obj, old, warnings, subresource)
        return
    if resource.bucket == "customresourcedefinitions.apiextensions.k8s.io" and not subresource:
        yield from _crd(obj)
        if old is not None:
            yield from _crd_update(old, obj)
    check = check_of(resource.bucket, subresource)
    if check is not None:
        yield from check(obj, old)


def _crd(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    group, names = spec.get("group") or "", spec.get("names") or {}
    full_name = f"{names.get('plural', '')}.{group}"
    if obj["metadata"].get("name") != full_name:
        why = 'must be spec.names.plural+"."+spec.group'
        yield invalid("metadata.name", obj["metadata"].get("name"), why)
    if "." not in group:
        yield invalid("spec.group", group, "should be a domain with at least one dot")
    for field in ("plural", "kind"):
        if not names.get(field):
            yield required(f"spec.names.{field}")
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        yield not_supported("spec.scope", spec.get("scope") or "", ("Cluster", "Namespaced"))
    yield from _crd_versions(spec.get("versions") or [])


def _crd_versions(versions: list[Object]) -> Iterator[Cause]:
    if sum(1 for version in versions if version.get("storage")) != 1:
        yield invalid(
            "spec.versions",
            [v.get("name") for v in versions],
            "must have exactly one version marked as storage version",
        )
    for index, version in enumerate(versions):
        path = f"spec.versions[{index}]"
        if not version.get("name"):
            yield required(f"{path}.name")
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if not isinstance(schema, dict):
            yield required(f"{path}.schema.openAPIV3Schema", "schemas are required")
            continue
        if schema.get("type") != "object":
            where = f"{path}.schema.openAPIV3Schema.type"
            yield (
                required(where, "must not be empty at the root")
                if not schema.get("type")
                else invalid(where, schema["type"], "must be object at the root")
            )
        yield from _structural(schema, f"{path}.schema.openAPIV3Schema")


def _structural(schema: Object, path: str) -> Iterator[Cause]:
    """Checks what the rest of the sandbox relies on: every node has a type, and every pattern can be compiled."""
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    kind = schema.get("type")
    kinds = ("object", "array", "string", "boolean", "integer", "number")
    if kind is None and not free:
        yield required(f"{path}.type", "must not be empty for specified object fields")
    elif kind is not None and kind not in kinds:
        yield not_supported(f"{path}.type", kind, kinds)
    if schema.get("pattern"):
        try:
            re.compile(schema["pattern"])
        except re.error as error:
            yield invalid(
                f"{path}.pattern",
                schema["pattern"],
                f"must be a valid regular expression, but isn't: {error}",
            )
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        where, problem = (
            f"{path}.x-kubernetes-validations[{index}].rule",
            celrules.problem(rule.get("rule") or ""),
        )
        if problem:
            yield invalid(where, rule.get("rule"), f"compilation failed: {problem}")
    for name, inner in (schema.get("properties") or {}).items():
        yield from _structural(inner, f"{path}.properties[{name}]")
    for field in ("items", "additionalProperties"):
        if isinstance(schema.get(field), dict):
            yield from _structural(schema[field], f"{path}.{field}")


def _crd_update(old: Object, new: Object) -> Iterator[Cause]:
    for path in ("group", "scope"):
        if old["spec"].get(path) != new["spec"].get(path):
            yield immutable(f"spec.{path}", new["spec"].get(path))
