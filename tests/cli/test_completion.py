"""Completion scripts, as the shells themselves run them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from edged.cli import main
from edged.cli.command_tree import tree_of
from edged.cli.completion import SCRIPTS
from tests.programs import needs

CASES = [
    ("edged stat", {"status"}),
    ("edged policy r", {"run", "rm"}),
    ("edged policy run --kubec", {"--kubeconfig"}),
    ("edged status -o ", {"table", "wide", "json", "yaml"}),
    ("edged --version stat", {"status"}),
    ("edged completion z", {"zsh"}),
    ("edged schedule simulate --html pag", {"page.html"}),
    ("edged compile pag", {"page.html"}),
]
"""(what is typed, words that must be offered). `page.html` is a file in the current folder."""

BASH = """
source "$1"; COMP_WORDS=($2); [[ $2 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _edged; printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
compdef() { }
_describe() { for entry in $found; do print -r -- ${entry%%:*}; done }
_files() { print -rl -- * }
source "$1"; words=(${=2}); [[ $2 == *" " ]] && words+=("")
CURRENT=${#words}; _edged
"""
FISH = "source $argv[1]; complete -C $argv[2] | string split -f1 \\t"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for shell, script in SCRIPTS.items():
        (tmp_path / f"edged.{shell}").write_text(script(tree_of(main.parser())))
    (tmp_path / "page.html").touch()
    return tmp_path


def completed(shell: str, code: str, typed: str, folder: Path) -> set[str]:
    given = [f"edged.{shell}", typed] if shell == "fish" else [shell, f"./edged.{shell}", typed]
    options = ["--no-config"] if shell == "fish" else ["-f"] if shell == "zsh" else ["--norc"]
    done = subprocess.run([needs(shell), *options, "-c", code, *given], capture_output=True, text=True, cwd=folder,
                          env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"})  # fmt: skip
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize(("typed", "offered"), CASES, ids=[typed for typed, _ in CASES])
@pytest.mark.parametrize(("shell", "code"), [("bash", BASH), ("zsh", ZSH), ("fish", FISH)], ids=["bash", "zsh", "fish"])
def test_shells_offer_what_may_come_next(shell: str, code: str, typed: str, offered: set[str], folder: Path) -> None:
    found = completed(shell, code, typed, folder)
    if shell == "zsh":  # its own _describe leaves out what does not begin with the word
        found = {word for word in found if word.startswith(typed.split(" ")[-1])}
    assert offered <= found
    assert all(word.startswith(typed.split(" ")[-1]) for word in found)


def test_the_command_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in SCRIPTS:
        assert main.main(["completion", shell]) == 0
        assert f"edged completion {shell}" in capsys.readouterr().out
    assert main.main(["completion", "tcsh"]) == 2
    assert "possible: bash, zsh, fish" in capsys.readouterr().err
