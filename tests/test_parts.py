"""Parts of the tests: skipped unless asked for, and a failure where they were asked for and cannot be had."""

from __future__ import annotations

import pytest

from tests import parts


@pytest.fixture(autouse=True)
def _nothing_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("EDGED_TESTS", raising=False)


def test_a_part_is_skipped_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGED_TESTS", "kube,long")
    with pytest.raises(pytest.skip.Exception, match="EDGED_TESTS=toolchains"):
        parts.require("toolchains", "no Go")
    parts.require("long")


@pytest.mark.parametrize("variables", [{"EDGED_TESTS": "toolchains"}, {"CI": "true"}])
def test_what_was_asked_for_fails_where_it_is_impossible(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(pytest.fail.Exception, match="no Go"):
        parts.require("toolchains", "no Go")


def test_the_last_line_counts_by_part() -> None:
    reasons = []
    for part in ("long", "kube", "kube"):
        with pytest.raises(pytest.skip.Exception) as skipped:
            parts.require(part)
        reasons.append(f"Skipped: {skipped.value}")
    assert parts.left_out([*reasons, "Skipped: no chromium"]) == (
        "left out: 2 tests with real Kubernetes programs (make test-kube), 1 of long duration; "
        "all of them: bash .ci/run"
    )
    assert parts.left_out(["Skipped: no chromium"]) == ""
