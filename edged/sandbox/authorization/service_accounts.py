"""The token subresource of ServiceAccounts, and whose a token is. Pure but for the clock of `Cluster`.

Source: kubernetes/pkg/registry/core/serviceaccount/storage/token.go, pkg/serviceaccount, and the validation of
TokenRequests.
"""

from __future__ import annotations

from typing import Any

from edged.kube.values.names import NamespacedName
from edged.sandbox.authorization.tokens import ISSUER
from edged.sandbox.cluster import Cluster
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol import codec
from edged.sandbox.protocol.api_status import (
    Cause,
    Named,
    bad_request,
    conflict,
    invalid,
    method_not_allowed,
    not_found,
)  # fmt: skip
from edged.sandbox.protocol.request import Request, Response, Target, User, json_response
from edged.sandbox.protocol.write_options import check_options
from edged.sandbox.writing import fieldsets

Object = dict[str, Any]
_NAMED = Named("authentication.k8s.io", "TokenRequest", "tokenrequests")
_BOUND = {"Pod": ("pods", True), "Secret": ("secrets", True), "Node": ("nodes", False)}
_SHORTEST_S, _LONGEST_S, _USUAL_S = 600, 2**32, 3600
_GROUPS = "system:serviceaccounts"


def request_token(cluster: Cluster, target: Target, request: Request) -> Response:
    """POST of a TokenRequest. Raises ApiStatus."""
    if request.method != "POST":
        raise method_not_allowed()
    check_options(request)
    body = codec.decode(cluster, request, "TokenRequest")
    if (kind := body.get("kind") or "TokenRequest") != "TokenRequest":
        why = f"converting (v1.{kind}) to (authentication.TokenRequest): unknown conversion"
        raise bad_request(f'{kind} in version "v1" cannot be handled as a TokenRequest: {why}')
    metadata, spec = body.get("metadata") or {}, dict(body.get("spec") or {})
    for field, here in (("name", target.name), ("namespace", target.namespace)):
        if metadata.get(field) and metadata[field] != here:
            said = "name" if field == "name" else "namespace"
            why = f'Invalid value: "{metadata[field]}": must match the service account {said} if specified'
            raise invalid(_NAMED, target.name, [Cause(f"metadata.{field}", why)])
    account = cluster.storage.get(target.resource.bucket, target.key)
    if account is None:
        raise not_found(target.resource.named, target.name)
    seconds = spec["expirationSeconds"] = spec.get("expirationSeconds") or _USUAL_S
    managed = managed_fields(cluster, request, _token_request(cluster), {"spec": spec}, "token")
    spec["audiences"] = spec.get("audiences") or [ISSUER]
    _check_seconds(seconds)
    spec["boundObjectRef"] = reference = spec.get("boundObjectRef")
    bound = _bound(cluster, target, reference) if reference else None
    claims = _claims(cluster, account, spec, bound, reference)
    created = {"name": target.name, "namespace": target.namespace, "uid": account["metadata"]["uid"]}
    status = {"token": cluster.tokens.signed(claims), "expirationTimestamp": cluster.timestamp(seconds)}
    answer = {
        "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
        "metadata": {**created, "creationTimestamp": cluster.timestamp(), **managed}, "spec": spec, "status": status,
    }  # fmt: skip
    return json_response(201, answer)


def _token_request(cluster: Cluster) -> Resource:
    go_type = "authentication/v1.TokenRequest"
    return Resource(
        "authentication.k8s.io", "v1", "TokenRequest", "", "", "", False,
        go_type=go_type, shape=cluster.types.shape(go_type),
    )  # fmt: skip


def managed_fields(
    cluster: Cluster, request: Request, resource: Resource, obj: Object, subresource: str = ""
) -> Object:
    """The managedFields of an object that is answered at once and never stored, as a part of its metadata."""
    made: Object = {**obj, "metadata": {}}
    agent = request.headers.get("user-agent", "").partition("/")[0] or "unknown"
    manager = request.query.get("fieldManager") or agent
    writing = fieldsets.Writing(resource, subresource, manager, cluster.timestamp())
    fieldsets.track(None, made, writing, cluster.types)
    return {key: made["metadata"][key] for key in ("managedFields",) if key in made["metadata"]}


def _check_seconds(seconds: int) -> None:
    why = ""
    if seconds < _SHORTEST_S:
        why = "may not specify a duration less than 10 minutes"
    elif seconds > _LONGEST_S:
        why = "may not specify a duration larger than 2^32 seconds"
    if why:
        raise invalid(_NAMED, "", [Cause("spec.expirationSeconds", f"Invalid value: {seconds}: {why}")])


def _bound(cluster: Cluster, target: Target, reference: Object) -> Object:
    """The object that a token is bound to: the token ends with it. Raises 400, 404 and 409."""
    kind, name = str(reference.get("kind") or ""), str(reference.get("name") or "")
    api_version = str(reference.get("apiVersion") or "")
    if api_version not in ("", "v1") or kind not in _BOUND:
        group, _, version = api_version.rpartition("/")
        raise bad_request(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
    plural, namespaced = _BOUND[kind]
    bound = cluster.storage.get(plural, NamespacedName((target.namespace or "") if namespaced else "", name))
    if bound is None:
        raise not_found(Named("", kind, plural), name)
    if kind == "Pod" and (bound["spec"].get("serviceAccountName") or "default") != target.name:
        other = "pod running with different serviceaccount name."
        raise bad_request(f'cannot bind token for serviceaccount "{target.name}" to {other}')
    uid = reference.get("uid")
    if uid and uid != bound["metadata"]["uid"]:
        why = f"the UID in the bound object reference ({uid}) does not match the UID in record. "
        raise conflict(Named("", kind, kind), name, why + "The object might have been deleted and then recreated")
    return bound


def _claims(
    cluster: Cluster, account: Object, spec: Object, bound: Object | None, reference: Object | None
) -> Object:
    now = int(cluster.now())
    metadata = account["metadata"]
    private: Object = {
        "namespace": metadata["namespace"],
        "serviceaccount": {"name": metadata["name"], "uid": metadata["uid"]},
    }
    if bound is not None and reference is not None:
        private[reference["kind"].lower()] = {"name": reference["name"], "uid": bound["metadata"]["uid"]}
    return {
        "aud": spec["audiences"], "exp": now + spec["expirationSeconds"], "iat": now, "iss": ISSUER,
        "jti": cluster.new_uid(), "kubernetes.io": private, "nbf": now,
        "sub": _username(metadata["namespace"], metadata["name"]),
    }  # fmt: skip


def _username(namespace: str, name: str) -> str:
    return f"system:serviceaccount:{namespace}:{name}"


def user_of(cluster: Cluster, token: str) -> User | None:
    """Whose a token is that may be used here; None for a wrong one."""
    claims = _valid_claims(cluster, token)
    if claims is None or ISSUER not in claims["aud"]:
        return None
    return _user(claims)


def _valid_claims(cluster: Cluster, token: str) -> Object | None:
    """The claims, while the token has not expired and its account and what it is bound to are there."""
    claims = cluster.tokens.claims(token)
    if claims is None or not claims["nbf"] <= cluster.now() < claims["exp"]:
        return None
    private = claims["kubernetes.io"]
    namespace = private["namespace"]
    wanted = [("serviceaccounts", namespace, private["serviceaccount"])]
    for kind, (plural, namespaced) in _BOUND.items():
        if bound := private.get(kind.lower()):
            wanted.append((plural, namespace if namespaced else "", bound))
    for plural, where, named in wanted:
        obj = cluster.storage.get(plural, NamespacedName(where, named["name"]))
        if obj is None or obj["metadata"]["uid"] != named["uid"]:
            return None
    return claims


def _user(claims: Object) -> User:
    private = claims["kubernetes.io"]
    groups = (_GROUPS, f"{_GROUPS}:{private['namespace']}", "system:authenticated")
    extra = (("authentication.kubernetes.io/credential-id", (f"JTI={claims['jti']}",)),)
    return User(claims["sub"], private["serviceaccount"]["uid"], groups, extra)


def user_info(user: User) -> Object:
    """A user as reviews show it."""
    info: Object = {"username": user.username, "uid": user.uid, "groups": list(user.groups)}
    if user.extra:
        info["extra"] = {name: list(values) for name, values in user.extra}
    return {key: value for key, value in info.items() if value}


def token_review(cluster: Cluster, spec: Object, administrator: User) -> Object:
    """The status of a TokenReview. Raises 400. Tokens that are none of a service account are nobody's, but for the one
    that the sandbox's kubeconfig has."""
    token, audiences = str(spec.get("token") or ""), list(spec.get("audiences") or [ISSUER])
    if not token:
        raise bad_request("token is required for TokenReview in authentication")
    if token == "sandbox":
        return {"authenticated": True, "user": user_info(administrator), "audiences": audiences}
    claims = _valid_claims(cluster, token)
    if claims is None:
        return {"user": {}, "error": "invalid bearer token"}
    common = [audience for audience in claims["aud"] if audience in audiences]
    if not common:
        given, wanted = (" ".join(f'"{each}"' for each in names) for names in (claims["aud"], audiences))
        why = f"token audiences [{given}] is invalid for the target audiences [{wanted}]"
        return {"user": {}, "error": f"[invalid bearer token, {why}]"}
    return {"authenticated": True, "user": user_info(_user(claims)), "audiences": common}
