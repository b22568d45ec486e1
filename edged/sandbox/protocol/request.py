"""One API request and its answer as values, and what a URL means. Pure.

server.py builds requests from HTTP, api.py answers them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field

from edged.json_text import dumps
from edged.kube.values.names import NamespacedName
from edged.sandbox.kinds.resources import Registry, Resource
from edged.sandbox.protocol.api_status import ApiStatus, no_such_resource, not_found
from edged.sandbox.protocol.query_options import flag
from edged.sandbox.protocol.warning_headers import warning_headers


@dataclass(frozen=True, slots=True)
class User:
    """Who asks: the administrator, unless a request has a token of a service account. `extra`: name -> values."""

    username: str = "sandbox-admin"
    uid: str = ""
    groups: tuple[str, ...] = ("system:masters", "system:authenticated")
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """`headers` have lower-case names; `query` keeps the last value of each parameter."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    user: User = User()

    @property
    def media_type(self) -> str:
        """Content-Type without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def dry_run(self) -> bool:
        return self.query.get("dryRun") == "All"


@dataclass(slots=True)
class Response:
    """A whole body, or a `stream` of chunks (a watch) that the server flushes one by one. `cut`: the connection ends
    without the answer, or after the stream without its end: a fault on purpose."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)
    stream: AsyncGenerator[bytes, None] | None = None
    cut: bool = False


def json_response(status: int, body: object, warnings: list[str] | None = None) -> Response:
    return Response(status, dumps(body) + b"\n", headers=warning_headers(warnings or ()))


def refused(refusal: ApiStatus) -> Response:
    """A refusal as the answer."""
    response = json_response(refusal.code, refusal.body())
    response.headers += refusal.headers
    return response


@dataclass(frozen=True, slots=True)
class Target:
    """What a resource URL is about. `namespace` None: cluster scope or all namespaces; `name` "": collection."""

    resource: Resource
    namespace: str | None
    name: str
    subresource: str = ""
    watch: bool = False

    @property
    def in_one_place(self) -> bool:
        """Whether objects can be created and deleted there: not in all namespaces at once."""
        return self.namespace is not None or not self.resource.namespaced

    @property
    def key(self) -> NamespacedName:
        return NamespacedName(self.namespace or "", self.name)


_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "GET": "get", "HEAD": "get", "DELETE": "delete"}


def verb_of(request: Request, target: Target | None) -> str:
    """What roles and rules for faults call the request. Of what is no resource, that of a single thing."""
    verb = _VERBS.get(request.method, request.method.lower())
    if target is None or verb not in ("get", "delete"):
        return verb
    if verb == "get" and (target.watch or (not target.name and flag(request.query, "watch"))):
        return "watch"
    if target.name:
        return verb
    return "list" if verb == "get" else "deletecollection"


def parse_target(registry: Registry, path: str) -> Target | None:
    """None: not under a group and version that are served, or nothing that a definition serves. Raises 404 for an
    unknown resource among built-in ones."""
    # One slash at the end is no difference to kube-apiserver's router; an empty part in the middle is no name.
    parts = path[1:].removesuffix("/").split("/")
    if parts[0] == "api" and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    if not registry.has_version(group, version):
        return None
    watch = rest[0] == "watch" and len(rest) > 1
    return _resource_target(registry, group, version, rest[1:] if watch else rest, watch)


def _resource_target(registry: Registry, group: str, version: str, parts: list[str], watch: bool) -> Target | None:
    namespace: str | None = None
    if parts[0] == "namespaces" and len(parts) > 2 and not _names_namespace(registry, group, version, parts):
        namespace, parts = parts[1], parts[2:]
    if group == "" and parts == ["bindings"]:
        parts = ["pods", "", "binding"]
    resource = registry.find(group, version, parts[0])
    name = parts[1] if len(parts) > 1 else ""
    subresource = parts[2] if len(parts) > 2 else ""
    parts = parts[:3] if subresource == "proxy" else parts  # the rest is a path behind the proxy
    if (resource is None or (namespace is not None and not resource.namespaced)) and registry.is_custom(group):
        return None
    if resource is None or len(parts) > 4 or (namespace is not None and not resource.namespaced):
        raise no_such_resource()
    if resource.custom and len(parts) == 3 and subresource not in resource.subresources:
        raise not_found(resource.named, name)
    if len(parts) > 3 or (subresource and subresource not in resource.subresources):
        raise no_such_resource()
    if name and resource.namespaced and namespace is None:
        raise no_such_resource()
    return Target(resource, namespace, name, subresource, watch)


def _names_namespace(registry: Registry, group: str, version: str, parts: list[str]) -> bool:
    """`namespaces/x/status` is about the Namespace, `namespaces/x/pods` about Pods in it."""
    namespaces = registry.find(group, version, "namespaces")
    return namespaces is not None and len(parts) == 3 and parts[2] in namespaces.subresources
