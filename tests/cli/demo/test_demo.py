"""`edged demo` as a program: for people, for programs, and by its earlier spelling."""

from __future__ import annotations

import json

import pytest

from edged.cli import main as cli


@pytest.mark.parametrize("arguments", [("-o", "json"), ("--json",)])
def test_the_tour_as_json(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] and all(step["ok"] for step in told["steps"]) and len(told["steps"]) >= 5


def test_the_tour_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo"]) == 0
    assert "1. " in capsys.readouterr().out
