"""A node in a temporary folder: its layout, a machine that makes no users and calls no systemctl, an API server."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import trio

from edged.cli.installation.install import Place
from edged.cli.installation.layout import Distribution, Layout
from edged.cli.installation.machine import CommandFailed, Machine, Owner
from edged.cli.installation.program import Program
from edged.sandbox.server import Sandbox, serve

ROOT = Path(__file__).parents[3]
MODULE = ROOT / "modules/admission/pod-privileged/pod-privileged.wasm"


class FakeMachine(Machine):
    """Everybody is the user who runs the tests. `calls` are those that would have changed the machine."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.users: set[str] = set()
        self.made: set[str] = set()
        self.calls: list[str] = []
        self.linux = self.root_user = self.systemd = True
        self.version: int | None = 257
        self.taken: set[int] = set()
        """Ports at which somebody listens."""
        self.broken = ""
        """A call that fails."""

    @property
    def root(self) -> Owner:
        return Owner(os.geteuid(), os.getegid())

    @property
    def is_linux(self) -> bool:
        return self.linux

    @property
    def is_root(self) -> bool:
        return self.root_user

    def user(self, name: str) -> Owner | None:
        return self.root if name in self.users else None

    def closed(self, path: Path) -> str:
        return super().closed(path) if path.is_relative_to(self._root) and path != self._root else ""

    def is_free(self, host: str, port: int) -> bool:
        return port not in self.taken

    def add_user(self, name: str, home: Path) -> None:
        self._call(f"useradd {name}")
        self.users.add(name)
        self.made.add(name)

    def made_user(self, name: str) -> bool:
        return name in self.made

    def remove_user(self, name: str) -> None:
        self._call(f"userdel {name}")
        self.users.discard(name)

    @property
    def has_systemd(self) -> bool:
        return self.systemd

    @property
    def systemd_runs(self) -> bool:
        return self.systemd

    def systemd_version(self) -> int | None:
        return self.version

    def systemctl(self, *arguments: str) -> str:
        self._call(" ".join(("systemctl", *arguments)))
        return ""

    def _call(self, call: str) -> None:
        if self.broken and self.broken in call:
            raise CommandFailed(f"{call}: no")
        self.calls.append(call)


def layout(root: Path) -> Layout:
    return Layout(
        folder=root / "etc/edged", state=root / "var/lib/edged", cache=root / "var/cache/edged",
        socket=root / "run/edged.sock", static=root / "etc/edged/static", modules=root / "usr/lib/edged/modules",
        units=root / "etc/systemd/system", packaged_units=(), link=root / "usr/local/bin/edged",
        program_path=(root / "usr/local/bin", root / "usr/bin"), hidden=(root / "root",),
        lock=root.with_name(f"{root.name}.lock"),
        distributions=(Distribution(name="k3s", kubeconfig=root / "etc/rancher/k3s/k3s.yaml"),
                       Distribution(name="kubeadm", kubeconfig=root / "etc/kubernetes/admin.conf")),
    )  # fmt: skip


def program(root: Path) -> Program:
    """As pip would have installed it below `root`/opt/edged."""
    script, module = root / "opt/edged/bin/edged", root / "opt/edged/share/edged/modules" / MODULE.name
    for path, content in ((script, b"#!/bin/sh\n"), (module, MODULE.read_bytes())):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    script.chmod(0o755)
    return Program(script, module, ROOT / "systemd", ROOT / "config/edged.toml", (), True)


def place(root: Path) -> Place:
    (root / "run").mkdir(exist_ok=True)
    return Place(FakeMachine(root), layout(root), program(root))


def machine(where: Place) -> FakeMachine:
    assert isinstance(where.machine, FakeMachine)
    return where.machine


def without_sample(where: Place) -> Place:
    """A checkout: the module is where the daemon cannot rely on it."""
    return replace(where, program=replace(where.program, is_installed=False))


@asynccontextmanager
async def cluster(where: Place) -> AsyncIterator[Sandbox]:
    """An API server whose kubeconfig is where k3s keeps it."""
    async with trio.open_nursery() as nursery:
        server: Sandbox = await nursery.start(serve)
        path = where.layout.distributions[0].kubeconfig
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(server.kubeconfig()))
        yield server
        nursery.cancel_scope.cancel()


@contextmanager
def cluster_in_thread(where: Place) -> Iterator[Sandbox]:
    """The same for commands, which run a loop of their own."""
    ready, over, found = threading.Event(), trio.Event(), list[Any]()

    async def main() -> None:
        async with cluster(where) as server:
            found.extend((server, trio.lowlevel.current_trio_token()))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    ready.wait()
    try:
        yield found[0]
    finally:
        found[1].run_sync_soon(over.set)
        thread.join()


def files_below(root: Path) -> dict[str, tuple[bytes, int, int]]:
    """Content (or target), mode and time of every file and folder."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(root))] = (content, status.st_mode, status.st_mtime_ns)
    return found

