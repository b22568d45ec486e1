"""Answers of several policies, joined to one."""

from __future__ import annotations

import re
from typing import Any

import pytest

from edged.admission.rules.review import AdmissionResponse
from edged.admission.rules.shared_answer import LONGEST_KEY, MOST_TEXT, join

NAME_PART = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
"""Of a qualified name, as the API server checks keys of audit annotations."""


def denied(message: str | None = None, **status: Any) -> AdmissionResponse:
    return AdmissionResponse("u", False, status=status | ({} if message is None else {"message": message}))


def allowed(*warnings: str, **annotations: str) -> AdmissionResponse:
    return AdmissionResponse("u", True, warnings=list(warnings), audit_annotations=annotations)


def test_nobody_denies() -> None:
    assert join("u", []) == AdmissionResponse("u", True)
    assert join("u", [("a", allowed()), ("b", AdmissionResponse("u", True))]) == AdmissionResponse("u", True)


def test_one_denies() -> None:
    answer = join("u", [("a", allowed()), ("b", denied("no", code=403)), ("c", allowed())])
    assert answer == AdmissionResponse("u", False, status={"message": "[b] no", "code": 403})


def test_all_refusals_are_there_and_the_code_of_the_first() -> None:
    answer = join("u", [("a", denied("no")), ("b", allowed()), ("c", denied(code=500)), ("d", denied("never"))])
    assert answer.status == {"message": "[a] no\n[c] no reason given\n[d] never"}
    answer = join("u", [("c", denied("x", code=500)), ("a", denied("y", code=403))])
    assert answer.status is not None and answer.status["code"] == 500


def test_a_patch_goes_no_further() -> None:
    assert join("u", [("a", AdmissionResponse("u", True, [{"op": "test"}]))]).patch is None


def test_causes_of_all() -> None:
    cause = {"reason": None, "message": "own words", "field": None}
    of_group = {"message": "no", "field": "spec.policies.x"}
    answer = join("u", [("a", denied("x", details={"causes": [cause]})), ("b", denied("y")),
                        ("g", denied("z", details={"causes": [of_group]}))])  # fmt: skip
    assert answer.status == {"message": "[a] x\n[b] y\n[g] z", "details": {"causes": [cause, of_group]}}
    long = denied("x", details={"causes": [cause | {"message": "y" * 40000}, cause]})
    status = join("u", [("a", long)]).status or {}
    first, second = status["details"]["causes"]
    assert len(first["message"]) + len(second["message"]) <= MOST_TEXT and second == cause


@pytest.mark.parametrize("text", ["x" * 100_000, "\u00fc" * 9_000, "\U0001f600" * 5_000, "\ud800" * 9_000])
def test_every_name_survives_the_cut(text: str) -> None:
    answers = [(f"policy-{i}", denied(text)) for i in range(40)] + [("short", denied("the reason"))]
    status = join("u", answers).status or {}
    lines = status["message"].split("\n")
    assert [line.split("] ")[0][1:] for line in lines] == [name for name, _ in answers]
    assert lines[-1] == "[short] the reason"
    assert {line[-3:] for line in lines[:-1]} == {"..."}
    size = len(status["message"].encode(errors="replace"))
    assert MOST_TEXT - 41 * 4 <= size <= MOST_TEXT


def test_one_long_refusal_has_the_room_that_others_leave() -> None:
    status = join("u", [("a", denied("x" * 15000)), ("b", denied("no")), ("c", denied("y" * 700))]).status or {}
    assert status["message"] == f"[a] {'x' * 15000}\n[b] no\n[c] {'y' * 700}"
    status = join("u", [("a", denied("x" * 50000)), ("b", denied("no"))]).status or {}
    assert len(status["message"]) == MOST_TEXT - 1 and status["message"].endswith("...\n[b] no")


def test_names_alone_may_take_more_than_the_room() -> None:
    names = ["n" * 240 + str(i) for i in range(100)]
    status = join("u", [(name, denied("x")) for name in names]).status or {}
    assert [line[1:-2] for line in status["message"].split("\n")] == names


def test_warnings_in_turn() -> None:
    answers = [("a", allowed("a1", "a2", "a3")), ("b", allowed("", "b1")), ("c", denied("no")), ("d", allowed("d1"))]
    assert join("u", answers).warnings == ["a1", "b1", "d1", "a2", "a3"]


def as_passed_on(warnings: list[str]) -> list[str]:
    """What the API server's recorder makes of warnings (k8s.io/apiserver, endpoints/filters/warning.go)."""
    passed: list[str] = []
    truncating = False
    for index, text in enumerate(warnings):
        written = sum(map(len, passed))
        if written >= 4096 and truncating:
            continue
        if truncating:
            passed.append(text[:256])
        elif written + len(text) <= 4096:
            passed.append(text)
        else:
            truncating = True
            passed = [earlier[:256] for earlier in warnings[: index + 1]]
    return passed


@pytest.mark.parametrize("members", [2, 16, 17, 40, 300, 5000])
@pytest.mark.parametrize("length", [1, 200, 256, 257, 4096, 100_000])
def test_each_members_first_warning_survives_the_api_servers_cut(members: int, length: int) -> None:
    if members * length > 10_000_000:
        length = 10_000_000 // members
    warnings = join("u", [(str(i), allowed(f"{i}:" + "x" * length, f"{i}+" + "y" * length)) for i in range(members)])
    passed = as_passed_on(warnings.warnings or [])
    firsts = {text.split(":")[0] for text in passed if ":" in text}
    if members <= 300:
        assert firsts == {str(i) for i in range(members)}
    assert sum(map(len, passed)) <= 4096 + 256


def test_annotations_have_their_policys_name() -> None:
    answers = [("a", allowed(k="1")), ("b", allowed(k="2", l="3")), ("c", denied("no"))]
    assert join("u", answers).audit_annotations == {"a.k": "1", "b.k": "2", "b.l": "3"}


@pytest.mark.parametrize("name", ["p", "clusterwide-" + "long-name." * 24, "a-" * 40 + "a"])
@pytest.mark.parametrize("key", ["k", "k" * 63, "k" * 36, "k" * 37, ("k" * 35 + "-" * 10 + "k"), "Some.Key_1"])
def test_keys_are_qualified_names_whatever_the_length(name: str, key: str) -> None:
    (found,) = join("u", [(name, allowed(**{key: "1"}))]).audit_annotations or {}
    assert len(found) <= LONGEST_KEY and NAME_PART.fullmatch(found)
    whole = f"{name}.{key}"
    assert found == whole if len(whole) <= LONGEST_KEY else found.startswith(name[:15]) and key[:35] in found
    assert list(join("u", [(name, allowed(**{key: "1"}))]).audit_annotations or {}) == [found]


def test_keys_that_differ_stay_apart() -> None:
    long = "x" * 60
    answers = [(f"{long}1", allowed(k="1")), (f"{long}2", allowed(k="2")), ("a", allowed(**{"b.c": "3"})),
               ("a.b", allowed(c="4"))]  # fmt: skip
    assert sorted((join("u", answers).audit_annotations or {}).values()) == ["1", "2", "3", "4"]
