"""A request goes to the function that answers it: discovery, documents, probes, resources and their subresources.

`Api.handle` never raises ApiStatus; it turns it into its answer. Called by server.py and, without any network, by
tests.
"""

from __future__ import annotations

from typing import Protocol

from edged.sandbox.admission.webhook_admission import Admission
from edged.sandbox.authorization import reviews
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.controllers.controllers import Controllers
from edged.sandbox.kinds.resources import Registry
from edged.sandbox.protocol import api_discovery, openapi
from edged.sandbox.protocol.api_status import ApiStatus, method_not_allowed, no_such_resource
from edged.sandbox.protocol.negotiation import check_route, encoded, negotiate
from edged.sandbox.protocol.query_options import flag
from edged.sandbox.protocol.request import Request, Response, Target, json_response, parse_target
from edged.sandbox.protocol.warning_headers import warning_headers
from edged.sandbox.reading import reads, watches
from edged.sandbox.writing import subresources
from edged.sandbox.writing.lifecycle import Lifecycle
from edged.sandbox.writing.writer import Writer


class Answers(Protocol):
    """Whatever answers requests: the API, or what stands before it."""

    async def handle(self, request: Request) -> Response: ...


class Api:
    """The API as a function from request to response."""

    def __init__(self, cluster: Cluster, admission: Admission) -> None:
        self.cluster = cluster
        self.lifecycle = Lifecycle(cluster)
        self.writer = Writer(cluster, admission, self.lifecycle)
        self.controllers = Controllers(cluster, self.lifecycle)

    async def handle(self, request: Request) -> Response:
        try:
            response = await self._route(request)
        except ApiStatus as refusal:
            response = json_response(refusal.code, refusal.body())
            response.headers += refusal.headers
        self.controllers.run()
        return encoded(request, response)

    async def _route(self, request: Request) -> Response:
        target = parse_target(self.cluster.registry, request.path)
        if target is not None and target.resource.deprecation:
            return await self._deprecated(target, request)
        if target is not None:
            return await self._resource(target, request)
        if request.method not in ("GET", "HEAD"):
            return _not_found_page() if not _known(request.path) else _method_refused()
        return self._document(request)

    def _document(self, request: Request) -> Response:
        registry, path = self.cluster.registry, request.path.rstrip("/") or "/"
        match path.split("/")[1:]:
            case ["api" | "apis" as root]:
                return _discovery_root(registry, request, core=root == "api")
            case ["api", "v1"]:
                return json_response(200, api_discovery.resource_list(registry, "", "v1"))
            case ["apis", group] if registry.has_group(group):
                return json_response(200, api_discovery.group(registry, group))
            case ["apis", group, version] if registry.has_version(group, version):
                return json_response(200, api_discovery.resource_list(registry, group, version))
            case ["openapi", "v3"]:
                return json_response(200, openapi.root(registry))
            case ["openapi", "v3", "api", "v1"]:
                return json_response(200, openapi.document(registry, "", "v1"))
            case ["openapi", "v3", "apis", group, version] if registry.has_version(group, version):
                return json_response(200, openapi.document(registry, group, version))
            case ["openapi", "v2"]:
                return _openapi_v2(request)
            case ["openapi", *_]:
                raise no_such_resource()
            case ["version"]:
                return json_response(200, api_discovery.version())
            case ["readyz" | "livez" | "healthz", *_]:
                return Response(200, b"ok", "text/plain; charset=utf-8")
            case [""]:
                return json_response(200, {"paths": _paths(registry.group_versions())})
        return _not_found_page()

    async def _deprecated(self, target: Target, request: Request) -> Response:
        """Every answer in a deprecated version says so, refusals too."""
        try:
            response = await self._resource(target, request)
        except ApiStatus as refusal:
            response = json_response(refusal.code, refusal.body())
            response.headers += refusal.headers
        response.headers[:0] = warning_headers([target.resource.deprecation])
        return response

    async def _resource(self, target: Target, request: Request) -> Response:
        if target.subresource:
            return await subresources.handle(self.cluster, self.writer, target, request)
        if "get" not in target.resource.verbs:
            return reviews.answer(self.cluster, target, request)
        watched = request.method == "GET" and (target.watch or bool(flag(request.query, "watch")))
        _check_accept(target, request)
        if watched and (not target.name or target.watch):
            return watches.start(self.cluster, target, request)
        match request.method:
            case "GET" if target.name:
                return reads.get(self.cluster, target, request)
            case "GET":
                return reads.list_objects(self.cluster, target, request)
            case "POST" if target.in_one_place:
                return await self.writer.create(target, request)
            case "PUT" if target.name:
                return await self.writer.update(target, request)
            case "PATCH" if target.name:
                return await self.writer.patch(target, request)
            case "DELETE" if target.name:
                return await self.writer.delete(target, request)
            case "DELETE" if target.in_one_place and "deletecollection" in target.resource.verbs:
                return await self.writer.delete_collection(target, request)
        raise method_not_allowed()


def _check_accept(target: Target, request: Request) -> None:
    """Before anything happens, because a write must not be refused after it was stored. Raises 406."""
    custom = target.resource.custom
    if not custom:
        check_route(request, streams=request.method == "GET" and not target.name)
    if request.method != "GET":
        negotiate(request, custom=custom)


def _openapi_v2(request: Request) -> Response:
    wants_protobuf = "application/com.github.proto-openapi.spec.v2" in request.headers.get("accept", "")
    if wants_protobuf:
        return Response(200, openapi.V2_PROTOBUF, openapi.V2_MEDIA_TYPE)
    return json_response(200, openapi.V2)


def _discovery_root(registry: Registry, request: Request, *, core: bool) -> Response:
    body: Object
    if "as=APIGroupDiscoveryList" in request.headers.get("accept", "") and "v=v2" in request.headers["accept"]:
        response = json_response(200, api_discovery.aggregated(registry, core=core))
        response.content_type = api_discovery.AGGREGATED
        response.headers.append(("Vary", "Accept"))
        return response
    body = api_discovery.api_versions() if core else api_discovery.group_list(registry)
    return json_response(200, body)


def _paths(group_versions: list[tuple[str, str]]) -> list[str]:
    paths = ["/api", "/api/v1", "/apis"]
    for group, version in group_versions:
        if group:
            paths += [f"/apis/{group}", f"/apis/{group}/{version}"]
    return [*dict.fromkeys(paths), "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]


def _known(path: str) -> bool:
    return path.split("/")[1] in ("api", "apis", "openapi", "version", "readyz", "livez", "healthz")


def _not_found_page() -> Response:
    return Response(404, b"404 page not found\n", "text/plain; charset=utf-8")


def _method_refused() -> Response:
    raise method_not_allowed()
