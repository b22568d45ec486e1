"""Merge patch and JSON patch on decoded JSON. Pure; nothing is changed in place.

Strategic merge patch is in strategic.py, server-side apply in applying.py.
"""

from __future__ import annotations

from typing import Any, Final

from edged.json_text import JsonError, dumps, loads
from edged.sandbox.protocol.api_status import ApiStatus, bad_request


def merge_patch(target: object, patch: object) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def json_patch(target: object, operations: object) -> Any:
    """RFC 6902. A failed `test` or a missing path is the 422 that kube-apiserver answers."""
    import jsonpatch
    import jsonpointer

    if not isinstance(operations, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        return _operated(target, operations)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, *_MISFITS) as error:
        message = "the server rejected our request due to an error in our request"
        raise ApiStatus(422, "Invalid", message, {}) from error


_MISFITS = (TypeError, KeyError, AttributeError, RecursionError, JsonError)
MOST_COPIED: Final = 3 * 1024 * 1024
"""Bytes that the copies of one patch may add. Copies of copies double an object with each operation."""


def _operated(target: object, operations: list[Any]) -> Any:
    import jsonpatch
    import jsonpointer

    result, copied = loads(dumps(target)), 0
    for operation in operations:
        if isinstance(operation, dict) and operation.get("op") == "copy":
            copied += len(dumps(jsonpointer.resolve_pointer(result, operation["from"])))
            if copied > MOST_COPIED:
                raise jsonpatch.JsonPatchException("the copies are too large")
        result = jsonpatch.apply_patch(result, [operation], in_place=True)
    dumps(result)  # what is too deep to be stored is not worked on
    return result
