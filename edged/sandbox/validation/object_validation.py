"""Validation of objects that have the right form: names, immutable fields, webhooks, CRDs, events. Pure.

It covers what people run into, not everything that kube-apiserver checks, and uses kube-apiserver's texts. Called by
the verbs of writer.py after mutation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from edged.kube.values import cel as celrules
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.custom.object_checks import custom_causes
from edged.sandbox.kinds.defaults import DEFAULT_NAMESPACES
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol import api_status
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import duplicate, immutable, invalid, not_supported, required
from edged.sandbox.validation.formats import dns_subdomain, joined
from edged.sandbox.validation.metadata import changed_metadata, new_metadata
from edged.sandbox.validation.pod_resizes import resized_pod
from edged.sandbox.validation.pod_statuses import changed_status, status_warnings
from edged.sandbox.validation.pod_templates import pod_template
from edged.sandbox.validation.pod_updates import changed_ephemeral_containers, changed_pod
from edged.sandbox.validation.pods import pod
from edged.sandbox.validation.template_warnings import workload_warnings


def check_create(cluster: Cluster, resource: Resource, obj: Object, warnings: list[str]) -> None:
    """Raises 422 with everything that is wrong with a new object; adds what is only worth a warning."""
    causes = [*new_metadata(resource, obj), *_kind_causes(resource, obj, None, warnings)]
    _refuse(resource, obj, causes)
    warnings += workload_warnings(resource.bucket, obj, None)


def check_update(
    cluster: Cluster, resource: Resource, subresource: str, old: Object, new: Object, warnings: list[str]
) -> None:
    """Raises 422 with everything that is wrong with a changed object; adds what is only worth a warning."""
    causes = [*changed_metadata(old, new)]
    if resource.bucket == "pods":
        causes += _POD_CHANGES[subresource](old, new) if subresource in _POD_CHANGES else ()
    else:
        causes += _kind_causes(resource, new, old, warnings, subresource)
    check = _UPDATES.get(resource.bucket)
    if check is not None:
        causes += check(old, new)
    _refuse(resource, new, causes)
    if not subresource:
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
    check = _CHECKS.get(resource.bucket)
    if check is not None:
        yield from check(obj)


# --- workloads


def _workload(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    selector = spec.get("selector")
    template = spec.get("template") or {}
    if not selector:
        yield required("spec.selector")
    else:
        labels = (template.get("metadata") or {}).get("labels") or {}
        match_labels = selector.get("matchLabels") or {} if isinstance(selector, dict) else {}
        if any(labels.get(key) != value for key, value in match_labels.items()):
            why = "`selector` does not match template `labels`"
            yield invalid("spec.template.metadata.labels", labels, why)
    yield from pod_template(template, "spec.template")


def _job(obj: Object) -> Iterator[Cause]:
    template = (obj.get("spec") or {}).get("template") or {}
    yield from pod_template(template, "spec.template")
    spec = template.get("spec") or {}
    if spec.get("restartPolicy") == "Always":
        yield not_supported("spec.template.spec.restartPolicy", "Always", ("OnFailure", "Never"))


def _selector_fixed(old: Object, new: Object) -> Iterator[Cause]:
    selector = (new.get("spec") or {}).get("selector")
    if (old.get("spec") or {}).get("selector") != selector:
        yield immutable("spec.selector", selector)


# --- the rest


def _event(obj: Object) -> Iterator[Cause]:
    regarding = obj.get("involvedObject") or obj.get("regarding") or {}
    namespace, stated = obj["metadata"].get("namespace"), regarding.get("namespace") or ""
    if stated != namespace and not (stated == "" and namespace == "default"):
        yield Cause("involvedObject.namespace", f'Invalid value: "{stated}": does not match event.namespace')


def _config_data(old: Object, new: Object) -> Iterator[Cause]:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield Cause("immutable", "Forbidden: field is immutable when `immutable` is set", "FieldValueForbidden")
    for field in ("data", "binaryData"):
        if old.get(field) != new.get(field):
            yield Cause(field, "Forbidden: field is immutable when `immutable` is set", "FieldValueForbidden")


def _service(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    if not spec.get("ports") and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        yield required("spec.ports")


def _webhooks(mutating: bool) -> Callable[[Object], Iterator[Cause]]:
    def check(obj: Object) -> Iterator[Cause]:
        seen: set[str] = set()
        for index, webhook in enumerate(obj.get("webhooks") or ()):
            path = f"webhooks[{index}]"
            yield from _webhook(webhook, path, mutating)
            name = webhook.get("name") or ""
            if name in seen:
                yield duplicate(f"{path}.name", name)
            seen.add(name)

    return check


def _webhook(webhook: Object, path: str, mutating: bool) -> Iterator[Cause]:
    name = webhook.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    elif wrong := dns_subdomain(name):
        yield invalid(f"{path}.name", name, joined(wrong))
    elif name.count(".") < 2:
        yield invalid(f"{path}.name", name, "should be a domain with at least three segments separated by dots")
    for index, rule in enumerate(webhook.get("rules") or ()):
        yield from _rule(rule, f"{path}.rules[{index}]")
    yield from _enumerated(webhook, path, mutating)
    timeout = webhook.get("timeoutSeconds")
    if not isinstance(timeout, int) or not 1 <= timeout <= 30:
        yield invalid(f"{path}.timeoutSeconds", timeout, "the timeout value must be between 1 and 30 seconds")
    yield from _client_config(webhook.get("clientConfig") or {}, f"{path}.clientConfig")
    yield from _review_versions(webhook.get("admissionReviewVersions"), f"{path}.admissionReviewVersions")
    yield from _match_conditions(webhook.get("matchConditions") or [], f"{path}.matchConditions")


def _enumerated(webhook: Object, path: str, mutating: bool) -> Iterator[Cause]:
    effects = ("None", "NoneOnDryRun")
    if not webhook.get("sideEffects"):
        yield required(f"{path}.sideEffects", f"must specify one of {', '.join(effects)}")
    elif webhook["sideEffects"] not in effects:
        yield not_supported(f"{path}.sideEffects", webhook["sideEffects"], effects)
    choices = {"failurePolicy": ("Fail", "Ignore"), "matchPolicy": ("Equivalent", "Exact")}
    if mutating:
        choices["reinvocationPolicy"] = ("IfNeeded", "Never")
    for field, allowed in choices.items():
        if webhook.get(field) not in allowed:
            yield not_supported(f"{path}.{field}", webhook.get(field), allowed)


def _rule(rule: Object, path: str) -> Iterator[Cause]:
    operations = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
    for field in ("operations", "apiGroups", "apiVersions", "resources"):
        values = rule.get(field)
        if not values:
            yield required(f"{path}.{field}")
        elif len(values) > 1 and "*" in values:
            yield invalid(f"{path}.{field}", values, f"if '*' is present, must not specify other {field}")
    for index, operation in enumerate(rule.get("operations") or ()):
        if operation not in operations:
            yield not_supported(f"{path}.operations[{index}]", operation, operations)
    scopes = ("*", "Cluster", "Namespaced")
    if rule.get("scope") not in scopes:
        yield not_supported(f"{path}.scope", rule.get("scope"), scopes)


def _client_config(config: Object, path: str) -> Iterator[Cause]:
    url, service = config.get("url"), config.get("service")
    if bool(url) == bool(service):
        yield required(path, "exactly one of url or service is required")
        return
    if service:
        for field in ("name", "namespace"):
            if not service.get(field):
                yield required(f"{path}.service.{field}", f"service {field} is required")
        return
    form, parts = "desired format: https://host[/path]", urlsplit(str(url))
    if parts.scheme != "https":
        yield invalid(f"{path}.url", parts.scheme, f"'https' is the only allowed URL scheme; {form}")
    if not parts.netloc:
        yield invalid(f"{path}.url", url, f"host must be specified; {form}")
    if parts.username or parts.password:
        yield invalid(f"{path}.url", url, f"user information is not permitted in the URL; {form}")
    if parts.fragment or "#" in str(url):
        yield invalid(f"{path}.url", parts.fragment, f"fragments are not permitted in the URL; {form}")
    if parts.query or "?" in str(url):
        yield invalid(f"{path}.url", parts.query, f"query parameters are not permitted in the URL; {form}")


def _review_versions(versions: list[str] | None, path: str) -> Iterator[Cause]:
    if not versions:
        yield required(path, "must specify one of v1, v1beta1")
    elif not {"v1", "v1beta1"} & set(versions):
        yield invalid(path, versions, "must include at least one of v1, v1beta1")


def _match_conditions(conditions: list[Object], path: str) -> Iterator[Cause]:
    for index, condition in enumerate(conditions):
        if not condition.get("name"):
            yield required(f"{path}[{index}].name")
        expression = (condition.get("expression") or "").strip()
        if not expression:
            yield required(f"{path}[{index}].expression")
            continue
        problem = celrules.problem(expression)
        if problem:
            yield invalid(f"{path}[{index}].expression", expression, f"compilation failed: {problem}")


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


_POD_CHANGES = {
    "": changed_pod, "ephemeralcontainers": changed_ephemeral_containers, "status": changed_status,
    "resize": resized_pod,
}  # fmt: skip
"""Subresource -> what is checked of a changed Pod."""
_ADMISSION = "admissionregistration.k8s.io"
_CHECKS: dict[str, Callable[[Object], Iterator[Cause]]] = {
    "pods": pod, "deployments.apps": _workload, "replicasets.apps": _workload, "statefulsets.apps": _workload,
    "daemonsets.apps": _workload, "jobs.batch": _job, "events": _event, "services": _service,
    f"mutatingwebhookconfigurations.{_ADMISSION}": _webhooks(True),
    f"validatingwebhookconfigurations.{_ADMISSION}": _webhooks(False),
    "customresourcedefinitions.apiextensions.k8s.io": _crd,
}  # fmt: skip
_UPDATES: dict[str, Callable[[Object, Object], Iterator[Cause]]] = {
    "deployments.apps": _selector_fixed, "replicasets.apps": _selector_fixed, "statefulsets.apps": _selector_fixed,
    "daemonsets.apps": _selector_fixed, "configmaps": _config_data, "secrets": _config_data,
    "customresourcedefinitions.apiextensions.k8s.io": _crd_update,
}  # fmt: skip
