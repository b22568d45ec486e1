"""`edged demo` as a program: for people, for programs, and by its earlier spelling."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from edged.cli import main as cli
from edged.cli import output
from edged.cli.demo import print_step, stage, tour

TREE = Path(__file__).parents[3]


@pytest.mark.parametrize("arguments", [("-o", "json"), ("--json",)])
def test_the_tour_as_json(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] and all(step["ok"] for step in told["steps"]) and len(told["steps"]) == 7
    network = next(step["data"] for step in told["steps"] if "fabrics" in step["data"])
    assert "overlaps with Subnet default/cameras" in network["refused"][0]
    first, second = network["fabrics"].values()
    assert first["hostIP"] == second["remote"][0]["hostIP"] and second["hostIP"] == first["remote"][0]["hostIP"]
    assert first["local"][0]["guestIP"] == second["remote"][0]["guestIP"] != second["local"][0]["guestIP"]


def test_the_modules_of_the_demo_are_in_a_package() -> None:
    """`edged demo` finds them in a checkout, or under the prefix of an installation."""
    packed = tomllib.loads((TREE / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    for path in stage.MODULES.values():
        folder = f"share/edged/modules/{Path(path).parent}"
        assert packed[folder] == [f"modules/{path}"], path


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
