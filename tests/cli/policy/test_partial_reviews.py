"""What a review lacks follows from its object; what it has stays as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edged.cli.policy.partial_reviews import completed
from edged.cli.policy.requests import plural_of

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}}
SCALE = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
KIND = {"group": "", "version": "v1", "kind": "Pod"}
RESOURCE = {"group": "", "version": "v1", "resource": "pods"}
WHOLE = {"uid": "u", "kind": KIND, "resource": RESOURCE, "operation": "CREATE", "userInfo": {"username": "me"},
         "object": POD}  # fmt: skip


def whole(**request: Any) -> tuple[dict[str, Any], list[str]]:
    return completed(request, lambda *kind: plural_of(*kind)[0], lambda value: json.dumps(value, sort_keys=True))


def test_a_whole_request_stays_as_it_is():
    assert whole(**WHOLE) == (WHOLE, [])
    assert whole(**WHOLE, name="x", namespace="y", dryRun=True)[1] == []


@pytest.mark.parametrize("key", ["uid", "kind", "resource", "operation", "userInfo"])
@pytest.mark.parametrize("value", [None, ...])
def test_what_is_missing_or_null_is_added(key: str, value: Any):
    request = {name: part for name, part in WHOLE.items() if name != key} | ({} if value is ... else {key: None})
    found, added = whole(**request)
    assert added == [key]
    assert {**found, key: WHOLE[key]} == WHOLE
    if key not in ("uid", "userInfo"):
        assert found == WHOLE
    assert found["uid"] and whole(**request)[0] == found


@pytest.mark.parametrize(
    ("objects", "operation"),
    [
        ({"object": SCALE}, "CREATE"),
        ({"object": SCALE, "oldObject": SCALE}, "UPDATE"),
        ({"oldObject": SCALE}, "DELETE"),
        ({"object": None, "oldObject": SCALE}, "DELETE"),
    ],
)
def test_an_object_is_enough(objects: dict[str, Any], operation: str):
    """As for gator."""
    found, added = whole(**objects)
    assert added == ["kind", "operation", "resource", "uid", "userInfo"]
    assert (found["operation"], found["userInfo"]) == (operation, {})
    assert found["kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert found["resource"] == {"group": "apps", "version": "v1", "resource": "deployments"}
    assert "name" not in found and "namespace" not in found


def test_a_missing_group_is_the_core_group():
    found, added = whole(**{**WHOLE, "kind": {"version": "v1", "kind": "Pod"}, "requestKind": {"kind": "Pod"}})
    assert (found["kind"], added) == (KIND, ["kind", "requestKind"])
    assert found["requestKind"] == {"group": "", "version": "", "kind": "Pod"}
    assert whole(**{**WHOLE, "kind": {"kind": "Pod"}})[0]["kind"] == KIND


def test_without_an_object_a_kind_is_needed():
    assert "kind" not in whole(operation="DELETE")[0]
    found, added = whole(kind=KIND, operation="DELETE")
    assert (found["resource"], added) == (RESOURCE, ["resource", "uid", "userInfo"])
    assert "kind" not in whole(object={"kind": "Pod"})[0]
