"""What stands before the API with --rbac: who asks, whether they may, and the roles that every cluster has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from edged.json_text import dumps, loads
from edged.kube.values.names import key_of
from edged.sandbox.api import Api
from edged.sandbox.authorization import escalation
from edged.sandbox.authorization.rules import GROUP, Attributes, Rbac
from edged.sandbox.authorization.users import NO_SNIFFING, Verify, authenticated, impersonated
from edged.sandbox.protocol.api_status import ApiStatus, Named, forbidden
from edged.sandbox.protocol.request import Request, Response, Target, User, parse_target, refused, verb_of

Object = dict[str, Any]
_BOOTSTRAP: Final = Path(__file__).parent / "bootstrap.json"


class GuardedApi:
    """An Api that asks who a request is from and whether they may make it. `verify` knows tokens."""

    def __init__(self, api: Api, verify: Verify) -> None:
        self._api = api
        self._verify = verify
        self._cluster = api.cluster
        self.rbac = Rbac(api.cluster.storage)
        api.cluster.rights = self.rbac
        self._put_bootstrap_roles()

    async def handle(self, request: Request) -> Response:
        try:
            return await self._guarded(request)
        except ApiStatus as refusal:
            return refused(refusal)

    async def _guarded(self, request: Request) -> Response:
        user = impersonated(request, authenticated(request, self._verify), self._check)
        request = replace(request, user=user)
        target = self._target(request)
        asked = _attributes(request, target)
        self._check(user, asked)
        if target is None:
            return await self._api.handle(request)
        old = self._stored(target)
        if asked.verb in ("update", "patch") and target.name and old is None and not target.subresource:
            self._check(user, replace(asked, verb="create"))
        if escalation.concerns(target) and asked.verb in ("create", "update", "patch"):
            await self._check_escalation(target, request, old)
        response = await self._api.handle(request)
        if target.resource.bucket == f"clusterroles.{GROUP}" and request.method not in ("GET", "HEAD"):
            self.rbac.aggregate()
        return response

    def _check(self, user: User, asked: Attributes) -> None:
        """Raises 403."""
        decision = self.rbac.decide(user, asked)
        if not decision.allowed:
            raise _forbidden(user, asked, decision.reason)

    async def _check_escalation(self, target: Target, request: Request, old: Object | None) -> None:
        """By what would be stored, which only a dry run tells. Raises 403."""
        tried = await self._api.handle(replace(request, query={**request.query, "dryRun": "All"}))
        if tried.status < 300 and tried.content_type == "application/json":
            escalation.check(self.rbac, request.user, target, loads(tried.body), old)

    def _target(self, request: Request) -> Target | None:
        try:
            return parse_target(self._cluster.registry, request.path)
        except ApiStatus:
            return None

    def _stored(self, target: Target) -> Object | None:
        return self._cluster.storage.get(target.resource.bucket, target.key) if target.name else None

    def _put_bootstrap_roles(self) -> None:
        cluster = self._cluster
        for obj in loads(_BOOTSTRAP.read_bytes()):
            resource = cluster.registry.by_kind(obj["apiVersion"], obj["kind"])
            assert resource is not None
            metadata = {**obj["metadata"], "uid": cluster.new_uid(), "creationTimestamp": cluster.timestamp()}
            stored = cluster.stored(resource, {**obj, "metadata": metadata})
            if cluster.storage.get(resource.bucket, key_of(stored)) is None:
                cluster.storage.create(resource.bucket, stored)
        self.rbac.aggregate()


def _attributes(request: Request, target: Target | None) -> Attributes:
    verb = verb_of(request, target)
    if target is None:
        unknown = _of_no_resource(request.path.strip("/").split("/"), verb)
        return unknown or Attributes(verb=request.method.lower(), path=request.path)
    name = target.name
    if not name and verb in ("list", "watch", "deletecollection"):
        name = _selected_name(request)
    namespace = target.namespace or ""
    if target.resource.bucket == "namespaces":
        namespace = target.name
    resource = target.resource
    return Attributes(verb=verb, group=resource.group, resource=resource.plural, subresource=target.subresource,
                      namespace=namespace, name=name)  # fmt: skip


def _of_no_resource(parts: list[str], verb: str) -> Attributes | None:
    """What a path asks for that has a resource's form and names none; None for other paths."""
    if parts[0] == "api" and len(parts) > 2:
        group, rest = "", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, rest = parts[1], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    if not name:
        verb = {"get": "list", "delete": "deletecollection"}.get(verb, verb)
    return Attributes(
        verb=verb, group=group, resource=resource, subresource=subresource, namespace=namespace, name=name
    )


def _selected_name(request: Request) -> str:
    """Lists of one name are requests for that name."""
    for term in request.query.get("fieldSelector", "").split(","):
        field, _, value = term.partition("=")
        if field == "metadata.name":
            return value.removeprefix("=")
    return ""


def _forbidden(user: User, asked: Attributes, reason: str) -> ApiStatus:
    who = dumps(user.username).decode()
    if asked.path:
        said = f"User {who} cannot {asked.verb} path {dumps(asked.path).decode()}"
    else:
        where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
        said = f'User {who} cannot {asked.verb} resource "{asked.combined}" in API group "{asked.group}" {where}'
    said = said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    said = f"{said}: {reason}" if reason else said
    if asked.path:
        return ApiStatus(403, "Forbidden", f"forbidden: {said}", {}, headers=[NO_SNIFFING])
    named = Named(asked.group, "", asked.resource)
    refusal = forbidden(named, asked.name, said)
    message = refusal.message if asked.name else f"{named.resource} is forbidden: {said}"
    return ApiStatus(403, "Forbidden", message, refusal.details, headers=[NO_SNIFFING])
