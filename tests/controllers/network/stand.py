"""The fabric's helper for a node that is none: its server as it is, with tables in memory instead of devices.

It outlives the daemon that asks it, as devices do, and remembers what was ever made.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Self

import trio

from edged.fabric.interfaces import LocalInterface, RemoteInterface
from edged.fabric.memory import MemoryFabric
from edged.fabric.server import Worker, serve
from edged.telemetry.logs import Logger


class Recorded(MemoryFabric):
    """`made`: each interface that was new when it was asked for, in order. `calls`: how often each of these four
    methods was called."""

    def __init__(self, host_ip: str) -> None:
        super().__init__(host_ip)
        self.made: list[LocalInterface | RemoteInterface] = []

    def create_local(self, wanted: LocalInterface) -> bool:
        self.calls["create_local"] += 1
        is_new = super().create_local(wanted)
        self.made += [wanted] if is_new else []
        return is_new

    def create_remote(self, wanted: RemoteInterface) -> bool:
        self.calls["create_remote"] += 1
        is_new = super().create_remote(wanted)
        self.made += [wanted] if is_new else []
        return is_new

    def delete_local(self, gone: LocalInterface) -> bool:
        self.calls["delete_local"] += 1
        return super().delete_local(gone)

    def delete_remote(self, gone: RemoteInterface) -> bool:
        self.calls["delete_remote"] += 1
        return super().delete_remote(gone)


class Stand:
    """Listens at `path` while the `with` block lasts. `fabric` may be looked at and changed by the test."""

    def __init__(self, path: Path, host_ip: str) -> None:
        self.path, self.fabric = path, Recorded(host_ip)
        self._stop = trio.Event()
        self._listens = threading.Event()
        self._token: trio.lowlevel.TrioToken
        self._thread = threading.Thread(target=trio.run, args=(self._main,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listens.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._token.run_sync_soon(self._stop.set)
        self._thread.join()

    async def _main(self) -> None:
        self._token, worker = trio.lowlevel.current_trio_token(), Worker()
        log = Logger(write=lambda line: None)
        async with trio.open_nursery() as nursery:

            async def start(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
                await serve(
                    str(self.path), self.fabric, worker, log, allowed={os.geteuid()}, task_status=task_status
                )

            await nursery.start(start)
            self._listens.set()
            await self._stop.wait()
            nursery.cancel_scope.cancel()
        worker.close()
