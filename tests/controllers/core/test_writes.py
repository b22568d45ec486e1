from __future__ import annotations

import pytest

from edged.controllers.core.codes import Code, Refused
from edged.controllers.core.writes import Owner, write_request
from edged.json_text import dumps

LOCK = {"apiVersion": "network.edged.dev/v1alpha1", "kind": "IPLock"}
OWNER = {"kind": "NetworkAttachment", "name": "a", "uid": "u1"}


def write(verb, **fields):
    return write_request(dumps({"verb": verb, **LOCK, "namespace": "ns", "name": "n", **fields}))


def test_a_create_says_what_it_creates_and_for_whom():
    request = write("create", object={"spec": {"vni": 1}}, onExists="return", ownedBy=OWNER)
    assert (request.method, request.content_type, request.right) == ("POST", "application/json", "create")
    assert request.return_existing
    assert request.body("v1") == {
        **LOCK, "spec": {"vni": 1},
        "metadata": {
            "name": "n", "namespace": "ns",
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "NetworkAttachment", "name": "a", "uid": "u1", "controller": True}
            ],
        },
    }  # fmt: skip
    assert request.query("edged/ipam") == {"fieldManager": "edged/ipam"}


def test_an_owner_reference_replaces_that_of_the_same_owner():
    others = [{"uid": "u1", "old": 1}, {"uid": "u2"}]
    request = write(
        "update",
        object={"metadata": {"ownerReferences": others}},
        ownedBy={**OWNER, "apiVersion": "x/v1", "blockOwnerDeletion": True},
    )
    assert request.owned_by == Owner("x/v1", "NetworkAttachment", "a", "u1", blocks=True)
    assert request.body()["metadata"]["ownerReferences"] == [
        {"uid": "u2"},
        {
            "apiVersion": "x/v1", "kind": "NetworkAttachment", "name": "a", "uid": "u1", "controller": True,
            "blockOwnerDeletion": True,
        },
    ]  # fmt: skip


def test_an_owner_of_an_unknown_kind_needs_an_api_version():
    with pytest.raises(Refused, match="does not watch NetworkAttachment") as refused:
        write("create", object={}, ownedBy=OWNER).body()
    assert refused.value.code == Code.INVALID


def test_an_update_carries_what_it_expects():
    request = write(
        "update", object={"status": {}}, subresource="status", preconditions={"uid": "u", "resourceVersion": "5"}
    )
    assert (request.method, request.right, request.subresource) == ("PUT", "update", "status")
    assert request.is_conditional
    assert request.body()["metadata"] == {"name": "n", "namespace": "ns", "uid": "u", "resourceVersion": "5"}
    assert write("update", object={"metadata": {"resourceVersion": "5"}}).is_conditional
    assert not write("update", object={}).is_conditional


def test_patches_carry_it_too():
    expected = {"uid": "u", "resourceVersion": "5"}
    merge = write("patch", patch={"spec": {"a": None}}, preconditions=expected)
    assert merge.content_type == "application/merge-patch+json"
    assert merge.body() == {"spec": {"a": None}, "metadata": expected}
    assert write("patch", patch={"spec": {}}).body() == {"spec": {}}
    json = write("patch", patchType="json", patch=[{"op": "remove", "path": "/spec"}], preconditions={"uid": "u"})
    assert json.content_type == "application/json-patch+json"
    assert json.body() == [
        {"op": "replace", "path": "/metadata/uid", "value": "u"}, {"op": "remove", "path": "/spec"},
    ]  # fmt: skip


def test_an_apply_may_take_ownership():
    request = write("apply", object={"spec": {}}, force=True, dryRun=True)
    assert (request.method, request.content_type, request.right) == ("PATCH", "application/apply-patch+yaml", "patch")
    assert request.query("m") == {"fieldManager": "m", "force": "true", "dryRun": "All"}


def test_a_delete_has_options():
    request = write("delete", preconditions={"uid": "u"}, propagation="Background", dryRun=True)
    assert (request.method, request.query("m")) == ("DELETE", {})
    assert request.body() == {
        "kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "u"},
        "propagationPolicy": "Background", "dryRun": ["All"],
    }  # fmt: skip


def test_the_object_may_say_its_own_name():
    request = write_request(dumps({"verb": "create", **LOCK, "object": {"metadata": {"name": "x", "namespace": "y"}}}))
    assert (request.name, request.namespace) == ("x", "y")
    generated = write("create", name=None, object={"metadata": {"generateName": "x-"}})
    assert generated.name == ""
    assert generated.body()["metadata"] == {"generateName": "x-", "namespace": "ns"}


def test_what_was_asked_is_not_changed():
    request = write("update", object={"metadata": {"labels": {}}}, ownedBy={**OWNER, "apiVersion": "v1"})
    request.body()
    assert request.object == {"metadata": {"labels": {}}}


@pytest.mark.parametrize(
    ("verb", "fields", "message"),
    [
        ("replace", {}, "write.verb: must be one of create, update, patch, apply, delete"),
        ("create", {}, "write.object: is missing: create needs one"),
        ("update", {"object": {}, "name": None}, "write.name: is missing"),
        ("update", {"object": {"metadata": {"name": "m"}}}, "write.name: is not that of the object, m"),
        ("update", {"object": {"metadata": {"name": 5}}, "name": None}, "write.object.metadata.name: must be a string"),
        ("patch", {}, "write.patch: is missing"),
        ("patch", {"patch": {}, "patchType": "json"}, "write.patch: must be a list"),
        ("patch", {"patch": ["x"], "patchType": "json"}, "write.patch: each element must be an object"),
        ("patch", {"patch": {}, "ownedBy": OWNER}, "write.ownedBy: patch sends no object"),
        ("create", {"object": {}, "subresource": "status"}, "write.subresource: create writes whole objects"),
        ("create", {"object": {}, "preconditions": {"uid": "u"}}, "write.preconditions: what is created"),
        ("update", {"object": {}, "onExists": "return"}, "write.onExists: only a create"),
        ("update", {"object": {}, "subresource": "scale"}, "write.subresource: must be one of status"),
        ("delete", {"propagation": "No"}, "write.propagation: must be one of Background, Foreground, Orphan"),
    ],
)
def test_a_bad_write_is_named_with_its_field(verb, fields, message):
    with pytest.raises(Refused, match=message) as refused:
        write(verb, **fields)
    assert refused.value.code == Code.INVALID
