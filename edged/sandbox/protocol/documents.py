"""What the server says of itself: discovery, OpenAPI, health, version, keys. Everything that is no resource. Pure."""

from __future__ import annotations

import hashlib

from edged.json_text import dumps
from edged.sandbox.cluster import Cluster
from edged.sandbox.kinds.resources import Registry
from edged.sandbox.protocol import api_discovery, health, openapi
from edged.sandbox.protocol.api_status import method_not_allowed, no_such_resource
from edged.sandbox.protocol.negotiation import negotiate
from edged.sandbox.protocol.request import Request, Response, json_response

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_ASKS_AGGREGATED = {"g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"}


def answer(cluster: Cluster, request: Request) -> Response:
    """Raises ApiStatus. A path that nobody serves is a page of text."""
    registry, path = cluster.registry, request.path
    parts = path.removesuffix("/").split("/")[1:]
    if parts[:1] and parts[0] in health.CHECKS:
        return health.answer(path, request.query) or not_found_page()
    if path.startswith("/openapi/"):  # by any method
        return openapi.answer(registry, request, path.removeprefix("/openapi/")) or not_found_page()
    if parts in (["api"], ["apis"]):
        return _discovery_root(registry, request, core=parts == ["api"])
    if request.method != "GET":
        return _refused(registry, parts)
    match parts:
        case [] | [""]:
            return json_response(200, {"paths": _paths(registry)})
        case ["api", "v1"]:
            return json_response(200, api_discovery.resource_list(registry, "", "v1"))
        case ["apis", group] if registry.has_group(group):
            return json_response(200, api_discovery.group(registry, group))
        case ["apis", group, version] if registry.has_version(group, version):
            return json_response(200, api_discovery.resource_list(registry, group, version))
        case ["api", _, *_]:
            raise no_such_resource()
        case ["apis", group, *_] if registry.has_group(group) and not registry.is_custom(group):
            raise no_such_resource()
        case ["openid", "v1", "jwks"]:
            return Response(200, dumps(cluster.tokens.key_set()), "application/jwk-set+json")
        case [".well-known", "openid-configuration"]:
            return json_response(200, api_discovery.openid(request.headers.get("host", "")))
        case ["version"]:
            return json_response(200, api_discovery.version())
    return not_found_page()


def _refused(registry: Registry, parts: list[str]) -> Response:
    """What a method other than GET gets: 405 where something is, 404 where nothing is."""
    match parts:
        case ["api", "v1"] | ["version"]:
            raise method_not_allowed()
        case ["apis", group] if registry.has_group(group):
            raise method_not_allowed()
        case ["apis", group, version] if registry.has_version(group, version):
            raise method_not_allowed()
        case ["api", _, *_]:
            raise no_such_resource()
        case ["apis", group, *_] if registry.has_group(group) and not registry.is_custom(group):
            raise no_such_resource()
    return not_found_page()


def _discovery_root(registry: Registry, request: Request, *, core: bool) -> Response:
    """/api or /apis, by any method. The aggregated form has an ETag: who has it already gets a 304."""
    for clause in request.headers.get("accept", "").split(","):
        if {piece.strip() for piece in clause.split(";")} >= _ASKS_AGGREGATED:
            response = json_response(200, api_discovery.aggregated(registry, core=core))
            response.content_type = _AGGREGATED
            response.headers.append(("Vary", "Accept"))
            return _tagged(request, response)
    negotiate(request)
    host = request.headers.get("host", "")
    body = api_discovery.api_versions(host) if core else api_discovery.group_list(registry)
    return json_response(200, body)


def _tagged(request: Request, response: Response) -> Response:
    tag = f'"{hashlib.sha512(response.body).hexdigest().upper()}"'
    response.headers.append(("ETag", tag))
    if tag in request.headers.get("if-none-match", ""):
        return Response(304, b"", response.content_type, response.headers)
    return response


def _paths(registry: Registry) -> list[str]:
    paths = ["/.well-known/openid-configuration", "/api", "/api/v1", "/apis", "/apis/"]
    for group, version in registry.group_versions():
        if group:
            paths += [f"/apis/{group}", f"/apis/{group}/{version}"]
    for endpoint, checks in health.CHECKS.items():
        paths += [f"/{endpoint}", *(f"/{endpoint}/{check}" for check in checks)]
    paths += ["/openapi/v2", "/openapi/v3", "/openapi/v3/", "/openid/v1/jwks", "/version"]
    return sorted(dict.fromkeys(paths))


def not_found_page() -> Response:
    return Response(404, b"404 page not found\n", health.TEXT, [health.NO_SNIFF])
