"""Whose rights `edged doctor` checks: those of the user that the unit starts the daemon as.

Root may read everything, so what root can open says nothing about the daemon. Run as root, the checks of files and of
the API server happen in a child process that has become that user; the kernel then answers as it would answer the
daemon, access lists included.
"""

from __future__ import annotations

import grp
import os
import pwd
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import NoReturn

from edged.cli.doctor.findings import FAIL, Finding
from edged.json_text import dumps, loads


@dataclass(frozen=True, slots=True)
class Account:
    """A user as the system knows it."""

    name: str
    uid: int
    gid: int
    home: str


def current() -> Account:
    """Who runs this process."""
    with suppress(KeyError):
        return _account(pwd.getpwuid(os.geteuid()))
    return Account(str(os.geteuid()), os.geteuid(), os.getegid(), os.environ.get("HOME", "/"))


def named(user: str) -> Account | None:
    """The account of a name or number; None where there is none."""
    with suppress(KeyError, ValueError):
        return _account(pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user))
    return None


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def checked_as(unit_user: str) -> Account:
    """For whom to check: root checks for the unit's user, everybody else for themselves."""
    if os.geteuid() == 0 and unit_user and (found := named(unit_user)) is not None:
        return found
    return current()


def findings_as(account: Account, check: Callable[[], list[Finding]]) -> list[Finding]:
    """What `check` finds with the rights of that user. Only root can become somebody else."""
    if account.uid == os.geteuid():
        return check()
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(account, check, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if status or not answer:
        why = f"the checks as user {account.name} ended with status {status}"
        return [Finding("checks", FAIL, why, "run `runuser -u " + account.name + " -- edged doctor`")]
    return [Finding(**entry) for entry in loads(answer)]


def _answer(account: Account, check: Callable[[], list[Finding]], writing: int) -> NoReturn:
    """The child: becomes the user, writes its findings, and ends without anything of its parent's."""
    status = 1
    try:
        _become(account)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(dumps([asdict(finding) for finding in check()]))
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _become(account: Account) -> None:
    """With the environment that systemd gives a service: a home, and no kubeconfig of the caller's."""
    groups = os.getgrouplist(account.name, account.gid) if named(account.name) else [account.gid]
    os.setgroups(groups)
    os.setgid(account.gid)
    os.setuid(account.uid)
    os.environ.pop("KUBECONFIG", None)
    os.environ["HOME"] = account.home


def group_of(account: Account) -> str:
    """The name of the user's own group, for `chown`."""
    with suppress(KeyError):
        return grp.getgrgid(account.gid).gr_name
    return str(account.gid)
