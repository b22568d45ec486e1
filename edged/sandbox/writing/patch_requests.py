"""PATCH: JSON patch, merge patch, strategic merge patch, and server-side apply."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from edged.json_text import dumps, loads_repeated
from edged.sandbox.cluster import Object
from edged.sandbox.kinds.go_types import ANY, Shape
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol import codec
from edged.sandbox.protocol.api_status import (
    ApiStatus,
    bad_request,
    method_not_allowed,
    not_found,
    too_large,
    unsupported_media_type,
)
from edged.sandbox.protocol.query_options import flag
from edged.sandbox.protocol.request import Request, Response, Target
from edged.sandbox.protocol.write_options import check_identity, check_options, field_validation
from edged.sandbox.writing import applying, patches, strategic
from edged.sandbox.writing.applied_checks import applied_name, check_applied
from edged.sandbox.writing.creates import Creator
from edged.sandbox.writing.updates import Change, Updater
from edged.sandbox.writing.write_steps import WriteSteps, check_patched, copy_of, invalid_patch

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


class Patcher:
    """Turns a patch into a change of the stored object; an apply may also create the object."""

    def __init__(self, steps: WriteSteps, creator: Creator, updater: Updater) -> None:
        self._steps = steps
        self._creator = creator
        self._updater = updater

    async def patch(self, target: Target, request: Request) -> Response:
        check_options(request)
        if not target.name:
            raise method_not_allowed()
        media_type, warnings = request.media_type, list[str]()
        if media_type == APPLY:
            return await self._apply(target, request)
        change = self._patch_function(target, request, media_type, warnings)
        return await self._updater.change(target, request, change, warnings)

    def _patch_function(self, target: Target, request: Request, media_type: str, warnings: list[str]) -> Change:
        resource = target.resource
        accepted = [JSON_PATCH, MERGE, APPLY] if resource.custom else [JSON_PATCH, MERGE, STRATEGIC, APPLY]
        if media_type not in accepted:
            # Of built-in kinds the router refuses, in its own words.
            message = "415: Unsupported Media Type"
            raise unsupported_media_type(accepted) if resource.custom else ApiStatus(
                415, "UnsupportedMediaType", message, {}
            )
        written = _read_patch(request.body, media_type)
        mode, patch, of_patch = field_validation(request), codec.plain(written), _found_in(written, media_type)

        def change(old: Object) -> Object:
            current = self._steps.cluster.present(resource, copy_of(old))
            new = _patched(current, patch, media_type, resource)
            if not isinstance(new, dict):
                raise bad_request("the patch leaves no object")
            if not isinstance(new.get("metadata"), dict):
                new["metadata"] = {}
            check_identity(target, new["metadata"])
            if new["metadata"].get("resourceVersion") == current["metadata"]["resourceVersion"] and not (
                _names_version(patch)
            ):
                del new["metadata"]["resourceVersion"]
            warnings[:] = of_patch
            result = new
            version = old["metadata"]["resourceVersion"]
            shown = partial(_shown, patch, result, media_type, resource, version)
            try:
                codec.check_kind(self._steps.cluster, resource, new)
                new = codec.check_fields(resource, result, warnings)
            except ApiStatus as refusal:
                why = refusal.message.partition(" cannot be handled as a ")[2].partition(": ")[2] or refusal.message
                why = _as_converted(why) if media_type == STRATEGIC else why
                raise invalid_patch(shown(), why) from None
            if not resource.custom:
                check_patched(warnings, mode, shown)
                warnings[:] = codec.warnings_of(warnings) if mode != "Ignore" else []
            return self._steps.custom_fields(resource, new, request, warnings, patched=True)

        return change

    async def _apply(self, target: Target, request: Request) -> Response:
        resource = target.resource
        read = codec.read_applied(request.body)
        body = read.value
        _check_applied_kind(resource, body)
        if isinstance(given := body.get("metadata"), dict) and given.get("managedFields") is not None:
            raise bad_request("metadata.managedFields must be nil")
        check_applied(body, resource)
        warnings = self._repeated_in_apply(read, request)
        found: list[str] = []
        body = _converted(resource, body, found)
        warnings += codec.strictness(resource, found, field_validation(request))
        body = self._steps.custom_fields(resource, body, request, warnings, complete=False)
        metadata = body.setdefault("metadata", {})
        absent = self._steps.cluster.storage.get(resource.bucket, target.key) is None
        if absent and target.subresource:
            raise not_found(resource.named, target.name)
        check_identity(target, metadata, complete=absent)
        if absent:
            made = self._applied(target, request, None, body)
            return await self._creator.create_object(target, request, made, warnings, applied=body)

        def change(old: Object) -> Object:
            return self._applied(target, request, self._steps.cluster.present(resource, copy_of(old)), body)

        return await self._updater.change(target, request, change, warnings, applied=body)

    def _applied(self, target: Target, request: Request, live: Object | None, body: Object) -> Object:
        writing = self._steps.writing(request, target)
        force = bool(flag(request.query, "force"))
        return applying.apply(live, copy_of(body), writing, self._steps.cluster.types, force=force)

    def _repeated_in_apply(self, body: codec.Body, request: Request) -> list[str]:
        mode = field_validation(request)
        if body.found and mode == "Strict":
            raise bad_request(f"error strict decoding patch: error converting YAML to JSON: {body.found[0]}")
        return codec.warnings_of(body.found) if mode != "Ignore" else []


MAX_OPERATIONS = 10_000
_OPERATION_KEYS = ("op", "path", "from", "value")


def _found_in(patch: object, media_type: str) -> list[str]:
    """What a strict decoder says of a patch in JSON."""
    found: list[str] = []
    if media_type == JSON_PATCH and isinstance(patch, list):
        for index, operation in enumerate(patch):
            codec.find_repeated(operation, f"[{index}]", found)
            unknown = (key for key in operation if key not in _OPERATION_KEYS) if isinstance(operation, dict) else ()
            found += (f'unknown field "[{index}].{key}"' for key in unknown)
        return [f"json patch {text}" for text in found]
    codec.find_repeated(patch, "", found)
    return found


def _read_patch(body: bytes, media_type: str) -> Any:
    """The JSON of a patch that is of the right kind. Raises 400 and 413."""
    try:
        patch = loads_repeated(body)
    except ValueError as error:
        raise bad_request("invalid JSON patch") from error
    wanted = list if media_type == JSON_PATCH else dict
    if patch is None and media_type == MERGE:
        raise bad_request("Invalid JSON Patch")
    if patch is not None and not isinstance(patch, wanted):
        go_type = "[]handlers.jsonPatchOp" if wanted is list else "map[string]interface {}"
        why = f"json: cannot unmarshal {codec.JSON_NAMES[type(patch)]} into Go value of type {go_type}"
        raise bad_request(why if media_type == STRATEGIC else f"error decoding patch: {why}")
    if isinstance(patch, list) and len(patch) > MAX_OPERATIONS:
        most = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}"
        raise too_large(f"{most}, got {len(patch)}")
    return wanted() if patch is None else patch


def _as_converted(why: str) -> str:
    """A strategic merge patch is converted, not decoded: then a wrong type is told in other words."""
    match = re.match(r"json: cannot unmarshal (\w+) into Go struct field \S+ of type (\S+)$", why)
    if match is None:
        return why
    go_type = match[2]
    found = {"number": "int64", "object": "map", "array": "slice"}.get(match[1], match[1])
    if go_type.startswith("[]"):
        return f"cannot restore slice from {'interface' if found == 'null' else found}"
    if go_type.startswith("map["):
        scalar = go_type.removeprefix("map[string]")
        return f"cannot restore map from {found}" if scalar else why
    if go_type == "IntOrString":  # which decodes itself
        return f"json: cannot unmarshal {match[1]} into Go value of type int32" if found == "bool" else why
    if "." in go_type:
        return f"cannot restore struct from: {found}"
    return f"cannot convert {found} to {go_type}" if found in ("int64", "bool") else f"unrecognized type: {go_type}"


def _check_applied_kind(resource: Resource, body: Object) -> None:
    """An applied object names its kind and version, which are those of the resource."""
    kind, version = (each if isinstance(each := body.get(name), str) else "" for name in ("kind", "apiVersion"))
    if (kind, version) == (resource.kind, resource.api_version):
        return
    full = version if "/" in version or not version else f"/{version}"
    raise bad_request(f"invalid object type: {full or '/'}, Kind={kind}")


def _converted(resource: Resource, body: Object, found: list[str]) -> Object:
    """The fields of its kind. What no check of types has found is said of the conversion."""
    try:
        return codec.check_fields(resource, body, found)
    except ApiStatus as refusal:
        kind = f"{resource.group}/{resource.version}, Kind={resource.kind}"
        said = refusal.message.partition(" cannot be handled as a ")[2].partition(": ")[2] or refusal.message
        head = f"failed to convert new object ({applied_name(body)}; {kind}) to proper version"
        why = f"{head}: unable to convert unstructured object to {kind}: {_as_converted(said)}"
        raise ApiStatus(500, "", why) from None


def _shown(patch: object, result: Object, media_type: str, resource: Resource, version: str) -> str:
    """What an error of a patch shows: a strategic merge patch, of the others the result."""
    if media_type == STRATEGIC:
        return go_text(without_ordered(patch))
    metadata = {key: value for key, value in result["metadata"].items() if key != "managedFields"}
    metadata.setdefault("resourceVersion", version)
    merged = patch if media_type == MERGE else {}
    shown: object = _in_order({**result, "metadata": metadata}, resource.shape, merged)
    return dumps(shown).decode()


def without_ordered(patch: object) -> Any:
    """A patch without the lists whose order it gives: the API server takes them out of it while it merges."""
    if isinstance(patch, list):
        return [without_ordered(item) for item in patch]
    if not isinstance(patch, dict):
        return patch
    head = "$setElementOrder/"
    gone = {key.removeprefix(head) for key in patch if key.startswith(head)}
    return {k: without_ordered(v) for k, v in patch.items() if k not in gone and not k.startswith(head)}


def _in_order(value: object, shape: Shape, merged: object) -> object:
    """With the keys in the order of the Go struct; what a patch was merged into is a map there, and sorted."""
    if not isinstance(value, dict):
        return value
    children = shape.children()
    if isinstance(merged, dict) or not children:
        names = sorted(value)
    else:
        names = sorted(value, key=list(children).index if value.keys() <= children.keys() else None)
    inner = merged if isinstance(merged, dict) else {}
    return {name: _in_order(value[name], children.get(name) or ANY, inner.get(name)) for name in names}


def go_text(value: object) -> str:
    """A value of JSON as Go prints it (`%+v`)."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_text(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(go_text, value))}]"
    return "<nil>" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _patched(current: Object, patch: object, media_type: str, resource: Resource) -> Any:
    if media_type == JSON_PATCH:
        return patches.json_patch(current, patch)
    if media_type == MERGE:
        return patches.merge_patch(current, patch)
    return strategic.strategic_patch(current, patch, resource.shape)


def _names_version(patch: Any) -> bool:
    if isinstance(patch, dict):
        return bool((patch.get("metadata") or {}).get("resourceVersion"))
    return any(op.get("path") == "/metadata/resourceVersion" and op.get("op") != "test" for op in patch)
