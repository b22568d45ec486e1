"""What is shown of a review: everything, but what Secrets hold."""

from __future__ import annotations

import json

from edged.admission.rules.redaction import HIDDEN, LAST_APPLIED, shown_patch, shown_request

SECRET = {
    "kind": "Secret",
    "metadata": {"name": "s", "annotations": {LAST_APPLIED: '{"data":{"k":"cGFzcw=="}}', "other": "kept"}},
    "data": {"k": "cGFzcw=="},
    "stringData": {"p": "pass"},
    "type": "Opaque",
}


def test_secrets_lose_their_values_in_both_objects():
    payload = {"kind": {"kind": "Secret"}, "object": SECRET, "oldObject": {**SECRET, "kind": ""}, "name": "s"}
    shown = shown_request(payload)
    text = json.dumps(shown)
    assert "cGFzcw" not in text and "pass" not in text
    assert shown["object"]["data"] == {"k": HIDDEN} and shown["oldObject"]["stringData"] == {"p": HIDDEN}
    assert shown["object"]["metadata"]["annotations"] == {LAST_APPLIED: HIDDEN, "other": "kept"}
    assert shown["name"] == "s" and payload["object"] is SECRET and SECRET["data"] == {"k": "cGFzcw=="}


def test_secrets_are_known_by_any_of_their_marks_and_malformed_ones_hidden_whole():
    for payload in (
        {"requestKind": {"kind": "Secret"}, "object": {"data": "cGFzcw=="}},
        {"kind": "nonsense", "object": {"kind": "Secret", "data": ["cGFzcw=="], "metadata": 3}},
    ):
        assert shown_request(payload)["object"]["data"] == HIDDEN
    assert shown_request({"kind": {"kind": "Secret"}, "object": "text"}) == {
        "kind": {"kind": "Secret"}, "object": "text",
    }  # fmt: skip


def test_everything_else_is_shown_as_it_is():
    payload = {"kind": {"kind": "ConfigMap"}, "object": {"kind": "ConfigMap", "data": {"k": "v"}}}
    assert shown_request(payload) == payload
    assert shown_request(["raw"]) == ["raw"]


def test_patches_of_secrets_keep_their_paths():
    patch = [{"op": "add", "path": "/data/x", "value": "cGFzcw=="}, {"op": "remove", "path": "/type"}]
    secret = {"kind": {"kind": "Secret"}, "object": SECRET}
    assert shown_patch(patch, secret) == [{"op": "add", "path": "/data/x", "value": HIDDEN}, patch[1]]
    assert shown_patch(patch, {"object": {"kind": "Pod"}}) == patch
    assert shown_patch(None, secret) is None
