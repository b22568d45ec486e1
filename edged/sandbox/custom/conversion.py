"""Conversion webhooks: what they are asked, what their answers have to be, and what is kept of an object. Pure.

Source: apiextensions-apiserver's pkg/apiserver/conversion/webhook_converter.go. Texts are its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edged.errors import PeerError
from edged.json_text import dumps, loads
from edged.sandbox.custom.pruning import Object
from edged.sandbox.protocol.api_status import ApiStatus, internal_error
from edged.sandbox.protocol.codec import not_registered
from edged.sandbox.protocol.request import Target
from edged.sandbox.validation import metadata, selectors

_GROUP = "apiextensions.k8s.io"
_KNOWN = ("v1", "v1beta1")


class ConversionFailed(PeerError):
    """Why an object cannot be had in a version, as a whole text. `object`: which one, in its own version."""

    def __init__(self, text: str, obj: Object | None = None) -> None:
        super().__init__(text)
        self.object = obj


def review(obj: Object, wanted: str, versions: list[str], uid: str) -> Object:
    """The ConversionReview about one object. `wanted`: the apiVersion it shall have; `versions`: those of
    ConversionReview that the webhook reads, the first one known here counts."""
    version = next((each for each in versions if each in _KNOWN), None)
    if version is None:
        raise ConversionFailed("no supported conversion review versions")
    metadata = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}
    sent = loads(dumps({**obj, "metadata": metadata}, sort=True))
    request = {"uid": uid, "desiredAPIVersion": wanted, "objects": [sent]}
    return {"kind": "ConversionReview", "apiVersion": f"{_GROUP}/{version}", "request": request}


def converted_object(reply: object, obj: Object, asked: Object) -> Object:
    """The object of an answer to `asked`, the review of `obj`, with the metadata that a webhook cannot change put
    back. Raises ConversionFailed."""
    try:
        return _converted(reply, obj, asked)
    except ConversionFailed as error:
        raise ConversionFailed(str(error), obj) from None


def _converted(reply: object, obj: Object, asked: Object) -> Object:
    what, wanted = f"conversion webhook for {_named(obj)}", asked["request"]["desiredAPIVersion"]
    try:
        found = _objects(reply, asked)
    except ConversionFailed as error:
        raise ConversionFailed(f"{what} failed: {error}") from None
    if len(found) != 1:
        raise ConversionFailed(f"{what} returned {len(found)} objects, expected 1")
    new = found[0]
    if not isinstance(new, dict) or not new.get("kind"):
        raise ConversionFailed(_no_kind(new))
    if new.get("apiVersion") != wanted:
        differs = f"invalid groupVersion (expected {wanted}, received {new.get('apiVersion') or ''})"
        raise ConversionFailed(f"{what} returned invalid object at index 0: {differs}")
    if new["kind"] != obj["kind"]:
        differs = f"invalid kind (expected {obj['kind']}, received {new['kind']})"
        raise ConversionFailed(f"{what} returned invalid object at index 0: {differs}")
    _check_identity(obj, new, what)
    try:
        return {**new, "metadata": restored(obj, new)}
    except ConversionFailed as error:
        raise ConversionFailed(f"{what} returned invalid metadata: {error}") from None


def failed(obj: Object, why: str) -> ConversionFailed:
    """The webhook gave no answer."""
    return ConversionFailed(f"conversion webhook for {_named(obj)} failed: {why}", obj)


def refusal(target: Target, method: str, error: ConversionFailed) -> ApiStatus:
    """What a request is told that reads an object which cannot be converted: in the storage's words, which differ."""
    if error.object is None or method == "POST":
        return ApiStatus(500, "", str(error))
    metadata, resource = error.object["metadata"], target.resource
    why = f"object not decodable revision={metadata.get('resourceVersion') or 0}: {error}"
    if method in ("PUT", "PATCH"):
        return ApiStatus(500, "", why)
    names = [resource.group, resource.plural, *filter(None, [metadata.get("namespace")]), metadata["name"]]
    key = "/" + "/".join(names)
    if target.name:
        return internal_error(_CORRUPT.format(key, why))
    text = _CORRUPT.format(f"/registry{key}", why)
    cause = {"reason": "UnexpectedServerResponse", "message": text, "field": f"/registry{key}"}
    details = {"name": "list", "group": resource.group, "kind": resource.plural, "causes": [cause]}
    message = f"failed to read one or more {resource.named.resource} from the storage: {text}"
    return ApiStatus(500, "StorageReadError", message, details)


_CORRUPT = "StorageError: corrupt object, Code: 7, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: {}"


def _named(obj: Object) -> str:
    return f"{obj['apiVersion']}, Kind={obj['kind']}"


def _no_kind(new: object) -> str:
    return f"Object 'Kind' is missing in '{dumps(new).decode()}'"


def _objects(reply: object, asked: Object) -> list[Any]:
    if not isinstance(reply, dict):
        raise ConversionFailed(_UNREADABLE)
    api_version, kind = str(reply.get("apiVersion") or ""), str(reply.get("kind") or "")
    wanted = asked["apiVersion"]
    if (api_version, kind) != (wanted, "ConversionReview"):
        raise ConversionFailed(_wrong_kind(api_version, kind, wanted))
    response = reply.get("response")
    if not isinstance(response, dict):
        raise ConversionFailed("no response provided")
    uid = asked["request"]["uid"]
    if wanted.endswith("/v1") and response.get("uid") != uid:
        raise ConversionFailed(f'expected response.uid="{uid}", got "{response.get("uid") or ""}"')
    result = response.get("result")
    result = result if isinstance(result, dict) else {}
    if result.get("status") != "Success":
        said = f"response.result.status was '{result.get('status') or ''}', not 'Success'"
        raise ConversionFailed(str(result.get("message") or said))
    found = response.get("convertedObjects")
    return found if isinstance(found, list) else []


def _wrong_kind(api_version: str, kind: str, wanted: str) -> str:
    group, _, version = api_version.rpartition("/")
    if (group, kind) == (_GROUP, "ConversionReview") and version in _KNOWN:
        other = wanted.rpartition("/")[2]
        return f"converting ({version}.ConversionReview) to ({other}.ConversionReview): unknown conversion"
    for name, value in (("Kind", kind), ("apiVersion", api_version)):
        if not value:
            return f"Object '{name}' is missing"
    return not_registered(kind, api_version)


_UNREADABLE = (
    "couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type "
    'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
)


def _check_identity(obj: Object, new: Object, what: str) -> None:
    before, after = obj["metadata"], new.get("metadata")
    after = after if isinstance(after, dict) else {}
    for field, name in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        one, other = before.get(field) or "", after.get(field) or ""
        if one != other:
            raise ConversionFailed(f"{what} returned invalid object: must have the same {name}: {one} != {other}")


# --- metadata


def restored(obj: Object, new: Object) -> Object:
    """The metadata of `obj` with the labels and annotations of `new`, all else is not the webhook's. Raises
    ConversionFailed."""
    if "metadata" not in new:
        raise ConversionFailed("missing metadata in converted object")
    given = new["metadata"]
    if not isinstance(given, dict):
        raise ConversionFailed(f"invalid metadata of type {_go_type(given)} in converted object")
    kept = {key: value for key, value in obj["metadata"].items() if key not in ("labels", "annotations")}
    for field in ("labels", "annotations"):
        if (values := given.get(field)) is not None:
            kept[field] = _checked(field, values, obj["metadata"].get(field) or {})
    return kept


def _checked(field: str, values: Any, before: Mapping[str, Any]) -> Any:
    if not isinstance(values, dict):
        raise ConversionFailed(f"invalid metadata.{field} of type {_go_type(values)} in converted object")
    for key, value in values.items():
        if not isinstance(value, str):
            why = f"must be a string, but is {_go_type(value)} in converted object"
            raise ConversionFailed(f"metadata.{field}[{key}] {why}")
    if values == before:
        return values
    check = selectors.labels if field == "labels" else metadata.annotation_map
    texts = list(map(str, check(values, _CHECKED_AS[field])))
    if texts:
        raise ConversionFailed(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")
    return values


_CHECKED_AS = {"labels": "metadata.labels", "annotations": "metadata.annotation"}
_GO_TYPES = {bool: "bool", int: "int64", float: "float64", str: "string", list: "[]interface {}",
             dict: "map[string]interface {}", type(None): "<nil>"}  # fmt: skip


def _go_type(value: object) -> str:
    return _GO_TYPES.get(type(value), "string")
