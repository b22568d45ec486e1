"""The documents that a Rego policy gets: its data, and its input; and what is made of its result."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edged.admission.rules import rego
from edged.admission.rules.rego import ContextTree, NotJudged, _read, data_document, from_result, input_document
from edged.admission.rules.review import AdmissionRequest, parse_raw, parse_review
from edged.admission.rules.verdict import BadReply
from edged.json_text import dumps


@pytest.mark.parametrize(
    ("mode", "settings", "tree", "data"),
    [
        ("opa", b'{"a":1}', None, {"a": 1}),
        ("opa", b'{"a":1}', b'{"pods":{}}', {"a": 1, "kubernetes": {"pods": {}}}),
        ("opa", b"{}", b"{}", {"kubernetes": {}}),
        ("opa", b'{"kubernetes":"mine","a":1}', b"{}", {"a": 1, "kubernetes": {}}),
        ("opa", b'{"kubernetes":"mine"}', b"{}", {"kubernetes": {}}),
        ("opa", b'{"kubernetes":"mine"}', None, {"kubernetes": "mine"}),
        ("opa", b'{"a":{"kubernetes":2}}', b"{}", {"a": {"kubernetes": 2}, "kubernetes": {}}),
        ("gatekeeper", b'{"a":1}', None, {}),
        ("gatekeeper", b'{"a":1}', b'{"cluster":{}}', {"inventory": {"cluster": {}}}),
    ],
)
def test_data_document(mode: str, settings: bytes, tree: bytes | None, data: Any) -> None:
    assert json.loads(b"".join(data_document(mode, settings, tree))) == data


def test_empty_tree() -> None:
    assert ContextTree("opa").document() == b"{}"


DELETION = {
    "uid": "u", "operation": "DELETE", "name": "x", "userInfo": {},
    "kind": {"group": "", "version": "v1", "kind": "Pod"},
    "resource": {"group": "", "version": "v1", "resource": "pods"},
    "options": {"kind": "DeleteOptions"},
}  # fmt: skip
OLD = {"metadata": {"name": "x", "labels": {"a": "ä"}}}


def asked(mode: str, request: AdmissionRequest) -> Any:
    found = json.loads(b"".join(input_document(mode, request, b"{}")))
    return found["request" if mode == "opa" else "review"]


def both_ways(payload: Any) -> list[AdmissionRequest]:
    """As a listener makes it of text, and as an audit makes it of values."""
    return [
        parse_review(dumps({"request": payload})),
        AdmissionRequest(payload["uid"], payload, payload.get("object")),
    ]


@pytest.mark.parametrize("object", [{}, {"object": None}, {"object": {"metadata": {"name": "other"}}}])
def test_a_deleted_object_is_what_gatekeeper_policies_look_at(object: Any) -> None:
    for request in both_ways({**DELETION, **object, "oldObject": OLD}):
        review = asked("gatekeeper", request)
        assert (review["object"], review["oldObject"], review["options"]) == (OLD, OLD, DELETION["options"])
        assert asked("opa", request).get("object") == object.get("object")  # as OPA itself would get it


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE", "CONNECT"])
def test_other_operations_keep_their_object(operation: str) -> None:
    for request in both_ways({**DELETION, "operation": operation, "object": {"a": 1}, "oldObject": OLD}):
        assert asked("gatekeeper", request)["object"] == {"a": 1}


@pytest.mark.parametrize("old", [{}, {"oldObject": None}])
def test_a_deletion_of_nothing_is_no_question(old: Any) -> None:
    for request in both_ways({**DELETION, **old}):
        with pytest.raises(NotJudged, match="a DELETE without oldObject"):
            asked("gatekeeper", request)
    with pytest.raises(NotJudged, match="raw requests"):
        asked("gatekeeper", parse_raw(b'{"request":{"operation":"DELETE","oldObject":{}}}'))
def test_numbers_of_rego_that_are_no_json_are_read() -> None:
    request = AdmissionRequest("u", {"uid": "u"}, None)
    answer = from_result("gatekeeper", request, b'[{"result":[{"details":{"ratio":.5,"least":-.2},"msg":"too many"}]}]')
    assert (answer.allowed, answer.status) == (False, {"message": "too many"})


@pytest.mark.parametrize("result", [b'[{"result":[{"msg":.}]}]', b'[{"result":[]}] 1', b'[{"result":[', b""])
def test_a_result_that_is_no_value_denies(result: bytes) -> None:
    with pytest.raises(BadReply, match="is not JSON"):
        from_result("gatekeeper", AdmissionRequest("u", {"uid": "u"}, None), result)


def test_only_numbers_get_their_zero() -> None:
    request = AdmissionRequest("u", {"uid": "u"}, None)
    result = rb'[{"result":[{"msg":"over .5 \".5","a":[.5,-.25e1,1.5],"b.5":.7}]}]'
    assert from_result("gatekeeper", request, result).status == {"message": 'over .5 ".5'}
    assert _read(result) == [{"result": [{"msg": 'over .5 ".5', "a": [0.5, -2.5, 1.5], "b.5": 0.7}]}]


@pytest.mark.parametrize("more", [b"", b',"d":.5'])
def test_a_text_that_cannot_be_written_again_denies(more: bytes) -> None:
    result = rb'[{"result":[{"msg":"\ud800"%s}]}]' % more
    with pytest.raises(BadReply, match="is not JSON"):
        from_result("gatekeeper", AdmissionRequest("u", {"uid": "u"}, None), result)


def test_a_long_result_is_not_searched_for_such_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    result = b'[{"result":[{"msg":"no","d":.5}]}]'
    monkeypatch.setattr(rego, "MOST_REWRITTEN", len(result))
    assert _read(result) == [{"result": [{"msg": "no", "d": 0.5}]}]
    with pytest.raises(BadReply, match="is not JSON"):
        _read(result + b" ")
