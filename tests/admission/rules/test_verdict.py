"""Replies of policies made into answers, and what configuration makes of them."""

import json

import pytest

from edged.admission.rules.mutations import BadMutation
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
from edged.admission.rules.verdict import BadReply, constrain, from_reply, settings_problem

OBJECT = {"metadata": {"name": "p"}}


def _reply(obj=OBJECT, **reply):
    return from_reply(AdmissionRequest("u", {}, obj), json.dumps(reply).encode())


def test_accepted():
    assert _reply(accepted=True) == AdmissionResponse("u", True)


def test_rejected_with_message_code_warnings_annotations():
    answer = _reply(accepted=False, message="no", code=403, warnings=["w"], audit_annotations={"a": "b"})
    assert answer == AdmissionResponse("u", False, None, {"message": "no", "code": 403}, ["w"], {"a": "b"})


def test_mutation_is_a_patch_even_of_a_rejection():
    answer = _reply(accepted=False, mutated_object=OBJECT | {"x": 1})
    assert not answer.allowed
    assert answer.patch == [{"op": "add", "path": "/x", "value": 1}]


def test_an_unchanged_object_is_no_mutation():
    assert _reply(accepted=True, mutated_object=OBJECT).patch is None


def test_mutating_an_absent_object_is_a_mutation_that_cannot_be_made():
    with pytest.raises(BadMutation, match="a null object cannot be mutated"):
        _reply(None, accepted=True, mutated_object={}, warnings=["w"])


def test_a_denial_keeps_its_words_whatever_it_would_have_changed():
    deep = b"[" * 300 + b"]" * 300
    reply = b'{"accepted":false,"message":"no","mutated_object":{"a":%s}}' % deep
    for obj in (OBJECT, None):
        answer = from_reply(AdmissionRequest("u", {}, obj), reply)
        assert (answer.allowed, answer.patch, answer.status) == (False, None, {"message": "no"})
    with pytest.raises(BadMutation, match="nested too deeply"):
        from_reply(AdmissionRequest("u", {}, OBJECT), reply.replace(b"false", b"true"))


@pytest.mark.parametrize(
    "reply",
    [
        b"", b"x", b"[]", b"{}", b'{"accepted":1}', b'{"accepted":null}', b'{"accepted":true,"message":3}',
        b'{"accepted":true,"code":"x"}', b'{"accepted":true,"code":-1}', b'{"accepted":true,"code":70000}',
        b'{"accepted":true,"code":true}', b'{"accepted":true,"warnings":"w"}', b'{"accepted":true,"warnings":[1]}',
        b'{"accepted":true,"audit_annotations":{"a":1}}', b"\xff\xfe",
    ],
)  # fmt: skip
def test_a_reply_of_the_wrong_shape_is_refused(reply):
    with pytest.raises(BadReply):
        from_reply(AdmissionRequest("u", {}, {}), reply)


def test_settings():
    assert settings_problem(b'{"valid":true}') is None
    assert settings_problem(b'{"valid":false,"message":"bad"}') == "bad"
    assert settings_problem(b'{"valid":false}') == "no reason given"
    assert "valid" in settings_problem(b"{}")
    assert "JSON" in settings_problem(b"?")


def _constrained(response, **options):
    given = {"policy": "p", "monitor": False, "allowed_to_mutate": False, "message": ""} | options
    return constrain(response, **given)


def test_monitor_mode_allows_and_keeps_warnings_and_annotations():
    denied = AdmissionResponse("u", False, [{"op": "test"}], {"message": "no"}, ["w"], {"a": "b"})
    assert _constrained(denied, monitor=True, message="custom") == AdmissionResponse(
        "u", True, None, None, ["w"], {"a": "b"}
    )


def test_mutation_without_permission():
    answer = _constrained(AdmissionResponse("u", True, [{"op": "add"}], None, ["w"]))
    assert not answer.allowed
    assert answer.patch is None
    assert answer.warnings == ["w"]
    assert answer.status == {
        "message": "Request rejected by policy p. The policy attempted to mutate the request, "
        "but it is currently configured to not allow mutations."
    }


def test_mutation_with_permission():
    assert _constrained(AdmissionResponse("u", True, [{"op": "add"}]), allowed_to_mutate=True).patch


def test_custom_message_keeps_the_code_and_tells_the_original_as_a_cause():
    answer = _constrained(
        AdmissionResponse("u", False, None, {"message": "why", "code": 403}), message="go away"
    )
    assert answer.status == {
        "message": "go away",
        "code": 403,
        "details": {"causes": [{"reason": None, "message": "why", "field": None}]},
    }


def test_custom_message_of_a_rejection_without_message():
    answer = _constrained(AdmissionResponse("u", False), message="go away")
    assert answer.status["details"]["causes"][0]["message"] == ""


def test_custom_message_does_not_touch_an_accepted_request():
    assert _constrained(AdmissionResponse("u", True), message="go away").status is None
