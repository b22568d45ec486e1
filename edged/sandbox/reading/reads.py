"""get and list: versions, selectors, pages, and the forms (plain, Table, PartialObjectMetadata) an answer takes.

Pure but for the clock that `Cluster` carries. Called by api.py; watches.py shares the selection.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edged.json_text import dumps, loads
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.api_status import (
    ApiStatus,
    Cause,
    bad_request,
    expired,
    invalid_options,
    not_acceptable,
    not_found,
    version_too_large,
)
from edged.sandbox.protocol.request import Request, Response, Target, json_response
from edged.sandbox.reading import list_selectors
from edged.sandbox.reading.tables import partial, table
from edged.sandbox.storage import TooOld


@dataclass(frozen=True, slots=True)
class Form:
    """How objects are shown: `kind` is "plain", "table" or "partial"; `include` is for tables."""

    kind: str = "plain"
    include: str = "Metadata"


_KINDS = {"Table": "table", "PartialObjectMetadata": "partial", "PartialObjectMetadataList": "partial"}


def negotiate(request: Request) -> Form:
    """The first media type of Accept that the server has. Raises 406."""
    include = request.query.get("includeObject", "Metadata")
    for offer in request.headers.get("accept", "*/*").split(","):
        media_type, *pieces = (piece.strip() for piece in offer.split(";"))
        parameters = dict(piece.partition("=")[::2] for piece in pieces)
        if media_type not in ("application/json", "*/*", "application/*"):
            continue
        kind = parameters.get("as")
        if kind is None:
            return Form()
        if kind in _KINDS and parameters.get("g") == "meta.k8s.io" and parameters.get("v") == "v1":
            return Form(_KINDS[kind], include)
    raise not_acceptable(["application/json", "application/json;as=Table;v=v1;g=meta.k8s.io"])


def get(cluster: Cluster, target: Target, request: Request) -> Response:
    resource = target.resource
    obj = cluster.storage.get(resource.bucket, target.key)
    if obj is None:
        raise not_found(resource.named, target.name)
    return json_response(200, shown(cluster, resource, obj, negotiate(request)))


def shown(cluster: Cluster, resource: Resource, obj: Object, form: Form) -> Object:
    """One stored object as the client wants it."""
    obj = cluster.present(resource, obj)
    if form.kind == "table":
        metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        return table(resource, [obj], metadata, cluster.now(), form.include)
    return partial(obj) if form.kind == "partial" else obj


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a bucket a list or a watch is about."""

    namespace: str | None
    name: str
    labels: list[list_selectors.Requirement]
    fields: list[list_selectors.FieldTerm]

    def matches(self, obj: Object) -> bool:
        metadata = obj["metadata"]
        if self.namespace is not None and metadata.get("namespace", "") != self.namespace:
            return False
        if self.name and metadata["name"] != self.name:
            return False
        if not list_selectors.matches(self.labels, metadata.get("labels")):
            return False
        return list_selectors.matches_fields(self.fields, obj)

    @property
    def filtered(self) -> bool:
        return bool(self.labels or self.fields)


def selection(target: Target, query: Mapping[str, str]) -> Selection:
    """Raises 400 for selectors that cannot be read."""
    resource = target.resource
    kind = "" if resource.custom else resource.kind
    labels = list_selectors.parse_labels(query.get("labelSelector", ""))
    fields = list_selectors.parse_fields(query.get("fieldSelector", ""), kind)
    return Selection(target.namespace, target.name, labels, fields)


def parse_version(text: str, *, watch: bool = False) -> int | None:
    """None for "" (newest). Raises 400, for watches a 500 without reason, as kube-apiserver does."""
    if text == "":
        return None
    if re.fullmatch(r"\d+", text):
        return int(text)
    why = f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
    message = f"invalid resource version: resourceVersion: {why}"
    raise ApiStatus(500, "", message) if watch else bad_request(message)


def list_objects(cluster: Cluster, target: Target, request: Request) -> Response:
    form, query = negotiate(request), request.query
    if query.get("sendInitialEvents"):
        raise invalid_options(
            "ListOptions",
            [
                Cause(
                    "sendInitialEvents",
                    "Forbidden: sendInitialEvents is forbidden for list",
                    "FieldValueForbidden",
                )
            ],
        )
    chosen = selection(target, query)
    page = _page(cluster, target, chosen, query)
    return json_response(200, _list_body(cluster, target.resource, page, form))


@dataclass(frozen=True, slots=True)
class _Page:
    objects: list[Object]
    version: int
    token: str = ""
    remaining: int | None = None


def _page(cluster: Cluster, target: Target, chosen: Selection, query: Mapping[str, str]) -> _Page:
    limit = int(query["limit"]) if query.get("limit", "").isdigit() else 0
    token = query.get("continue", "")
    if token:
        version, after = _read_token(token)
        objects = _state_at(cluster, target, version, _expired_page)
        objects = [obj for obj in objects if _storage_key(obj) > after]
    else:
        objects, version = _first_page(cluster, target, query)
    objects = [obj for obj in objects if chosen.matches(obj)]
    if not limit or len(objects) <= limit:
        return _Page(objects, version)
    kept = objects[:limit]
    remaining = None if chosen.filtered else len(objects) - limit
    return _Page(kept, version, _write_token(version, _storage_key(kept[-1])), remaining)


def _first_page(cluster: Cluster, target: Target, query: Mapping[str, str]) -> tuple[list[Object], int]:
    storage, bucket = cluster.storage, target.resource.bucket
    match, version = query.get("resourceVersionMatch", ""), parse_version(query.get("resourceVersion", ""))
    if match and version is None:
        why = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise invalid_options("ListOptions", [Cause("resourceVersionMatch", why, "FieldValueForbidden")])
    if version is not None and version > storage.version:
        raise version_too_large(version, storage.version)
    if match == "Exact" and version is not None:
        return _state_at(cluster, target, version, _expired_list), version
    return storage.list(bucket, target.namespace), storage.version


def _state_at(cluster: Cluster, target: Target, version: int, gone: Callable[[], ApiStatus]) -> list[Object]:
    try:
        return cluster.storage.list_at(target.resource.bucket, version, target.namespace)
    except TooOld as error:
        raise gone() from error


def _expired_list() -> ApiStatus:
    return expired("The resourceVersion for the provided list is too old.")


def _expired_page() -> ApiStatus:
    return expired(
        "The provided continue parameter is too old to display a consistent list result. "
        "You can start a new list without the continue parameter."
    )


def _storage_key(obj: Object) -> str:
    return f"{obj['metadata'].get('namespace', '')}\0{obj['metadata']['name']}"


def _write_token(version: int, after: str) -> str:
    return base64.urlsafe_b64encode(dumps({"v": "meta.k8s.io/v1", "rv": version, "start": after})).decode()


def _read_token(token: str) -> tuple[int, str]:
    try:
        content = loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(content["rv"]), str(content["start"])
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error


def _list_body(cluster: Cluster, resource: Resource, page: _Page, form: Form) -> Object:
    metadata: Object = {"resourceVersion": str(page.version)}
    if page.token:
        metadata["continue"] = page.token
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
    objects = [cluster.present(resource, obj) for obj in page.objects]
    if form.kind == "table":
        return table(resource, objects, metadata, cluster.now(), form.include)
    if form.kind == "partial":
        items = [partial(obj) for obj in objects]
        kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
        return {"kind": kind, "apiVersion": version, "metadata": metadata, "items": items}
    return {
        "kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": metadata, "items": objects,
    }  # fmt: skip
