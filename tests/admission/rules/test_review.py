"""AdmissionReview parsing and rendering: what is kept, dropped, refused."""

import base64
import json

import pytest

from edged.admission.rules.review import (
    AdmissionResponse,
    BadReview,
    parse_raw,
    parse_review,
    raw_body,
    review_body,
)

REQUEST = {
    "uid": "u",
    "kind": {"group": "", "version": "v1", "kind": "Pod"},
    "resource": {"group": "", "version": "v1", "resource": "pods"},
    "operation": "CREATE",
    "userInfo": {},
}


def _body(**changes):
    request = {key: value for key, value in (REQUEST | changes).items() if value is not ...}
    return json.dumps(
        {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    ).encode()


def test_unknown_keys_vanish_and_null_equals_absent():
    parsed = parse_review(
        _body(
            surprise=1, oldObject=None, name=None, object={"x": {"y": None}}, dryRun=False, requestKind=None
        )
    )
    assert parsed.payload == REQUEST | {"object": {"x": {"y": None}}, "dryRun": False}
    assert parsed.object == {"x": {"y": None}}


def test_nested_keys_are_fixed():
    parsed = parse_review(
        _body(
            kind=REQUEST["kind"] | {"more": 1},
            userInfo={"username": "u", "groups": ["g"], "extra": {"a": ["b"]}, "odd": 1},
        )
    )
    assert parsed.payload["kind"] == REQUEST["kind"]
    assert parsed.payload["userInfo"] == {"username": "u", "groups": ["g"], "extra": {"a": ["b"]}}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"nope"])
def test_what_is_not_json_is_400(body):
    with pytest.raises(BadReview, match="Failed to parse the request body as JSON: ") as caught:
        parse_review(body)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"{}", b"[]", b"3", b'{"request":null}', b'{"request":[]}',
        *(_body(**{key: ...}) for key in REQUEST),
        _body(uid=3), _body(kind={"group": "", "version": "v1"}), _body(kind="Pod"), _body(operation=None),
        _body(userInfo=[]), _body(dryRun="yes"), _body(namespace=4), _body(userInfo={"groups": "g"}),
        _body(requestKind={}),
    ],
)  # fmt: skip
def test_json_of_the_wrong_shape_is_422(body):
    with pytest.raises(
        BadReview, match="Failed to deserialize the JSON body into the target type: "
    ) as caught:
        parse_review(body)
    assert caught.value.status == 422


def test_raw_requests_are_untouched():
    assert parse_raw(b'{"request":{"uid":"x","any":[1,null]}}').payload == {"uid": "x", "any": [1, None]}
    assert parse_raw(b'{"request":{"uid":7}}').uid == ""
    assert parse_raw(b'{"request":[1]}').object == [1]


def test_warnings_and_annotations_are_always_there():
    document = json.loads(review_body(AdmissionResponse("u", True)))
    assert document == {
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "response": {"uid": "u", "allowed": True, "auditAnnotations": None, "warnings": None},
    }


def test_a_patch_is_base64_with_its_type():
    patch = [{"op": "add", "path": "/a", "value": 1}]
    response = json.loads(raw_body(AdmissionResponse("", True, patch)))["response"]
    assert response["patchType"] == "JSONPatch"
    assert json.loads(base64.b64decode(response["patch"])) == patch


def test_an_empty_patch_is_none():
    assert "patch" not in json.loads(raw_body(AdmissionResponse("", True, [])))["response"]
