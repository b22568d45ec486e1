"""PATCH: JSON patch, merge patch, strategic merge patch, and server-side apply."""

from __future__ import annotations

from typing import Any

from edged.json_text import dumps, loads_repeated
from edged.sandbox.cluster import Object
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol import codec
from edged.sandbox.protocol.api_status import (
    Cause,
    bad_request,
    invalid,
    invalid_options,
    method_not_allowed,
    not_found,
    unsupported_media_type,
)
from edged.sandbox.protocol.request import Request, Response, Target
from edged.sandbox.protocol.write_options import check_dry_run, check_identity, field_validation
from edged.sandbox.writing import fieldsets, patches
from edged.sandbox.writing.creates import Creator
from edged.sandbox.writing.updates import Change, Updater
from edged.sandbox.writing.write_steps import WriteSteps, check_patched, copy_of

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
        check_dry_run(request)
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
            raise unsupported_media_type(accepted)
        try:
            written = loads_repeated(request.body)
        except ValueError as error:
            raise bad_request(f"error decoding patch: {error}") from error
        mode, patch, of_patch = field_validation(request), codec.plain(written), _found_in(written, media_type)

        def change(old: Object) -> Object:
            current = self._steps.cluster.present(resource, copy_of(old))
            new = _patched(current, patch, media_type, resource)
            if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
                raise bad_request("the patch leaves no object")
            check_identity(target, new["metadata"], patched=True)
            self._check_patched_uid(target, current, new)
            if new["metadata"].get("resourceVersion") == current["metadata"]["resourceVersion"] and not (
                _names_version(patch)
            ):
                del new["metadata"]["resourceVersion"]
            codec.check_kind(resource, new)
            warnings[:] = of_patch
            result = new
            new = codec.check_fields(resource, result, warnings)
            if not resource.custom:
                check_patched(warnings, mode, lambda: _shown(patch, result, media_type))
                warnings[:] = codec.warnings_of(warnings) if mode != "Ignore" else []
            return self._steps.custom_fields(resource, new, request, warnings, patched=True)

        return change

    def _check_patched_uid(self, target: Target, current: Object, new: Object) -> None:
        uid = new["metadata"].get("uid")
        if uid and uid != current["metadata"]["uid"]:
            why = f'Invalid value: "{uid}": field is immutable'
            raise invalid(target.resource.named, target.name, [Cause("metadata.uid", why)])

    async def _apply(self, target: Target, request: Request) -> Response:
        resource = target.resource
        manager = request.query.get("fieldManager", "")
        if not manager:
            why = "Required value: is required for apply patch"
            raise invalid_options("PatchOptions", [Cause("fieldManager", why, "FieldValueRequired")])
        read = codec.read_applied(request.body)
        body, warnings = read.value, self._repeated_in_apply(read, request)
        if not body.get("kind") or not body.get("apiVersion"):
            raise bad_request(f"invalid object type: {body.get('apiVersion', '')}/, Kind={body.get('kind', '')}")
        codec.check_kind(resource, body)
        if isinstance(given := body.get("metadata"), dict) and given.get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        found: list[str] = []
        body = codec.check_fields(resource, body, found)
        warnings += codec.strictness(resource, found, field_validation(request))
        body = self._steps.custom_fields(resource, body, request, warnings, complete=False)
        metadata = body.setdefault("metadata", {})
        check_identity(target, metadata)
        if self._steps.cluster.storage.get(resource.bucket, target.key) is None:
            if target.subresource:
                raise not_found(resource.named, target.name)
            return await self._creator.create_object(target, request, copy_of(body), warnings, applied=body)
        force = request.query.get("force") == "true"

        def change(old: Object) -> Object:
            return fieldsets.apply(
                self._steps.cluster.present(resource, copy_of(old)), copy_of(body), resource.shape, manager,
                api_version=resource.api_version, subresource=target.subresource, force=force,
            )  # fmt: skip

        return await self._updater.change(target, request, change, warnings, applied=body)

    def _repeated_in_apply(self, body: codec.Body, request: Request) -> list[str]:
        mode = field_validation(request)
        if body.found and mode == "Strict":
            raise bad_request(f"error strict decoding patch: error converting YAML to JSON: {body.found[0]}")
        return codec.warnings_of(body.found) if mode != "Ignore" else []


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


def _shown(patch: object, result: Object, media_type: str) -> str:
    """What an error of a patch shows: a strategic merge patch, of the others the result."""
    return go_text(patch) if media_type == STRATEGIC else dumps(result).decode()


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
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}")
    if media_type == MERGE:
        return patches.merge_patch(current, patch)
    return patches.strategic_patch(current, patch, resource.shape)


def _names_version(patch: Any) -> bool:
    if isinstance(patch, dict):
        return bool((patch.get("metadata") or {}).get("resourceVersion"))
    return any(op.get("path") == "/metadata/resourceVersion" and op.get("op") != "test" for op in patch)
