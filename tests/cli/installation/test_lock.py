"""Two installations at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edged.cli.installation.lock import only_one
from edged.errors import EdgedError

HOLD = """
import sys, pathlib
from edged.cli.installation.lock import only_one
with only_one(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """Another process that has the lock until its input ends."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_the_second_one_names_the_first_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path) as process:
        with pytest.raises(EdgedError, match=rf"another .*\(pid {process.pid}\): run this again"), only_one(path):
            raise AssertionError("held by both")
        assert path.exists()  # the refused one takes nothing away
        process.communicate("")
    assert not path.exists()
    with only_one(path), pytest.raises(EdgedError, match=rf"\(pid {os.getpid()}\)"), only_one(path):
        pass
    assert not path.exists()


def test_one_that_was_killed_does_not_keep_others_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert path.exists()
        with only_one(path):
            assert path.read_text() == f"{os.getpid()}\n"
    assert not path.exists()


def test_it_is_freed_after_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), only_one(path):
        raise ZeroDivisionError
    with only_one(path):
        pass


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EdgedError, match="No such file"), only_one(tmp_path / "gone/lock"):
        pass
