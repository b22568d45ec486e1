"""Merge patch and JSON patch on decoded JSON. Pure; nothing is changed in place.

Strategic merge patch is in strategic.py, server-side apply in applying.py.
"""

from __future__ import annotations

from typing import Any

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
        return jsonpatch.apply_patch(target, operations)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError) as error:
        message = "the server rejected our request due to an error in our request"
        raise ApiStatus(422, "Invalid", message, {}) from error
