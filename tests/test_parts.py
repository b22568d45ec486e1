"""Parts of the tests: skipped unless asked for, and a failure where they were asked for and cannot be had."""

from __future__ import annotations

import subprocess

import pytest

from tests import parts


@pytest.fixture(autouse=True)
def _nothing_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("EDGED_TESTS", raising=False)


def test_a_part_is_skipped_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGED_TESTS", "kube,long")
    with pytest.raises(pytest.skip.Exception, match="EDGED_TESTS=go"):
        parts.require("go", "no Go")
    parts.require("long")


@pytest.mark.parametrize("variables", [{"EDGED_TESTS": "go"}, {"CI": "true"}])
def test_what_was_asked_for_fails_where_it_is_impossible(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(pytest.fail.Exception, match="no Go"):
        parts.require("go", "no Go")


def test_a_part_that_nobody_knows_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="toolchains is none of the parts kube, go"):
        parts.require("toolchains")


def test_the_last_lines_count_by_part_and_say_what_runs_it() -> None:
    reasons = []
    for part in ("long", "kube", "zig", "kube"):
        with pytest.raises(pytest.skip.Exception) as skipped:
            parts.require(part)
        reasons.append(f"Skipped: {skipped.value}")
    assert parts.left_out([*reasons, "Skipped: no chromium", "only root", "Skipped: no chromium"]) == [
        "not run here: 2 tests: no chromium; 1 test: only root",
        "left out: 2 tests with real Kubernetes programs, 1 with Zig (make test-kube); "
        "1 test of long duration (EDGED_TESTS=long make test); all of them, on Debian 12: bash .ci/run",
    ]
    assert parts.left_out(reasons[:1]) == [
        "left out: 1 test of long duration (EDGED_TESTS=long make test); all of them, on Debian 12: bash .ci/run"
    ]
    assert parts.left_out([]) == []


def test_each_part_has_a_command() -> None:
    assert sorted(part for some in parts.COMMANDS.values() for part in some) == sorted(parts.PARTS)


@pytest.mark.parametrize("command", [["/usr/local/go/bin/go", "version"], ["python", "-m", "ziglang"], ["npm", "ci"]])
def test_no_compiler_starts_where_none_was_asked_for(command: list[str]) -> None:
    with pytest.raises(pytest.fail.Exception, match="belongs to no part"):
        subprocess.run(command, check=False)
