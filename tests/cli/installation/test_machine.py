"""Calls of the distribution's programs: stand-ins in PATH that write down how they were called."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from edged.cli.installation.machine import MADE_BY, CommandFailed, Machine, run

USER = "edged-user-of-no-machine"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of its own."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def stand_in(folder: Path, name: str, *, says: str = "", code: int = 0) -> None:
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >> {folder}/calls\necho "{says}"\nexit {code}\n')
    path.chmod(0o755)


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_a_user_is_made_by_useradd(programs: Path) -> None:
    for name in ("groupadd", "useradd"):
        stand_in(programs, name)
    Machine().add_user(USER, Path("/var/lib/edged"))
    group, user = calls(programs)
    assert group == f"groupadd --system {USER}"
    assert user.startswith(f"useradd --system --gid {USER} --home-dir /var/lib/edged --no-create-home --shell /")
    assert user.endswith(f" --comment made by edged init {USER}")


def test_or_by_busybox(programs: Path) -> None:
    for name in ("addgroup", "adduser"):
        stand_in(programs, name)
    Machine().add_user(USER, Path("/var/lib/edged"))
    assert calls(programs)[0] == f"addgroup -S {USER}"
    assert calls(programs)[1].startswith("adduser -S -D -H -h /var/lib/edged ")
    assert calls(programs)[1].endswith(f" -g made by edged init {USER}")


def test_a_user_that_init_made_is_told_by_its_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    root = pwd.getpwnam("root")
    assert not Machine().made_user("root") and not Machine().made_user("nobody-of-that-name")
    made = pwd.struct_passwd((*root[:4], MADE_BY, *root[5:]))
    monkeypatch.setattr(pwd, "getpwnam", lambda name: made)
    assert Machine().made_user(USER)


def test_where_there_is_neither_it_says_what_to_do(programs: Path) -> None:
    with pytest.raises(CommandFailed, match="make a system user and group"):
        Machine().add_user(USER, Path("/x"))


def test_who_is_there_already_is_not_made(programs: Path) -> None:
    stand_in(programs, "useradd")
    Machine().add_user("root", Path("/x"))
    Machine().remove_user(USER)
    assert not (programs / "calls").exists()
    found = Machine().user("root")
    assert found is not None and (found.uid, found.gid) == (0, 0) and Machine().user(USER) is None


@pytest.mark.parametrize(
    ("says", "version"), [("systemd 252 (252.39-1~deb12u1)", 252), ("systemd 257", 257), ("?", None)]
)
def test_the_version_of_systemd(programs: Path, says: str, version: int | None) -> None:
    assert not Machine().has_systemd and Machine().systemd_version() is None
    stand_in(programs, "systemctl", says=says)
    assert Machine().has_systemd and Machine().systemd_version() == version


def test_a_failure_has_the_command_and_what_it_said(programs: Path) -> None:
    stand_in(programs, "userdel", says="in use", code=8)
    with pytest.raises(CommandFailed, match="userdel x: in use"):
        run(["userdel", "x"])
    with pytest.raises(CommandFailed, match="nothing: No such file"):
        run(["nothing"])
