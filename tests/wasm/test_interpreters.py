"""Which interpreters tests/wasm/interpreters.py finds, and when it fails. It runs in CI, not here."""

import os
import subprocess
import sys

import pytest

from tests.debian import Missing
from tests.wasm import interpreters
from tests.wasm.interpreters import Interpreter, Result

HERE = Interpreter("here", "3.11.7", "/usr/bin/python3")


def test_finds_each_supported_python_once(monkeypatch):
    base = getattr(sys, "_base_executable", sys.executable)
    folder = os.path.dirname(base)
    monkeypatch.setenv("PATH", os.pathsep.join([folder, folder, os.environ["PATH"]]))
    found = [os.path.realpath(interpreter.executable) for interpreter in interpreters.installed()]
    assert os.path.realpath(base) in found
    assert len(found) == len(set(found))


def test_a_python_of_another_version_is_not_taken(tmp_path, monkeypatch):
    newer = tmp_path / "python3.15"
    newer.write_text("#!/bin/sh\necho '[[3, 15, 0], \"/newer\"]'\n")
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\nexit 1\n")
    for path in (newer, broken):
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not [found for found in interpreters.installed() if found.version.startswith("3.15")]


@pytest.mark.parametrize(
    ("output", "code", "wrong"),
    [
        ('{"calls": {"add": 2, "trap": 3}, "rss_mib": [40.0, 41.5], "wrong": []}', 0, []),
        ('{"calls": {"add": 2, "trap": 3}, "rss_mib": [40.0, 41.5], "wrong": ["a lie"]}', 1, ["a lie"]),
        ("", -11, ["torture: exit code -11 | Segmentation fault"]),
    ],
)
def test_reads_what_the_torture_test_printed(monkeypatch, output, code, wrong):
    def run(*command, timeout):
        if "pytest" in command:
            return subprocess.CompletedProcess(command, 0, "", "")
        return subprocess.CompletedProcess(command, code, output, "Segmentation fault" if code < 0 else "")

    monkeypatch.setattr(interpreters, "run", run)
    monkeypatch.setattr(interpreters, "environment", lambda interpreter: "python")
    result = interpreters.torture(HERE, 1, 1)
    assert result.wrong == wrong
    assert (result.calls, result.rss_mib) == ((5, 41.5) if output else (0, 0.0))


def main(monkeypatch, *arguments, ci=False, roots=True, torture=lambda *_: Result("here", "3.11.7", 1, 1.0, [])):
    """Exit code where only `HERE` is installed and only Debian sid's root can be had."""

    def from_debian(release):
        if release != "sid":
            raise Missing("no mirror")
        return Interpreter("debian-sid", "3.14.10", "/usr/bin/python3")

    monkeypatch.setattr(interpreters, "installed", lambda: [HERE])
    monkeypatch.setattr(interpreters, "from_debian", from_debian)
    monkeypatch.setattr(interpreters, "torture", torture)
    monkeypatch.setattr(interpreters, "can_make_roots", lambda: roots)
    monkeypatch.setattr(sys, "argv", ["interpreters", *arguments])
    monkeypatch.setenv("CI", "true") if ci else monkeypatch.delenv("CI", raising=False)
    return interpreters.main()


def test_a_root_is_required_where_it_was_asked_for_and_in_ci_where_it_can_be_made(monkeypatch, capsys):
    assert main(monkeypatch) == 0
    assert "not there: trixie: no mirror" in capsys.readouterr().out
    assert main(monkeypatch, "--root", "sid") == 0
    assert main(monkeypatch, "--root", "trixie") == 1
    assert main(monkeypatch, ci=True) == 1
    assert main(monkeypatch, ci=True, roots=False) == 0


def test_one_wrong_answer_fails(monkeypatch, capsys):
    assert main(monkeypatch, torture=lambda *_: Result("here", "3.11.7", 1, 1.0, ["a lie"])) == 1
    assert "a lie" in capsys.readouterr().out
