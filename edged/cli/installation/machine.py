"""The calls that look at and change users and systemd: one small boundary, which tests replace.

Everything else that an installation does to a machine is reading and writing files below the paths of `layout.py`.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edged.errors import EdgedError

COMMAND_S = 60.0
MADE_BY = "made by edged init"
"""The comment of the user: by it uninstall knows the user again that it may delete."""
SYSTEMD_RUNS = Path("/run/systemd/system")


class CommandFailed(EdgedError):
    """A program of the distribution failed; the message has its command line and what it said."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns a file, by number."""

    uid: int
    gid: int


class Machine:
    """This machine."""

    @property
    def is_linux(self) -> bool:
        return sys.platform == "linux"

    @property
    def root(self) -> Owner:
        """The administrator."""
        return Owner(0, 0)

    @property
    def is_root(self) -> bool:
        return os.geteuid() == 0

    def user(self, name: str) -> Owner | None:
        """The user and the group of that name; None where one of them is missing."""
        try:
            return Owner(pwd.getpwnam(name).pw_uid, grp.getgrnam(name).gr_gid)
        except KeyError:
            return None

    def add_user(self, name: str, home: Path) -> None:
        """A system user with a group of its name, by whatever the distribution has. Raises CommandFailed."""
        shell = next((path for path in ("/usr/sbin/nologin", "/sbin/nologin") if os.path.exists(path)), "/bin/false")
        if shutil.which("useradd"):
            if not _has_group(name):
                self._run("groupadd", "--system", name)
            if not _has_user(name):
                self._run("useradd", "--system", "--gid", name, "--home-dir", str(home), "--no-create-home",
                          "--shell", shell, "--comment", MADE_BY, name)
        elif shutil.which("adduser"):  # busybox
            if not _has_group(name):
                self._run("addgroup", "-S", name)
            if not _has_user(name):
                self._run("adduser", "-S", "-D", "-H", "-h", str(home), "-s", shell, "-G", name, "-g", MADE_BY, name)
        else:
            raise CommandFailed(f"neither useradd nor adduser is in PATH: make a system user and group {name!r}, "
                                "and run this again")

    def made_user(self, name: str) -> bool:
        """Whether `add_user` made that user."""
        try:
            return pwd.getpwnam(name).pw_gecos == MADE_BY
        except KeyError:
            return False

    def remove_user(self, name: str) -> None:
        """The user, and its group where that is left. Raises CommandFailed."""
        if _has_user(name):
            self._run(*(["userdel", name] if shutil.which("userdel") else ["deluser", name]))
        if _has_group(name):
            self._run(*(["groupdel", name] if shutil.which("groupdel") else ["delgroup", name]))

    def closed(self, path: Path) -> str:
        """Why users that are neither its owner nor in its group cannot read a file or enter a folder; "" where they
        can."""
        try:
            mode = path.stat().st_mode
        except OSError as error:
            return f"{path}: {error.strerror}"
        needed = stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH
        return "" if mode & needed else f"{path} is closed to other users, and the daemon runs as one"

    def unreadable_for(self, name: str, path: Path) -> str:
        """Why that user cannot read a file, as far as its mode says; "" where it can, or where there is no such
        user."""
        user = self.user(name)
        if user is None:
            return ""
        try:
            found = path.stat()
        except OSError as error:
            return f"{path}: {error.strerror}"
        bit = stat.S_IRUSR if found.st_uid == user.uid else stat.S_IRGRP if found.st_gid == user.gid else stat.S_IROTH
        return "" if found.st_mode & bit else f"user {name} may not read {path}"

    def is_free(self, host: str, port: int) -> bool:
        """Whether nobody listens there, so that the daemon can."""
        try:
            with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
                return True
        except OSError:
            return False

    def give(self, path: Path, owner: Owner, folder: int | None = None) -> None:
        """`folder`: its folder, as a descriptor; then only the name counts. Raises OSError."""
        where = path if folder is None else path.name
        os.chown(where, owner.uid, owner.gid, dir_fd=folder, follow_symlinks=False)

    @contextmanager
    def acting_as(self, owner: Owner) -> Iterator[None]:
        """With that user's rights, for work in folders of theirs: a link that they put there leads root nowhere."""
        if owner.uid == os.geteuid():
            yield
            return
        user, group, groups = os.geteuid(), os.getegid(), os.getgroups()
        os.setgroups([owner.gid])
        os.setegid(owner.gid)
        os.seteuid(owner.uid)
        try:
            yield
        finally:
            os.seteuid(user)
            os.setegid(group)
            os.setgroups(groups)

    @property
    def has_systemd(self) -> bool:
        return shutil.which("systemctl") is not None

    @property
    def systemd_runs(self) -> bool:
        """False in containers and in image builds."""
        return SYSTEMD_RUNS.is_dir()

    def systemd_version(self) -> int | None:
        """None where it cannot be told."""
        try:
            found = re.match(r"systemd (\d+)", self._run("systemctl", "--version"))
        except CommandFailed:
            return None
        return int(found[1]) if found else None

    def systemctl(self, *arguments: str) -> str:
        """What it wrote. Raises CommandFailed."""
        return self._run("systemctl", *arguments)

    def _run(self, *command: str) -> str:
        return run(command)


def run(command: Sequence[str]) -> str:
    """What the program wrote to stdout. Raises CommandFailed."""
    shown = " ".join(command)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S, check=False,
                              stdin=subprocess.DEVNULL)
    except OSError as error:
        raise CommandFailed(f"{shown}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{shown}: no end within {COMMAND_S:.0f} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise CommandFailed(f"{shown}: {said}")
    return done.stdout


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _has_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True
