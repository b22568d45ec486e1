"""Who listens on a TCP port of this machine, read from /proc. For messages about an address that is in use.

Loaded only where something went wrong, and by `edged doctor`. What the kernel does not show to this user is left out:
without root the processes of other users have no names here, only their user.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

_LISTEN = "0A"
"""The state of a listening socket in /proc/net/tcp."""
_SOCKET = re.compile(r"socket:\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who listens. `pid` 0: a process that this user may not look at; `uid` is then all that is known."""

    pid: int
    name: str
    uid: int

    @property
    def is_edged(self) -> bool:
        """Whether it is edged's daemon."""
        return self.name == "edged run"

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.name})" if self.pid else f"a process of user {_user(self.uid)}"


def holder(port: int, proc: Path = Path("/proc")) -> Holder | None:
    """Who listens on that port, at any address; None where nobody does, or nobody can be seen."""
    inodes: dict[int, int] = {}
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            inodes |= listeners((proc / "net" / name).read_text().splitlines(), port)
    for pid, inode in _open_sockets(proc, inodes):
        return Holder(pid, _program(proc / str(pid)), inodes[inode])
    for uid in inodes.values():
        return Holder(0, "", uid)
    return None


def refusal(error: OSError, port: int) -> str:
    """Why an address cannot be listened on, with the next step where there is a usual one."""
    why = error.strerror or str(error)
    if error.errno == errno.EADDRINUSE:
        return f"{os.strerror(errno.EADDRINUSE)}{_in_use(holder(port))}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{why}; this machine does not have that address (`ip address` shows those it has)"
    if error.errno == errno.EACCES:
        return f"{why}; ports below 1024 need root: choose one from 1024 on"
    return why


def _in_use(found: Holder | None) -> str:
    if found is None:
        return "; stop the program that listens there, or choose another port"
    if found.is_edged:
        return f" by {found}: edged runs already"
    return f" by {found}; stop it, or choose another port"


def listeners(lines: Iterable[str], port: int) -> dict[int, int]:
    """Lines of /proc/net/tcp -> inode of each socket that listens on that port, and the user it belongs to."""
    found = {}
    for line in lines:
        words = line.split()
        if len(words) > 9 and words[3] == _LISTEN and int(words[1].rpartition(":")[2], 16) == port:
            found[int(words[9])] = int(words[7])
    return found


def _open_sockets(proc: Path, inodes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """(process, inode) of those sockets, as far as this user may see them."""
    wanted = set(inodes)
    if not wanted:
        return
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError):
            for entry in os.listdir(folder / "fd"):
                with suppress(OSError):
                    match = _SOCKET.fullmatch(os.readlink(folder / "fd" / entry))
                    if match and int(match[1]) in wanted:
                        yield int(folder.name), int(match[1])


def _program(folder: Path) -> str:
    """`edged run` for edged's commands, however Python was started; else the name that ps shows."""
    with suppress(OSError):
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        for word, following in pairwise(words):
            if os.path.basename(word) == "edged" or word.endswith("/edged/__main__.py"):
                return f"edged {following}".strip()
        return (folder / "comm").read_text().strip()
    return "?"


def _user(uid: int) -> str:
    import pwd

    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)
