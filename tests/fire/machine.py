"""Words before a command that change what its process sees of the machine: its user, its clock, its name servers, its
disk. All but the clock need root rights; who lacks them gets NotRun."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import glob
from pathlib import Path

from tests.fire.rows import NotRun

NOBODY = 65534
FAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"
# A home that nobody else may search is covered, and the paths that the interpreter needs are put back in.
SEARCHABLE = """set -e
for path in $1; do
  keep=$3/$(echo "$path" | tr / _)
  mkdir -p "$keep"; mount --bind "$path" "$keep"
done
for closed in $2; do mount -t tmpfs -o mode=755 none "$closed"; done
for path in $1; do mkdir -p "$path"; mount --bind "$3/$(echo "$path" | tr / _)" "$path"; done
shift 3
exec "$@"
"""
BLACK_HOLE = "127.0.0.77"


def need_root(why: str) -> None:
    """Raises NotRun unless this is root with the programs that every row of this kind uses."""
    if os.geteuid() != 0:
        raise NotRun(f"{why}: run it as root")
    for program in ("unshare", "mount", "setpriv"):
        if shutil.which(program) is None:
            raise NotRun(f"{why}: {program} is not installed: apt-get install util-linux mount")


def as_nobody(folder: Path) -> list[str]:
    """The process is the user nobody without any capability; `folder` is one for mount points."""
    need_root("another user")
    needed = {Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), Path(__file__).resolve().parents[2]}
    closed = {parent for path in needed for parent in path.parents if not parent.stat().st_mode & 0o001}
    inside = [path for path in needed if closed & set(path.parents)]
    drop = ["--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", *drop]
    if not inside:
        return user
    top = [path for path in closed if not closed & set(path.parents)]
    words = [" ".join(map(str, paths)) for paths in (inside, top)]
    return ["unshare", "--mount", "/bin/sh", "-c", SEARCHABLE, "sh", *words, str(folder), *user]


def with_resolv_conf(file: Path) -> list[str]:
    """The process asks the name servers in that file."""
    need_root("other name servers")
    script = 'mount --bind "$1" /etc/resolv.conf; shift; exec "$@"'
    return ["unshare", "--mount", "/bin/sh", "-ec", script, "sh", str(file)]


@contextmanager
def black_hole() -> Iterator[str]:
    """The address of a name server that takes questions and answers none."""
    need_root("a name server")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taking:
        try:
            taking.bind((BLACK_HOLE, 53))
        except OSError as error:
            raise NotRun(f"no name server can listen on {BLACK_HOLE}:53: {error}") from error
        end = threading.Event()
        taking.settimeout(0.2)

        def take() -> None:
            while not end.is_set():
                with suppress(TimeoutError):
                    taking.recv(4096)

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield BLACK_HOLE
        end.set()
        thread.join()


class Clock:
    """The clock of a process that was started with `environment`; `set` moves it while the process runs. What measures
    durations is left alone, as it is when somebody sets a clock. Raises NotRun without libfaketime."""

    def __init__(self, folder: Path) -> None:
        found = sorted(glob(FAKETIME))
        if not found:
            raise NotRun("libfaketime is not installed: apt-get install faketime")
        self._file = folder / "clock"
        self.environment = {
            "LD_PRELOAD": found[0],
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",  # seconds; without it every look at the clock reads the file
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # a way around old versions of glibc that makes waits longer
        }
        self.set(0)

    def set(self, offset_s: float) -> None:
        """So far from the right time."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset_s:+.0f}\n")
        new.replace(self._file)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """The folder is a file system of its own, of that size."""
    need_root("a small disk")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise NotRun(f"a small disk: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


def fill(folder: Path) -> Path:
    """Writes until the disk takes no more; -> the file that fills it."""
    filler = folder / "filler"
    with suppress(OSError), filler.open("ab", buffering=0) as file:
        while file.write(b"\0" * 65536):
            pass
    with suppress(OSError), filler.open("ab", buffering=0) as file:
        while file.write(b"\0"):
            pass
    return filler
