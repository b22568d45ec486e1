"""Findings: their states, their remedies told once each, and how they are counted."""

from __future__ import annotations

from edged.cli.doctor.findings import FAIL, OK, WARN, Finding, judged, remedies, summary


def test_a_problem_has_a_remedy_and_an_ok_has_none() -> None:
    assert judged("c", "broken", "fine", "mend it") == Finding("c", FAIL, "broken", "mend it")
    assert judged("c", "broken", "fine", "mend it", bad=WARN).state == WARN
    assert judged("c", None, "fine", "mend it") == Finding("c", OK, "fine", "")


def test_one_remedy_is_told_once_with_all_that_it_mends() -> None:
    found = [
        Finding("a", FAIL, "x", "edged init"), Finding("b", OK, "y"), Finding("c", WARN, "z", "edged init"),
        Finding("c", WARN, "zz", "edged init"), Finding("d", FAIL, "q", "kill 7"),
    ]  # fmt: skip
    assert remedies(found) == ["a, c: edged init", "d: kill 7"]


def test_the_summary_counts() -> None:
    found = [Finding("a", OK, ""), Finding("b", WARN, ""), Finding("c", FAIL, ""), Finding("d", FAIL, "")]
    assert summary(found) == "1 ok, 1 warning, 2 failures"
    assert summary([]) == "0 ok, 0 warnings, 0 failures"
