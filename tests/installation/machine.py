"""A machine with a clean Debian: a root directory under an overlay, with processes, mounts and a network of its own.

    with Machine("trixie", tmp_path) as machine:
        machine.run("apt-get update", online=True)

What is changed in it stays in `folder`, and can be the layer below another machine. It dies with the test process,
however that ends. There is no systemd: systemctl.py stands in for it.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.cluster.process import Process, StartError
from tests.debian import can_make_roots, locked, made_root

CACHE = Path.home() / ".cache" / "edged" / "machines"
ADDRESS = "192.0.2.1"
"""The machine's own, beside loopback: of the range for documentation, as tests/cluster/process.py: host_address."""
PIP_CACHE = "/mnt/pip"
OUTSIDE = "/run/outside"
"""The network of the machine that the tests run on, for nsenter."""
# Whom this machine trusts: its package index may have an authority of its own.
AUTHORITIES, AUTHORITIES_INSIDE = Path("/etc/ssl/certs/ca-certificates.crt"), "/mnt/authorities.crt"

START = f"""set -e
root=$1 cache=$2 layers=$3 outside=$4
mount -t overlay overlay -o "$layers" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir -p "$root/run/systemd/system" "$root{PIP_CACHE}"
touch "$root{OUTSIDE}"
mount --bind "/proc/$outside/ns/net" "$root{OUTSIDE}"
mount --bind "$cache/pip" "$root{PIP_CACHE}"
mount --bind "$cache/archives" "$root/var/cache/apt/archives"
ip link set lo up
ip address add {ADDRESS}/32 dev lo
hostname board
exec chroot "$root" sh -c 'echo ready; while :; do sleep 1000000 & wait $!; done'
"""
ENVIRONMENT = {
    "HOME": "/root",
    "USER": "root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "PIP_CACHE_DIR": PIP_CACHE,
}
# How this machine reaches its package registries.
FROM_HERE = ("PIP_", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
CLONE_NEWNET = 0x40000000


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    output: str
    """stdout and stderr as on a terminal."""


def lacking() -> str:
    """Why there can be no such machine here; empty if there can."""
    if not can_make_roots():
        return "clean Debian roots need root rights, debootstrap and unshare"
    missing = [name for name in ("ip", "nsenter", "hostname") if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


class Machine:
    """`below`: folders of earlier machines whose changes this one begins with, the newest first."""

    def __init__(self, release: str, folder: Path, below: Sequence[Path] = ()) -> None:
        self.release = release
        self.folder = folder
        self._below = [path / "changes" for path in below]
        self._cache = CACHE / f"packages-{release}"
        self._process: Process | None = None
        self._init = 0

    def __enter__(self) -> Self:
        bare = made_root(self.release, CACHE / f"debian-{self.release}")
        for path in (self._cache / "pip", self._cache / "archives" / "partial"):
            path.mkdir(parents=True, exist_ok=True)
        for name in ("changes", "work", "root"):
            (self.folder / name).mkdir(parents=True)
        lower = ":".join(map(str, [*self._below, bare]))
        layers = f"lowerdir={lower},upperdir={self.folder / 'changes'},workdir={self.folder / 'work'}"
        namespaces = ["--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--propagation=private"]
        start = ["sh", "-c", START, "sh", str(self.folder / "root"), str(self._cache), layers, str(os.getpid())]
        process = Process(["unshare", *namespaces, *start], self.folder / "log")
        self._process = process
        try:
            process.wait_until(lambda: "ready" in process.output())
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            self._init = int(children.split()[0])
            if self.path("").samefile("/"):
                raise StartError("the machine's root is this machine's own")
            self._lay_stand_ins()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None
        shutil.rmtree(self.folder / "work", ignore_errors=True)

    def path(self, inside: str) -> Path:
        """A file of the machine, seen from here."""
        return Path(f"/proc/{self._init}/root/{inside}")

    def write(self, inside: str, content: str | bytes, mode: int = 0o644) -> None:
        """A file of root's, with its folders."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)

    def run(self, command: str, *, online: bool = False, timeout_s: float = 300.0) -> Done:
        """One line in a shell of its own, as root in root's home. `online`: with this machine's network instead of the
        machine's own, and alone in using its caches."""
        arguments = [*self._enter(online), "bash", "-c", command]
        with locked(self._cache) if online else _nothing():
            done = subprocess.run(
                arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                timeout=timeout_s, check=False,
            )  # fmt: skip
        return Done(done.returncode, done.stdout)

    def shell(self) -> int:
        """An interactive one, in which `online COMMAND` does what `online` does for `run`. Its exit code."""
        variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in self._environment(True).items())
        self.write("usr/local/sbin/online", f'#!/bin/sh\nexec env {variables} nsenter --net={OUTSIDE} "$@"\n', 0o755)
        return subprocess.call([*self._enter(False), f"TERM={os.environ.get('TERM', 'dumb')}", "bash", "-i"])

    @contextmanager
    def network(self) -> Iterator[None]:
        """This thread, and what it starts, in the machine's network."""
        libc = ctypes.CDLL(None, use_errno=True)
        own, other = (os.open(f"/proc/{name}/ns/net", os.O_RDONLY) for name in ("thread-self", self._init))
        try:
            _enter(libc, other)
            try:
                yield
            finally:
                _enter(libc, own)
        finally:
            os.close(own)
            os.close(other)

    def _enter(self, online: bool) -> list[str]:
        """The beginning of a command line that runs in the machine."""
        enter = ["nsenter", f"--target={self._init}", "--mount", "--uts", "--ipc", "--pid", "--root"]
        enter += [] if online else ["--net"]
        variables = [f"{name}={value}" for name, value in self._environment(online).items()]
        return [*enter, "env", "-i", "-C", "/root", *variables]

    def _environment(self, online: bool) -> Mapping[str, str]:
        if not online:
            return ENVIRONMENT
        here = {name: value for name, value in os.environ.items() if name.startswith(FROM_HERE)}
        return here | ENVIRONMENT | ({"PIP_CERT": AUTHORITIES_INSIDE} if AUTHORITIES.exists() else {})

    def _lay_stand_ins(self) -> None:
        if AUTHORITIES.exists():
            self.write(AUTHORITIES_INSIDE, AUTHORITIES.read_bytes())
        text = (Path(__file__).parent / "systemctl.py").read_bytes()
        for name in ("systemctl", "journalctl"):
            self.write(f"usr/bin/{name}", text, 0o755)


def _enter(libc: ctypes.CDLL, namespace: int) -> None:
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def _nothing() -> Iterator[None]:
    yield
