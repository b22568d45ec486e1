"""get and list: versions, selectors, pages, and the forms (plain, Table, PartialObjectMetadata) an answer takes.

Pure but for the clock that `Cluster` carries. Called by api.py; watches.py shares the selection.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from edged.json_text import dumps, loads
from edged.kube.values.go_texts import quoted
from edged.kube.values.selectable_fields import FieldFilter
from edged.kube.values.selectors import LabelSelector
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.api_status import ApiStatus, bad_request, expired, not_found, version_too_large
from edged.sandbox.protocol.json_errors import syntax_error
from edged.sandbox.protocol.negotiation import Form, negotiate
from edged.sandbox.protocol.query_options import check_list, number
from edged.sandbox.protocol.request import Request, Response, Target, json_response
from edged.sandbox.reading import list_selectors
from edged.sandbox.reading.tables import columns_of, metadata_only, scale_columns, table
from edged.sandbox.storage import TooOld


def get(cluster: Cluster, target: Target, request: Request) -> Response:
    resource = target.resource
    form, version = negotiate(request, custom=resource.custom), parse_version(request.query.get("resourceVersion", ""))
    if version is not None and version > cluster.storage.version:
        raise version_too_large(version, cluster.storage.version)
    obj = cluster.storage.get(resource.bucket, target.key)
    if obj is None:
        raise not_found(resource.named, target.name)
    return json_response(200, shown(cluster, resource, obj, form))


def shown(cluster: Cluster, resource: Resource, obj: Object, form: Form) -> Object:
    """One stored object as the client wants it. Raises 406 for a list of one."""
    return _shown(cluster, resource, cluster.present(resource, obj), form)


def shown_scale(cluster: Cluster, resource: Resource, scale: Object, form: Form) -> Object:
    """The Scale of an object of `resource` as the client wants it."""
    return _shown(cluster, resource, scale, form, scale=True)


def _shown(cluster: Cluster, resource: Resource, obj: Object, form: Form, *, scale: bool = False) -> Object:
    if form.kind == "table":
        version = obj["metadata"].get("resourceVersion")
        columns = scale_columns(resource) if scale else columns_of(resource)
        metadata = {"resourceVersion": version} if version else {}
        return table(columns, obj["kind"], [obj], metadata, cluster.now(), form.table)
    if form.kind == "partials" and resource.custom and not scale:
        raise ApiStatus(500, "", "content is not a list")
    if form.kind == "partials":
        go_type = "autoscaling.Scale" if scale else _internal_type(resource, resource.kind)
        raise _wrong_form("PartialObjectMetadataList", f"the requested object is not a list (*{go_type})")
    return metadata_only(obj, form.table.version) if form.kind == "partial" else obj


def _wrong_form(wanted: str, why: str) -> ApiStatus:
    return ApiStatus(406, "NotAcceptable", f"you requested {wanted}, but {why}")


def _internal_type(resource: Resource, kind: str) -> str:
    """The type of the kind inside the API server: its messages have it."""
    if resource.custom:
        return "unstructured.UnstructuredList" if kind == resource.list_kind else "unstructured.Unstructured"
    return f"{resource.go_type.partition('/')[0]}.{kind}"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a bucket a list or a watch is about."""

    namespace: str | None
    name: str
    labels: LabelSelector
    fields: FieldFilter
    view: Callable[[Object], Object] = lambda obj: obj

    def matches(self, obj: Object) -> bool:
        metadata = obj["metadata"]
        if self.namespace is not None and metadata.get("namespace", "") != self.namespace:
            return False
        if self.name and metadata["name"] != self.name:
            return False
        if not self.labels.matches(metadata.get("labels") or {}):
            return False
        return not self.fields.terms or self.fields.matches(self.view(obj))

    @property
    def filtered(self) -> bool:
        return bool(self.labels.requirements or self.fields.terms)


def selection(target: Target, query: Mapping[str, str]) -> Selection:
    """Raises 400 for selectors that cannot be read."""
    resource = target.resource
    versions, (labels, fields) = resource.versions, list_selectors.of_request(resource, query)
    if versions is None:
        return Selection(target.namespace, target.name, labels, fields)
    view = lambda obj: versions.presented(obj, resource.version)  # noqa: E731
    return Selection(target.namespace, target.name, labels, fields, view)


def parse_version(text: str, *, listed: bool = False) -> int | None:
    """None for "" (newest). Raises a 500 without reason, for lists 400, as kube-apiserver does."""
    if text == "":
        return None
    if re.fullmatch(r"[0-9]+", text) and int(text[:30]) < 2**64:
        return int(text[:30])
    wrong = "value out of range" if re.fullmatch(r"[0-9]+", text) else "invalid syntax"
    why = f"Invalid value: {quoted(text)}: strconv.ParseUint: parsing {quoted(text)}: {wrong}"
    if listed:
        raise bad_request(f"invalid resource version: resourceVersion: {why}")
    raise ApiStatus(500, "", f"resourceVersion: {why}")


def list_objects(cluster: Cluster, target: Target, request: Request) -> Response:
    form, query = negotiate(request, custom=target.resource.custom), request.query
    check_list(query, watch=False)
    page = _page(cluster, target, selection(target, query), query)
    metadata: Object = {"resourceVersion": str(page.version)}
    if page.token:
        metadata["continue"] = page.token
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
    return json_response(200, shown_list(cluster, target.resource, page.objects, metadata, form))


@dataclass(frozen=True, slots=True)
class _Page:
    objects: list[Object]
    version: int
    token: str = ""
    remaining: int | None = None


def _page(cluster: Cluster, target: Target, chosen: Selection, query: Mapping[str, str]) -> _Page:
    limit, token = max(0, number(query, "limit") or 0), query.get("continue", "")
    if token:
        if query.get("resourceVersion", "0") not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        version, after = _read_token(token)
        objects = _state_at(cluster, target, version, _expired_page)
        objects = [obj for obj in objects if _storage_key(obj) > after]
    else:
        objects, version = _first_page(cluster, target, query)
        limit = 0 if query.get("resourceVersion") == "0" else limit  # from the cache, which has no pages
    objects = [obj for obj in objects if chosen.matches(obj)]
    if not limit or len(objects) <= limit:
        return _Page(objects, version)
    kept = objects[:limit]
    remaining = None if chosen.filtered else len(objects) - limit
    return _Page(kept, version, _write_token(version, _storage_key(kept[-1])), remaining)


def _first_page(cluster: Cluster, target: Target, query: Mapping[str, str]) -> tuple[list[Object], int]:
    storage, bucket = cluster.storage, target.resource.bucket
    match = query.get("resourceVersionMatch", "")
    version = parse_version(query.get("resourceVersion", ""), listed=True)
    if version is not None and version > storage.version:
        raise version_too_large(version, storage.version)
    # Without a match, a page at a version is exactly that version's.
    paged = not match and (number(query, "limit") or 0) > 0
    if version and (match == "Exact" or paged):
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
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        if wrong := syntax_error(raw):
            raise ValueError(wrong)
        content = loads(raw)
        return int(content["rv"]), str(content["start"])
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error


def shown_list(cluster: Cluster, resource: Resource, stored: list[Object], metadata: Object, form: Form) -> Object:
    """A list of stored objects as the client wants it; `metadata` is that of the list. Items of built-in kinds have no
    kind and apiVersion. Raises 406 for a single one."""
    objects = [cluster.present(resource, obj) for obj in stored]
    if form.kind == "table":
        listed = replace(form.table, listed=True)
        return table(columns_of(resource), resource.kind, objects, metadata, cluster.now(), listed)
    if form.kind == "partial":
        go_type = _internal_type(resource, resource.list_kind)
        raise _wrong_form("PartialObjectMetadata", f"the requested object is a list (*{go_type})")
    if form.kind == "partials":
        version = form.table.version
        items = [metadata_only(obj, version) for obj in objects]
        return {
            "kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{version}", "metadata": metadata,
            "items": items or None,
        }  # fmt: skip
    if resource.custom:  # lists without a Go type have it always
        metadata.setdefault("continue", "")
    else:
        for obj in objects:
            del obj["kind"], obj["apiVersion"]
    return {
        "kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": metadata, "items": objects,
    }  # fmt: skip
