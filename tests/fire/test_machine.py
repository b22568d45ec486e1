"""The words before a command, and the clock's file. What needs root rights is shown by the rows themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fire import machine
from tests.fire.machine import Clock, as_nobody, need_root
from tests.fire.rows import NotRun


def test_the_clock_is_moved_by_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "FAKETIME", str(tmp_path / "libfaketime.so"))
    with pytest.raises(NotRun, match="apt-get install faketime"):
        Clock(tmp_path)
    (tmp_path / "libfaketime.so").touch()
    clock = Clock(tmp_path)
    file = Path(clock.environment["FAKETIME_TIMESTAMP_FILE"])
    assert file.read_text() == "+0\n"
    clock.set(-86400.0 * 100)
    assert file.read_text() == "-8640000\n"


def test_who_is_not_root_cannot_run_some_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NotRun, match="a small disk: run it as root"):
        need_root("a small disk")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root rights")
def test_nobody_can_run_python_and_read_nothing_else(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    script = f"import os, edged; print(os.getuid(), os.access({str(secret)!r}, os.R_OK))"
    command = [*as_nobody(tmp_path / "mounts"), sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == f"{machine.NOBODY} False\n", done.stderr
