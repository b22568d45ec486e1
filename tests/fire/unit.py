"""What the systemd unit lets edged use, read from the unit itself, and a memory cgroup that does the same here.

Works on both versions of the cgroup hierarchy. Who may not make a group, because of missing rights or a kernel without
memory accounting, gets NotRun: a row without the limit would prove something else.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.fire.rows import NotRun

UNIT = Path(__file__).parents[2] / "systemd" / "edged.service"
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
ENTER = 'echo $$ >"$1/cgroup.procs" || exit 125; ulimit -n "$2"; shift 2; exec "$@"'


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the unit: bytes of memory, open files, and its environment."""

    memory: int
    files: int
    environment: Mapping[str, str]


def unit_limits(text: str | None = None) -> Limits:
    """From the text of a unit; without it, from edged's own."""
    text = UNIT.read_text() if text is None else text
    memory = re.search(r"(?m)^MemoryMax=(\d+)([KMG])$", text)
    files = re.search(r"(?m)^LimitNOFILE=(\d+)$", text)
    if memory is None or files is None:
        raise ValueError("the unit names no MemoryMax= or no LimitNOFILE=")
    words = " ".join(re.findall(r"(?m)^Environment=(.*)$", text)).split()
    environment = dict(word.split("=", 1) for word in words)
    return Limits(int(memory[1]) * UNITS[memory[2]], int(files[1]), environment)


class MemoryGroup:
    """A memory cgroup of our own, with a limit. `close` removes it when nobody is in it any more."""

    def __init__(self, limit: int, *, mounts: str | None = None, own: str | None = None) -> None:
        mounts = Path("/proc/self/mountinfo").read_text() if mounts is None else mounts
        own = Path("/proc/self/cgroup").read_text() if own is None else own
        parent, self.unified = memory_parent(mounts, own)
        if self.unified:
            with suppress(OSError):  # it is on already, or the next lines say what is wrong
                (parent / "cgroup.subtree_control").write_text("+memory")
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="edged-fire-", dir=parent))
            name = "memory.max" if self.unified else "memory.limit_in_bytes"
            (self.folder / name).write_text(str(limit))
        except OSError as error:
            raise NotRun(f"no memory cgroup can be made in {parent}: {error}; run it as root") from error
        if not self.unified:
            with suppress(OSError):  # a kernel without accounting of swap
                (self.folder / "memory.memsw.limit_in_bytes").write_text(str(limit))

    def launcher(self, files: int) -> list[str]:
        """Words before a command: it starts in the group, with so many open files at most."""
        return ["/bin/sh", "-c", ENTER, "sh", str(self.folder), str(files)]

    def kills(self) -> int:
        """How often the kernel killed for want of memory."""
        name = "memory.events" if self.unified else "memory.oom_control"
        found = re.search(r"(?m)^oom_kill (\d+)$", (self.folder / name).read_text())
        return int(found[1]) if found else 0

    def close(self) -> None:
        """Waits a moment: a process that was killed leaves its group a little later."""
        for _ in range(100):
            try:
                self.folder.rmdir()
                return
            except OSError:
                time.sleep(0.05)


def memory_parent(mounts: str, own: str) -> tuple[Path, bool]:
    """Where a group can be made, by the texts of /proc/self/mountinfo and /proc/self/cgroup, and whether the hierarchy
    is the unified one. Raises NotRun."""
    legacy = unified = None
    for line in mounts.splitlines():
        fields, _, filesystem = line.partition(" - ")
        place = fields.split()[4]
        kind, *_, options = filesystem.split()
        if kind == "cgroup" and "memory" in options.split(","):
            legacy = place
        elif kind == "cgroup2":
            unified = place
    paths = dict(line.split(":", 2)[1:] for line in own.splitlines())
    for controllers, path in paths.items():
        if legacy and "memory" in controllers.split(","):
            # The own group may lie outside of what is mounted here.
            inside = Path(legacy + path)
            return (inside if inside.is_dir() else Path(legacy)), False
    if unified is None:
        raise NotRun("no memory cgroup is mounted")
    return Path(unified), True


def raised_file_limit(wanted: int) -> None:
    """Lets this process open so many files. Raises NotRun."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise NotRun(f"this process may open {hard} files, the load needs {wanted}: ulimit -Hn")
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def need_root(why: str) -> None:
    """Raises NotRun unless this is root."""
    if os.geteuid() != 0:
        raise NotRun(f"{why}: run it as root")
