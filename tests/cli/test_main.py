"""The command line's frame: what is offered, what is imported, exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edged import cli
from edged.errors import ConfigError, EdgedError, PeerError


def edged(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edged", *args],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        **options,
    )


def test_help_lists_every_command_that_exists() -> None:
    shown = edged("--help")
    assert shown.returncode == 0
    folder = Path(cli.__file__).parent
    for command, summary in cli.COMMANDS.items():
        exists = any((folder / name).exists() for name in (f"{command}.py", command))
        assert (summary in " ".join(shown.stdout.split())) == exists, command


def test_every_file_is_a_known_command() -> None:
    folder = Path(cli.__file__).parent
    shared = {"__init__", "output"}
    for path in folder.glob("*.py"):
        if path.stem not in shared and "def add_parser" in path.read_text():
            assert path.stem in cli.COMMANDS


@pytest.mark.parametrize(
    "command", [name for name in cli.COMMANDS if (Path(cli.__file__).parent / f"{name}.py").exists()]
)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code == 0
    assert f"edged {command}" in capsys.readouterr().out


def test_version_imports_nothing_heavy() -> None:
    code = (
        "import sys; from edged import cli; cli.main(['version']); "
        "print({'wasmtime', 'trio', 'lightkube', 'httpx2'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "set()"
    assert "wasmtime" in done.stdout


def test_usage_errors_are_2() -> None:
    for args in ((), ("nonsense",), ("version", "--nonsense")):
        done = edged(*args)
        assert done.returncode == 2, args
        assert done.stdout == ""
        assert "usage:" in done.stderr


class Fails:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def add_parser(self, subparsers: Any) -> None:
        subparsers.add_parser("version")

    def run(self, args: Any) -> int:
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ConfigError("bad key"), 2, "edged: bad key\n"),
        (ConfigError("f:1: a\nf:2: b"), 2, "edged:\nf:1: a\nf:2: b\n"),
        (PeerError("away"), 1, "edged: away\n"),
        (KeyboardInterrupt(), 130, ""),
        (BaseExceptionGroup("", [KeyboardInterrupt()]), 130, ""),
        (ExceptionGroup("", [ExceptionGroup("", [PeerError("away")]), EdgedError("other")]), 1,
         "edged: away\nedged: other\n"),
        (ExceptionGroup("", [PeerError("away"), ConfigError("bad")]), 2, "edged: away\nedged: bad\n"),
    ],
)  # fmt: skip
def test_errors_become_messages_and_codes(
    error: BaseException,
    code: int,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli, "_load", lambda command: Fails(error))
    assert cli.main(["version"]) == code
    assert capsys.readouterr().err == text


def test_bugs_are_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        cli, "_load", lambda command: Fails(ExceptionGroup("", [PeerError("a"), ValueError("bug")]))
    )
    with pytest.raises(ExceptionGroup):
        cli.main(["version"])


def test_a_closed_pipe_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "edged", "version"], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert done.returncode == 141
    assert done.stderr == ""


def test_a_reload_that_is_asked_for_too_early_ends_nothing(tmp_path: Path) -> None:
    """SIGHUP ends a process that has not said otherwise: from its first line on, `run` has."""
    before = signal.getsignal(signal.SIGHUP)
    try:
        assert cli.main(["run", "--config", str(tmp_path / "none.toml")]) == 2
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
