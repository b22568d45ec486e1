"""/openapi/v2 and /openapi/v3: documents for programs that read what kinds and fields there are. Pure.

Those of built-in kinds are kube-apiserver's own (kinds/openapi_documents.py), those of custom resources are made from
their schemas (custom_openapi.py). Source: kube-openapi's handler and handler3.
"""

from __future__ import annotations

from edged.json_text import dumps
from edged.sandbox.kinds.openapi_documents import documents, hash_of, hashes, v2_protobuf
from edged.sandbox.kinds.resources import Registry
from edged.sandbox.protocol import custom_openapi, custom_openapi_v2
from edged.sandbox.protocol.request import Request, Response

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"
_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_V2_TYPES = {
    _JSON: _JSON, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf": _PROTOBUF, _PROTOBUF: _PROTOBUF,
}  # fmt: skip
_MAX_CLAUSES = 100


def answer(registry: Registry, request: Request, name: str) -> Response | None:
    """`name` is the path after /openapi/. None: there is nothing."""
    if name == "v3":
        return Response(200, dumps(_index(registry)), _TEXT)
    if name == "v2":
        return _v2(registry, request)
    return _v3(registry, request, name.removeprefix("v3/")) if name.startswith("v3/") else None


def _index(registry: Registry) -> dict[str, object]:
    """Where each document is. The hash is new when the document is, so that clients ask again."""
    found = dict(hashes())
    for group, version in {(resource.group, resource.version) for resource in registry if resource.custom}:
        name = f"apis/{group}/{version}"
        found[name] = hash_of(_custom(registry, name) or b"")
    return {"paths": {name: {"serverRelativeURL": _link(name, found[name])} for name in sorted(found)}}


def _v2(registry: Registry, request: Request) -> Response:
    media, vary = _accepted(request, _V2_TYPES), [("Vary", "Accept-Encoding"), ("Vary", "Accept")]
    if media is None:
        return Response(406, b"", "", vary)
    made = registry.made
    text = made["v2"] = made.get("v2") or custom_openapi_v2.document([each for each in registry if each.custom])
    return _tagged(request, Response(200, v2_protobuf() if media == _PROTOBUF else text, media, vary), hash_of(text))


def _v3(registry: Registry, request: Request, name: str) -> Response:
    text = documents()[name] if name in hashes() else _custom(registry, name)
    if text is None:
        return Response(404, b"", "")
    response = Response(200, text, _JSON, [("Vary", "Accept")])
    if _accepted(request, {_JSON: _JSON}) is None:
        return Response(406, b"", "", response.headers)
    tag, asked = hashes().get(name) or hash_of(text), request.query.get("hash")
    if asked and asked != tag:
        return Response(301, b"", _JSON, [*response.headers, ("Location", _link(name, tag)), ("ETag", f'"{tag}"')])
    return _tagged(request, response, tag)


def _custom(registry: Registry, name: str) -> bytes | None:
    """The document of the custom resources of one group and version."""
    match name.split("/"):
        case ["apis", group, version]:
            custom = [each for each in registry.in_version(group, version) if each.custom]
            if custom and name not in registry.made:
                registry.made[name] = custom_openapi.document(custom)
    return registry.made.get(name) if name != "v2" else None


def _link(name: str, tag: str) -> str:
    return f"/openapi/v3/{name}?hash={tag}"


def _accepted(request: Request, offered: dict[str, str]) -> str | None:
    """The media type of the answer: the first of Accept, by quality, that is offered."""
    clauses = []
    for clause in (request.headers.get("accept") or "*/*").split(",", _MAX_CLAUSES)[:_MAX_CLAUSES]:
        name, *parameters = (piece.strip() for piece in clause.split(";"))
        quality = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        clauses.append((name, float(quality) if quality.replace(".", "", 1).isdecimal() else 1.0))
    for name, _ in sorted(clauses, key=lambda clause: -clause[1]):
        for media, returned in offered.items():
            if name in (media, "*/*", "application/*"):
                return returned
    return None


def _tagged(request: Request, response: Response, tag: str) -> Response:
    response.headers += [("ETag", f'"{tag}"'), ("Accept-Ranges", "bytes")]
    if f'"{tag}"' in request.headers.get("if-none-match", ""):
        return Response(304, b"", response.content_type, response.headers)
    return response
