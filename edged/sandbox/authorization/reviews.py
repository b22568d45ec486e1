"""SubjectAccessReviews and their relatives. Pure. Without --rbac everybody may do everything.

Source: kubernetes/pkg/registry/authorization.
"""

from __future__ import annotations

from typing import Any

from edged.json_text import dumps
from edged.sandbox.authorization.rules import Attributes, Rbac
from edged.sandbox.authorization.service_accounts import managed_fields, token_review, user_info
from edged.sandbox.authorization.users import ADMINISTRATOR
from edged.sandbox.cluster import Cluster
from edged.sandbox.protocol import codec
from edged.sandbox.protocol.api_status import ApiStatus, Cause, Named, bad_request, invalid, method_not_allowed
from edged.sandbox.protocol.request import Request, Response, Target, User, json_response
from edged.sandbox.protocol.write_options import field_validation

Object = dict[str, Any]
_ATTRIBUTES = ("verb", "group", "resource", "subresource", "namespace", "name")


def answer(cluster: Cluster, target: Target, request: Request) -> Response:
    """The answer to a review of who the client is, or of what somebody may do. Raises ApiStatus."""
    if request.method != "POST" or target.name:
        raise method_not_allowed()
    resource, user = target.resource, request.user
    read = codec.read(cluster, request, resource.kind)
    codec.check_kind(cluster, resource, read.value)
    found = [*read.found]
    body = codec.check_fields(resource, read.value, found)
    warnings = codec.strictness(resource, found, field_validation(request))
    metadata, spec = body.get("metadata") or {}, body.get("spec") or {}
    if target.namespace:
        metadata = {**metadata, "namespace": target.namespace}
    match resource.kind:
        case "SelfSubjectReview":
            metadata, spec = {"creationTimestamp": cluster.timestamp()}, None
            status: Object = {"userInfo": user_info(user)}
        case "TokenReview":
            status = token_review(cluster, spec, ADMINISTRATOR)
            metadata = {**metadata, **managed_fields(cluster, request, resource, {"spec": spec})}
        case "SelfSubjectRulesReview":
            status = rules(cluster.rights, spec, user)
            spec = {}
        case kind:
            status = access(cluster.rights, kind, spec, user, target.namespace)
            metadata = {**metadata, **managed_fields(cluster, request, resource, {"spec": spec})}
    made: Object = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
    if spec is not None:
        made["spec"] = spec
    return json_response(201, {**made, "status": status}, warnings)


def access(rbac: Rbac | None, kind: str, spec: Object, user: User, namespace: str | None) -> Object:
    """The status of a review of one access; `namespace` is that of a LocalSubjectAccessReview. Raises 422."""
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes") or {}
    _check(kind, spec, namespace)
    if resource is not None:
        asked = Attributes(**{key: str(resource.get(key) or "") for key in _ATTRIBUTES})
    else:
        asked = Attributes(verb=str(path.get("verb") or ""), path=str(path.get("path") or "/"))
    if not kind.startswith("Self"):
        user = User(str(spec.get("user") or ""), str(spec.get("uid") or ""), tuple(spec.get("groups") or ()))
    if rbac is None:
        return {"allowed": True, **({} if kind.startswith("Self") else {"reason": "the sandbox allows everything"})}
    decision = rbac.decide(user, asked)
    return {"allowed": decision.allowed, **({"reason": decision.reason} if decision.reason else {})}


def _check(kind: str, spec: Object, namespace: str | None) -> None:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    exactly = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
    causes = []
    if resource is None and path is None:
        causes.append(Cause("spec", f"Invalid value: null: {exactly}"))
    elif resource is not None and path is not None:
        shown = dumps({"Path": path.get("path") or "", "Verb": path.get("verb") or ""}).decode()
        causes.append(Cause("spec", f"Invalid value: {shown}: {exactly}"))
    if not kind.startswith("Self") and not spec.get("user") and not spec.get("groups"):
        causes.append(Cause("spec.user", 'Invalid value: "": at least one of user or group must be specified'))
    if namespace is not None and resource is not None and (resource.get("namespace") or "") != namespace:
        shown = dumps(resource.get("namespace") or "").decode()
        why = f"Invalid value: {shown}: must match metadata.namespace"
        causes.append(Cause("spec.resourceAttributes.namespace", why))
    if causes:
        # The API server loses the kind on the way: its text begins with a dot.
        refusal = invalid(Named("authorization.k8s.io", "", ""), "", causes)
        details = {key: value for key, value in (refusal.details or {}).items() if key != "kind"}
        raise ApiStatus(422, "Invalid", refusal.message, details)


def rules(rbac: Rbac | None, spec: Object, user: User) -> Object:
    """The status of a SelfSubjectRulesReview. Raises 400."""
    namespace = spec.get("namespace")
    if not namespace:
        raise bad_request("no namespace on request")
    if rbac is None:
        everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        paths = {"verbs": ["*"], "nonResourceURLs": ["*"]}
        return {"resourceRules": [everything], "nonResourceRules": [paths], "incomplete": False}
    granted = list(rbac.granted(user, str(namespace)))
    held = [each.rule for each in granted if each.rule is not None]
    missing = list(dict.fromkeys(each.missing for each in granted if each.rule is None))
    status: Object = {
        "resourceRules": [_picked(rule, "verbs", "apiGroups", "resources", "resourceNames") for rule in held
                          if rule.get("resources")],
        "nonResourceRules": [_picked(rule, "verbs", "nonResourceURLs") for rule in held if rule.get("nonResourceURLs")],
        "incomplete": False,
    }  # fmt: skip
    if missing:
        status["evaluationError"] = missing[0] if len(missing) == 1 else f"[{', '.join(missing)}]"
    return status


def _picked(rule: Any, *keys: str) -> Object:
    return {key: rule[key] for key in keys if rule.get(key)}
