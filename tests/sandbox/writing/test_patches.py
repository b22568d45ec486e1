"""edged/sandbox/writing/patches.py: merge patch and JSON patch."""

from __future__ import annotations

import pytest

from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.writing.patches import json_patch, merge_patch


def test_merge_patch():
    assert merge_patch({"a": {"b": 1, "c": 2}, "l": [1]}, {"a": {"b": None}, "l": [2]}) == {
        "a": {"c": 2},
        "l": [2],
    }


def test_json_patch_refusals():
    assert json_patch({"a": 1}, [{"op": "replace", "path": "/a", "value": 2}]) == {"a": 2}
    for operation in ({"op": "remove", "path": "/x"}, {"op": "test", "path": "/a", "value": 9}):
        with pytest.raises(ApiStatus, match="the server rejected our request") as caught:
            json_patch({"a": 1}, [operation])
        assert caught.value.code == 422
