"""Root directories of Debian releases, made once by debootstrap and kept in ~/.cache/edged.

Used by tests/wasm/interpreters.py, which runs the torture test on their Python, and by tests/installation, where the
pages on installing are followed in them.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/*")
# What pip and apt need to know of this machine, for a root of its own.
FROM_HERE = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")


class Missing(Exception):
    """A root, or what was wanted from it, cannot be had, and why."""


def can_make_roots() -> bool:
    return os.geteuid() == 0 and all(map(shutil.which, ("debootstrap", "unshare", "chroot")))


def made_root(release: str, folder: Path, packages: Sequence[str] = ()) -> Path:
    """The root `folder`/root of that release with these packages beside the smallest system. Raises Missing."""
    if not can_make_roots():
        raise Missing("needs root rights, debootstrap and unshare")
    root, stamp = folder / "root", folder / "made"
    with locked(folder):
        if not stamp.exists():
            _run("rm", "-rf", "--one-file-system", str(root))
            say(f"making a root of Debian {release}")
            include = [f"--include={','.join(packages)}"] if packages else []
            done = _run("debootstrap", "--variant=minbase", *include, release, str(root), *mirror())
            if done.returncode:
                raise Missing(f"debootstrap: {last_lines(done)}")
            stamp.touch()
        for path in FROM_HERE:
            if os.path.exists(path):
                os.makedirs(os.path.dirname(f"{root}{path}"), exist_ok=True)
                shutil.copyfile(path, f"{root}{path}")
    return root


def mirror() -> tuple[str, ...]:
    """Where this machine gets Debian's packages from, if it is Debian; else debootstrap has a place of its own."""
    for path in (path for pattern in SOURCES for path in sorted(glob.glob(pattern))):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            places = re.findall(r"^(?:deb |URIs:)[^#\n]*?(https?://\S+/debian)/?(?:\s|$)", Path(path).read_text(), re.M)
            if places:
                return (places[0],)
    return ()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One at a time makes what is in that folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def last_lines(done: subprocess.CompletedProcess[str], count: int = 3) -> str:
    text = (done.stdout + done.stderr).strip().splitlines()[-count:]
    return " | ".join([f"exit code {done.returncode}", *text])


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    try:
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=1200)
    except subprocess.TimeoutExpired as late:
        raise Missing(f"{command[0]} did not end within {late.timeout:.0f} s") from late
