"""The status socket: a Unix socket where a running daemon answers what its commands ask. The server side.

One request per connection, a line of JSON: `{"operation": "status", ...}`. The reply is lines of JSON as well: any
number of `{"progress": {...}}`, then `{"result": {...}}` or `{"error": "why not"}`. An operation is cancelled when its
client hangs up. edged/daemon/operations.py decides which operations there are and what they say;
edged/cli/status_client.py asks.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import trio

from edged.errors import ConfigError, EdgedError
from edged.json_text import JsonError, dumps, loads
from edged.process.boundary import boundary, describe
from edged.process.unix_listener import listening
from edged.telemetry.logs import Logger

Tell = Callable[[dict[str, Any]], Awaitable[None]]
Operation = Callable[[dict[str, Any], Tell], Awaitable[dict[str, Any]]]
"""Request, and how to tell of progress -> result. It may wait. Raises EdgedError for what it cannot do."""

_REQUEST_LIMIT = 64 * 1024
_TIMEOUT_S = 5.0
_PATIENCE_S = 60.0
"""For a line of an operation that tells of progress: a terminal may be held for a while."""
_CONNECTIONS = 16


async def serve(
    path: str,
    operations: Mapping[str, Operation],
    log: Logger,
    *,
    mode: int = 0o660,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answers on the socket at `path` until cancelled; started when it listens. Raises ConfigError.

    `mode` is that of the socket: its owner and group may ask. A stale socket is replaced, a live one
    refused. One request's failure is that request's.
    """
    _refuse_living(path)
    listener = listening(path, mode, _CONNECTIONS, "[node] socket")
    inode = os.stat(path).st_ino
    limiter = trio.CapacityLimiter(_CONNECTIONS)

    async def handle(stream: trio.SocketStream) -> None:
        async with limiter:
            await _Exchange(stream, log).answer(operations)

    try:
        async with trio.open_nursery() as nursery:
            listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(listener))]
            await nursery.start(trio.serve_listeners, handle, listeners)
            task_status.started()
    finally:
        listener.close()
        with contextlib.suppress(OSError):
            if os.stat(path).st_ino == inode:  # not that of a successor
                os.unlink(path)


def _refuse_living(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise ConfigError(f"[node] socket: {path} exists and is not a socket")
    except OSError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
            pid, _, _ = struct.unpack("iII", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except OSError:
            return
    raise ConfigError(
        f"[node] socket: {path}: edged runs already, as pid {pid}; stop it, or give this one another socket"
    )


class _Exchange:
    """One connection: a request, and the lines of its reply."""

    def __init__(self, stream: trio.SocketStream, log: Logger) -> None:
        self._stream = stream
        self._log = log
        self._patience_s = _TIMEOUT_S
        self._scope = trio.CancelScope()

    async def answer(self, operations: Mapping[str, Operation]) -> None:
        """Whatever goes wrong fails this request only."""
        async with self._stream:
            with boundary(self._log, "connection", "status socket"), self._scope:
                line = await self._reply(await self._receive(), operations)
                if line is not None:
                    await self._send_line(_last_line(line))

    async def _reply(self, line: bytes, operations: Mapping[str, Operation]) -> dict[str, Any] | None:
        """The last line of the reply; None when nobody waits for it any more."""
        try:
            request = _request(line, operations)
        except ConfigError as error:
            return {"error": str(error)}
        reply = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_gone, nursery.cancel_scope)
            reply = await self._work(request, operations[request["operation"]])
            nursery.cancel_scope.cancel()
        return reply

    async def _work(self, request: dict[str, Any], operation: Operation) -> dict[str, Any]:
        with boundary(self._log, "operation", request["operation"]) as unit:
            try:
                return {"result": await operation(request, self._tell)}
            except EdgedError as error:
                return {"error": str(error)}
        return {"error": f"internal error: {describe(unit.error)}" if unit.error else "internal error"}

    async def _tell(self, progress: Mapping[str, object]) -> None:
        self._patience_s = _PATIENCE_S
        await self._send({"progress": progress})

    async def _receive(self) -> bytes:
        try:
            with trio.fail_after(_TIMEOUT_S):
                return await _read_line(self._stream)
        except (trio.BrokenResourceError, trio.TooSlowError) as error:
            await self._give_up(error)
            return b""

    async def _send(self, line: Mapping[str, object]) -> None:
        await self._send_line(dumps(line) + b"\n")

    async def _send_line(self, content: bytes) -> None:
        try:
            with trio.fail_after(self._patience_s):
                await self._stream.send_all(content)
        except (trio.BrokenResourceError, trio.TooSlowError) as error:
            await self._give_up(error)

    async def _give_up(self, error: Exception) -> None:
        """The client is gone. That is no failure of ours, so the exchange is cancelled."""
        self._log.debug("status socket: client gone", error=type(error).__name__)
        self._scope.cancel()
        await trio.lowlevel.checkpoint()

    async def _until_gone(self, scope: trio.CancelScope) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            while await self._stream.receive_some(1024):
                pass
        scope.cancel()


async def _read_line(stream: trio.SocketStream) -> bytes:
    received = bytearray()
    while b"\n" not in received and len(received) <= _REQUEST_LIMIT:
        chunk = await stream.receive_some(_REQUEST_LIMIT)
        if not chunk:
            break
        received += chunk
    return bytes(received.partition(b"\n")[0])


def _request(line: bytes, operations: Iterable[str]) -> dict[str, Any]:
    """The request of a line. Raises ConfigError."""
    try:
        request = loads(line)
    except JsonError:
        raise ConfigError("the request is not a line of JSON") from None
    name = request.get("operation") if isinstance(request, dict) else None
    if not isinstance(name, str) or name not in operations:
        raise ConfigError(f"unknown operation; there are: {', '.join(sorted(operations))}")
    return dict(request)


def _last_line(reply: Mapping[str, object]) -> bytes:
    """A result may hold what somebody else nested deeper than JSON is written here."""
    try:
        return dumps(reply) + b"\n"
    except JsonError as error:
        return dumps({"error": f"the answer cannot be written as JSON: {error}"}) + b"\n"


def memory_kib() -> dict[str, int]:
    """This process now: `rss` (resident), `pss` (shared pages counted by share), `peak_rss`; 0 where
    unknown."""
    status = _kib_lines("/proc/self/status")
    return {
        "rss": status.get("VmRSS", 0),
        "pss": _kib_lines("/proc/self/smaps_rollup").get("Pss", 0),
        "peak_rss": status.get("VmHWM", 0),
    }


def _kib_lines(path: str) -> dict[str, int]:
    try:
        with open(path) as file:
            lines = [line.split() for line in file]
    except OSError:
        return {}
    return {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) == 3 and words[2] == "kB"}
