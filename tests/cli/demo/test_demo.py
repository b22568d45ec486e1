"""`edged demo` as a program: for people, for programs, and by its earlier spelling."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from edged.cli import main as cli
from edged.cli import output
from edged.cli.demo import print_step, tour


@pytest.mark.parametrize("arguments", [("-o", "json"), ("--json",)])
def test_the_tour_as_json(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] and all(step["ok"] for step in told["steps"]) and len(told["steps"]) >= 5


def test_the_tour_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo"]) == 0
    assert "1. " in capsys.readouterr().out


def test_long_lines_are_wrapped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    score = "    node-1  672  (" + "power-aware 200, " * 9 + ")"
    print_step(tour.Step("title", [score, "+   a: b"], ok=True), 1, False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) == 6 and lines[-1] == "   +   a: b"
    assert lines[3].startswith(" " * 11 + "power-aware") or lines[3].startswith(" " * 11 + "200")


@pytest.mark.parametrize("coloured", [True, False])
def test_colours_are_those_of_all_commands(
    coloured: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """NO_COLOR, TERM=dumb and what is no terminal are looked at in one place."""

    async def run(show: Callable[[tour.Step], None]) -> None:
        show(tour.Step("title", ["Error: no"], ok=True))

    monkeypatch.setattr(tour, "run", run)
    monkeypatch.setattr(output, "shows_colours", lambda: coloured)
    assert cli.main(["demo"]) == 0
    assert ("\x1b[" in capsys.readouterr().out) == coloured
