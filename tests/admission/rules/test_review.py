"""AdmissionReview parsing and rendering: what is kept, dropped, refused."""

import base64
import json

import orjson
import pytest

from edged import json_parts
from edged.admission.rules import review
from edged.admission.rules.review import (
    AdmissionRequest,
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
    return json.dumps({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}).encode()


def test_unknown_keys_vanish_and_null_equals_absent():
    parsed = parse_review(
        _body(surprise=1, oldObject=None, name=None, object={"x": {"y": None}}, dryRun=False, requestKind=None)
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
    with pytest.raises(BadReview, match="Failed to deserialize the JSON body into the target type: ") as caught:
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


# --- text that is not decoded, and what was read when everything was

TRIPLES = ("kind", "resource", "requestKind", "requestResource")
OPAQUE = ("object", "oldObject", "options")


def decoded_whole(body: bytes) -> bytes:
    """The payload when the whole body is decoded and what is known of it written again."""
    request = orjson.loads(body)["request"]
    payload = {key: request[key] for key in ("uid", *TRIPLES) if request.get(key) is not None}
    for key in TRIPLES:
        if key in payload:
            names = ("group", "version", key.removeprefix("request").lower())
            payload[key] = {name: payload[key][name] for name in names}
    texts = ("subResource", "requestSubResource", "name", "namespace", "operation")
    payload |= {key: request[key] for key in texts if request.get(key) is not None}
    user = request["userInfo"]
    payload["userInfo"] = {
        key: user[key] for key in ("username", "uid", "groups", "extra") if user.get(key) is not None
    }
    payload |= {key: request[key] for key in ("dryRun", *OPAQUE) if request.get(key) is not None}
    return orjson.dumps(payload)


VALUES = (
    {"x": 1.0}, {"x": 1e2, "y": -0.0}, {"n": 2**63, "m": 10**20, "k": -(10**30)}, {"<": "&>\u2028\\u003c"}, [], {},
    [{}],
    "text", 0, False, None, {"kind": "Secret", "data": {"a": "b"}}, {"é": "😀\"\\\n"}, {"a": [[[{"b": [None, True]}]]]},
)  # fmt: skip


def as_sent(value: object, style: str) -> bytes:
    if style == "go":  # Kubernetes' own encoder: compact, `<`, `>`, `&` escaped, a newline at the end
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        for character, escape in ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026")):
            text = text.replace(character, escape)
        return text + b"\n"
    return json.dumps(value, indent=2 if style == "indented" else None).encode()


@pytest.mark.parametrize("style", ["go", "ascii", "indented"])
@pytest.mark.parametrize("long", [False, True])
def test_the_payload_is_what_it_was_when_all_of_it_was_decoded(style, long, monkeypatch):
    if long:
        monkeypatch.setattr(json_parts, "SHORT", 0)
        monkeypatch.setattr(json_parts, "MOST_DECODED", 0)
        monkeypatch.setattr(review, "SHORT_BODY", 0)
    for value in VALUES:
        request = REQUEST | {
            "requestKind": REQUEST["kind"], "requestResource": REQUEST["resource"], "name": "n", "dryRun": True,
            "subResource": "status", "unknown": value, "object": value, "oldObject": {"object": value}, "options": {},
            "userInfo": {"username": "u", "uid": "x", "groups": ["g"], "extra": {"k": ["v"]}, "more": value},
        }  # fmt: skip
        body = as_sent({"kind": "AdmissionReview", "apiVersion": "v1", "request": request}, style)
        parsed, expected = parse_review(body), decoded_whole(body)
        if long:
            assert repr(orjson.loads(parsed.encode())) == repr(orjson.loads(expected))
        else:
            assert parsed.encode() == expected
        assert repr(parsed.payload) == repr(orjson.loads(expected))
        assert repr(parsed.object) == repr(orjson.loads(expected).get("object"))
        assert parsed.has_object is (value is not None)
        assert parsed.kind == "Pod" and parsed.text("name") == "n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"uid": "u"', '"uid": "u", "uid": "v"'), ('"uid": "u"', '"uid": "u", "\\u0075id": "v"'),
        ('"object": {}', '"object": {}, "object": {"a": 1}'), ('"object": {}', '"object": null, "object": {}'),
        ('"kind": "Pod"', '"kind": "Pod", "kind": "Node"'), ('"username": "a"', '"username": "a", "username": "b"'),
        ('"extra": {}', '"extra": {"a": ["b"], "a": ["c"]}'), ('"request":', '"request": {}, "request":'),
        ('"operation": "CREATE"', '"operation": "CREATE", "operation": "DELETE"'),
        ('"unknown": 1', '"unknown": 1, "unknown": 2'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("compact", [False, True])
def test_a_key_that_is_there_twice_is_refused(old, new, compact):
    text = _body(object={}, userInfo={"username": "a", "extra": {}}, unknown=1).decode()
    assert parse_review(text.encode()).object == {} and old in text
    body = text.replace(old, new, 1).encode()
    if compact:
        body = body.replace(b'": ', b'":').replace(b', "', b',"')
    with pytest.raises(BadReview, match="twice") as caught:
        parse_review(body)
    assert caught.value.status == 422


@pytest.mark.parametrize("key", ["object", "oldObject", "options"])
def test_inside_an_object_the_last_of_two_keys_counts(key):
    """As for policy-server. An API server never sends two."""
    body = _body(**{key: {"a": 1}}).replace(b'{"a": 1}', b'{"a": 1, "b": 0, "a": {"c": 2, "c": 3}}')
    assert orjson.loads(parse_review(body).encode())[key] == {"a": {"c": 3}, "b": 0}
    assert b'"c":2' not in parse_review(body).encode()


@pytest.mark.parametrize("long", [False, True])
def test_depth_of_objects(long, monkeypatch):
    """With `request` around it, an object has 253 levels at most; a raw request is one itself and may have 254."""
    if long:
        monkeypatch.setattr(json_parts, "SHORT", 0)
        monkeypatch.setattr(json_parts, "MOST_DECODED", 0)
        monkeypatch.setattr(review, "SHORT_BODY", 0)
    for levels, key in ((253, "object"), (253, "oldObject"), (253, "options")):
        body = _body(**{key: "HERE"})
        assert parse_review(body.replace(b'"HERE"', b"[" * levels + b"]" * levels)).encode()
        for more in (levels + 1, 900, 2000):
            with pytest.raises(BadReview, match="nested too deeply") as caught:
                parse_review(body.replace(b'"HERE"', b"[" * more + b"]" * more))
            assert caught.value.status == 422
    assert parse_raw(b'{"request":' + b"[" * 254 + b"]" * 254 + b"}").encode() == b"[" * 254 + b"]" * 254
    with pytest.raises(BadReview, match="nested too deeply"):
        parse_raw(b'{"request":' + b"[" * 255 + b"]" * 255 + b"}")


@pytest.mark.parametrize(
    "bad", [b'"\xff"', b'"\\ud800"', b"1e400", b"01", b"[1,]", b'{"a" 1}', b"NaN", b'"\n"', b"tru"]
)
@pytest.mark.parametrize("around", [b"%s", b"[%s" + b",{}" * 200_000 + b"]"])
def test_no_guest_gets_what_is_not_json(bad, around):
    """Nor from a text that is too long to be decoded."""
    text = around.replace(b"%s", bad)
    for key in ("object", "oldObject", "options"):
        with pytest.raises(BadReview, match="Failed to parse the request body as JSON: ") as caught:
            parse_review(_body(**{key: "HERE"}).replace(b'"HERE"', text))
        assert caught.value.status == 400
    with pytest.raises(BadReview, match="Failed to parse the request body as JSON: "):
        parse_raw(b'{"request":' + text + b"}")


def test_what_edged_reads_itself_has_a_bound():
    groups = b"[" + b",".join([b"{}"] * 1_000_000) + b"]"
    with pytest.raises(BadReview, match=r"request\.userInfo: larger than anything"):
        parse_review(_body(userInfo="HERE").replace(b'"HERE"', b'{"groups":' + groups + b"}"))
    parsed = parse_raw(b'{"request":{"uid":"u","kind":' + groups + b',"name":"n"}}')
    assert (parsed.uid, parsed.kind, parsed.text("name")) == ("u", "", "n")


def test_a_large_object_is_not_kept_decoded():
    small, large = parse_review(_body(object={"a": 1})), parse_review(_body(object={"a": [1.5] * 10_000}))
    assert small.object is small.object
    assert large.object == {"a": [1.5] * 10_000} and large.object is not large.object
    assert large.decoded_size("object") > 20_000 * 10 and large.decoded_size("oldObject") == 0
    assert large.decoded_size() == large.decoded_size("object")
    assert AdmissionRequest("u", {"object": {}}, {}).decoded_size() == 0


@pytest.mark.parametrize("text", ["x", "x" * 10_000])
def test_one_value_is_decoded_alone(text, monkeypatch):
    parsed = parse_review(_body(object={"new": text}, oldObject={"old": text}, options={"o": text}))
    decoded = []
    decode = review.loads
    monkeypatch.setattr(review, "loads", lambda part: decoded.append(bytes(part)) or decode(part))
    assert parsed.value("oldObject") == {"old": text}
    assert [list(json.loads(part)) for part in decoded] == [["old"]]
    assert (parsed.value("uid"), parsed.value("name")) == ("u", None)
    assert AdmissionRequest("u", {"oldObject": {"a": 1}}, None).value("oldObject") == {"a": 1}
