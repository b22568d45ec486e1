"""Manual pages: complete, and without a complaint of the program that shows them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edged.cli import main
from edged.cli.command_tree import tree_of
from tests.programs import needs


def test_pages_of_all_commands_are_written(tmp_path: Path) -> None:
    assert main.main(["man", "--directory", str(tmp_path / "man1")]) == 0
    written = {path.stem for path in (tmp_path / "man1").iterdir()}
    assert written == {"-".join(command.words) for command in tree_of(main.parser()).walk()}
    lint = subprocess.run([needs("mandoc"), "-T", "lint", "-W", "warning", *map(str, (tmp_path / "man1").iterdir())],
                          capture_output=True, text=True)  # fmt: skip
    # The pages have no date: they are made again with each version, which they name.
    assert [line for line in lint.stdout.splitlines() if "missing date" not in line] == []


def test_a_page_has_options_examples_and_neighbours(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["man", "policy", "run"]) == 0
    roff = capsys.readouterr().out
    shown = subprocess.run([needs("mandoc"), "-T", "utf8"], input=roff, capture_output=True, text=True).stdout
    plain = _without_overstrikes(shown)
    for text in ("--allow-context-aware", "an AdmissionReview, an AdmissionRequest", "EXIT STATUS", "edged-policy(1)"):
        assert text in plain
    assert "'{\"labels\": []}'" in plain


def _without_overstrikes(text: str) -> str:
    """Bold and underlined letters are written as letter, backspace, letter."""
    kept: list[str] = []
    for letter in text:
        if letter == "\b":
            kept.pop()
        else:
            kept.append(letter)
    return "".join(kept)


def test_a_command_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["man", "policy", "tset"]) == 2
    assert "there is no command 'policy tset'; did you mean policy test?" in capsys.readouterr().err
