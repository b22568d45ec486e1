"""The helper's side of its socket: requests in, operations on the one thread that may change devices, answers out.

A request is a line of JSON, `{"op": "CreateLocalIfc", "args": {...}}`; its answer is a line too, `{"result": ...}` or
`{"error": {"code": "INVALID", "message": "..."}}`. A connection's requests are answered in their order, and it stays
open. Who may ask is decided by the kernel's word on who is at the other end.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import stat
import struct
import threading
from collections.abc import Callable, Collection
from typing import TypeVar

import trio

from edged.errors import ConfigError
from edged.fabric.errors import FabricError
from edged.fabric.operations import Fabric, carry_out
from edged.json_text import JsonError, dumps, loads
from edged.process.boundary import boundary
from edged.process.unix_listener import listening
from edged.telemetry.logs import Logger

T = TypeVar("T")
LONGEST_REQUEST = 4096
"""Bytes: the longest that makes sense has some 150."""
CLIENTS = 32
PATIENCE_S = 10.0
"""For the rest of a request that began, and for a client that does not read its answer."""
_SECURITY = struct.Struct("iII")


class Worker:
    """One thread that carries things out one after the other: pyroute2's sockets belong to a thread."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="fabric", daemon=True).start()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()

    async def run(self, function: Callable[[], T]) -> T:
        """What `function` returns or raises. What has begun is ended, also when its asker gives up."""
        token, done = trio.lowlevel.current_trio_token(), trio.Event()
        results: list[T] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                results.append(function())
            except BaseException as error:
                errors.append(error)
            with contextlib.suppress(trio.RunFinishedError):
                token.run_sync_soon(done.set)

        self._work.put(work)
        await done.wait()
        if errors:
            raise errors[0]
        return results[0]

    def close(self) -> None:
        """After what is under way."""
        self._work.put(None)


async def serve(
    path: str, fabric: Fabric, worker: Worker, log: Logger, *, allowed: Collection[int],
    patience_s: float = PATIENCE_S, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:  # fmt: skip
    """Answers at `path` until cancelled; started when it listens. `allowed`: user ids. Raises ConfigError."""
    listener = _listen(path)
    inode = os.stat(path).st_ino
    server = _Server(fabric, worker, log, frozenset(allowed), patience_s)
    try:
        async with trio.open_nursery() as nursery:
            listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(listener))]
            await nursery.start(trio.serve_listeners, server.handle, listeners)
            task_status.started()
    finally:
        listener.close()
        with contextlib.suppress(OSError):
            if os.stat(path).st_ino == inode:  # not that of a successor
                os.unlink(path)


def _listen(path: str) -> socket.socket:
    """Everybody may connect: whom the server answers is decided by who it is."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise ConfigError(f"[fabric] socket: {path} exists and is not a socket")
    return listening(path, 0o666, CLIENTS, "[fabric] socket")


class _Server:
    def __init__(
        self, fabric: Fabric, worker: Worker, log: Logger, allowed: frozenset[int], patience_s: float
    ) -> None:
        self._fabric = fabric
        self._worker = worker
        self._log = log
        self._allowed = allowed
        self._patience_s = patience_s
        self._clients = 0

    async def handle(self, stream: trio.SocketStream) -> None:
        """One connection. Whatever goes wrong costs this connection only."""
        async with stream:
            with boundary(self._log, "connection", "fabric socket"):
                pid, uid, _ = _SECURITY.unpack(
                    stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _SECURITY.size)
                )
                refusal = self._refusal(pid, uid)
                if refusal is not None:
                    await self._send(stream, refusal)
                    return
                self._clients += 1
                try:
                    await self._answer(stream)
                finally:
                    self._clients -= 1

    def _refusal(self, pid: int, uid: int) -> bytes | None:
        if uid not in self._allowed:
            self._log.warning("refused", pid=pid, uid=uid)
            return _refused(FabricError("UNAVAILABLE", f"user {uid} may not use this socket: only root and the user "
                                                       "that edged runs as"))
        if self._clients >= CLIENTS:
            return _refused(FabricError("LIMIT", f"{CLIENTS} clients are connected already"))
        return None

    async def _answer(self, stream: trio.SocketStream) -> None:
        received = bytearray()
        while True:
            line = await self._line(stream, received)
            if line is None:
                return
            if not await self._send(stream, await self._reply(line)) or len(line) > LONGEST_REQUEST:
                return

    async def _line(self, stream: trio.SocketStream, received: bytearray) -> bytes | None:
        """The next request; None where the client is gone or too slow. A client may be silent between two."""
        with trio.CancelScope() as scope:
            while True:
                end = received.find(b"\n")
                if end >= 0 or len(received) > LONGEST_REQUEST:
                    line = bytes(received[:end]) if 0 <= end <= LONGEST_REQUEST else bytes(received)
                    del received[: end + 1]
                    return line
                if received and scope.deadline == float("inf"):
                    scope.deadline = trio.current_time() + self._patience_s
                try:
                    chunk = await stream.receive_some(LONGEST_REQUEST)
                except trio.BrokenResourceError:
                    return None
                if not chunk:
                    return None
                received += chunk
        return None

    async def _reply(self, line: bytes) -> bytes:
        reply = None
        with boundary(self._log, "operation", "fabric"):
            try:
                op, args = _request(line)
                result = await self._worker.run(lambda: carry_out(self._fabric, op, args))
                reply = dumps({"result": result}) + b"\n"
            except FabricError as error:
                self._log.info("operation failed", code=error.code, error=str(error))
                reply = _refused(error)
        return reply or _refused(FabricError("INTERNAL", "internal error of the fabric's helper: see its log"))

    async def _send(self, stream: trio.SocketStream, line: bytes) -> bool:
        """Whether the client took it."""
        with trio.move_on_after(self._patience_s):
            try:
                await stream.send_all(line)
                return True
            except trio.BrokenResourceError:
                return False
        return False


def _request(line: bytes) -> tuple[object, object]:
    """Operation and arguments. Raises FabricError."""
    if len(line) > LONGEST_REQUEST:
        raise FabricError("LIMIT", f"a request is longer than {LONGEST_REQUEST} bytes")
    try:
        request = loads(line, what="request")
    except JsonError as error:
        raise FabricError("INVALID", str(error)) from error
    if not isinstance(request, dict) or not set(request) <= {"op", "args"}:
        raise FabricError("INVALID", 'a request must be an object with "op" and "args"')
    return request.get("op"), request.get("args", {})


def _refused(error: FabricError) -> bytes:
    return dumps({"error": {"code": error.code, "message": str(error)}}) + b"\n"
