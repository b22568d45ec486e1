"""Which media type an answer has, and bodies in it. Pure.

Two judges, as in kube-apiserver: the router refuses an Accept that names nothing the route produces, in words of its
own; then the clauses of Accept are tried by their quality. Source: go-restful's route.go, apiserver's
endpoints/handlers/negotiation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edged import yaml_text
from edged.json_text import loads
from edged.kube.values.go_texts import quoted
from edged.sandbox.protocol.api_status import ApiStatus, bad_request, not_acceptable
from edged.sandbox.protocol.request import Request, Response

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
OFFERED = (JSON, YAML, PROTOBUF)
OFFERED_CUSTOM = (JSON, YAML)
"""What custom resources are offered in: they have no protobuf."""
STREAMED = (f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")
_FORMS = {"Table": "table", "PartialObjectMetadata": "partial", "PartialObjectMetadataList": "partials"}
_MAX_CLAUSES = 100


@dataclass(frozen=True, slots=True)
class TableForm:
    """`include`: Metadata, Object or None, as the query parameter includeObject. `version`: of meta.k8s.io. `headers`:
    a watch has them in its first event only. `listed`: the objects are a list, not one that was asked for by name."""

    include: str = "Metadata"
    version: str = "v1"
    headers: bool = True
    listed: bool = False


PLAIN = TableForm()


@dataclass(frozen=True, slots=True)
class Form:
    """How objects are shown: `kind` is "plain", "table", "partial" or "partials" (a list of them); `table` is for
    tables and has the version of meta.k8s.io for all; `media` is the media type."""

    kind: str = "plain"
    table: TableForm = PLAIN
    media: str = JSON


def check_route(request: Request, *, streams: bool) -> None:
    """The router's judgement of Accept. `streams`: the route has watches. Raises 406."""
    accept = request.headers.get("accept", "")
    produced = (*OFFERED, *STREAMED) if streams else OFFERED
    if not accept or any(name == "*/*" or name in produced for name, _ in _clauses(accept)):
        return
    message = f"406: Not Acceptable\n\nAvailable representations: {', '.join(produced)}"
    raise ApiStatus(406, "NotAcceptable", message, {})


def negotiate(request: Request, *, custom: bool = False, watch: bool = False) -> Form:
    """The best of what Accept names. Raises 406."""
    accept = request.headers.get("accept", "")
    include = request.query.get("includeObject") or "Metadata"
    offered = OFFERED_CUSTOM if custom else OFFERED
    for name, parameters in sorted(_clauses(accept or "*/*"), key=_rank):
        for media in offered:
            form = _form(media, parameters, include) if _covers(name, media) else None
            if form is not None and (form.kind != "table" or _has_tables(request.path)):
                if watch and media == YAML:
                    raise not_acceptable(STREAMED[:1] if custom else STREAMED)
                return form
    raise not_acceptable(STREAMED[: len(offered) - 1] if watch else offered)


def _clauses(accept: str) -> Iterator[tuple[str, dict[str, str]]]:
    """(media type, parameters) of each clause."""
    for clause in accept.split(",", _MAX_CLAUSES)[:_MAX_CLAUSES]:
        name, *pieces = (piece.strip() for piece in clause.split(";"))
        yield name, dict(piece.partition("=")[::2] for piece in pieces)


def _rank(clause: tuple[str, dict[str, str]]) -> tuple[float, int]:
    """By quality; among equals what is named exactly comes first."""
    name, parameters = clause
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        quality = 1.0
    return -quality, name.count("*")


def _covers(name: str, media: str) -> bool:
    return name in (media, "*/*", f"{media.partition('/')[0]}/*")


def _form(media: str, parameters: Mapping[str, str], include: str) -> Form | None:
    """None where the endpoint does not have these parameters."""
    if parameters.get("stream", "watch") not in ("", "watch") or parameters.get("sv", "v1") not in ("", "v1"):
        return None
    if not parameters.keys() & {"as", "g", "v"}:
        return Form(media=media)
    kind, version = _FORMS.get(parameters.get("as", "")), parameters.get("v", "")
    known = parameters.get("g") == "meta.k8s.io" and version in ("v1", "v1beta1")
    if kind is None or not known or (kind == "table" and media == PROTOBUF):
        return None
    if kind == "table" and include not in ("Metadata", "Object", "None"):
        why = f"includeObject: Invalid value: {quoted(include)}: must be 'Metadata', 'Object', 'None', or empty"
        raise bad_request(f"Unable to convert to Table as requested: {why}")
    return Form(kind, TableForm(include, version), media)


# Subresources that the API server cannot show as Tables.
_NO_TABLES = frozenset((
    "resourceclaims/status", "customresourcedefinitions/status", "pods/ephemeralcontainers", "pods/resize",
    "certificatesigningrequests/approval", "namespaces/finalize", "pods/binding", "pods/eviction",
    "serviceaccounts/token",
))  # fmt: skip


def _has_tables(path: str) -> bool:
    parts = path.rsplit("/", 3)
    return len(parts) < 4 or f"{parts[1]}/{parts[3]}" not in _NO_TABLES


def error_media(request: Request) -> str:
    """The media type of a Status that refuses: JSON where nothing can be agreed on."""
    try:
        return negotiate(request).media
    except ApiStatus:
        return JSON


def encoded(request: Request, response: Response) -> Response:
    """The answer in YAML, if its client wants that."""
    if response.stream is not None or response.content_type != JSON or not response.body:
        return response
    if error_media(request) == YAML:
        response.body = yaml_text.dumps(loads(response.body), sort=True).encode()
        response.content_type = YAML
    return response
