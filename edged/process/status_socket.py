"""The status socket: a Unix socket where a running daemon answers what `edged status` asks. The server side.

One request per connection: a JSON line `{"operation": "status", ...}`, answered by one JSON line, either the
operation's result or `{"error": "..."}`. A long operation sends lines of its own before that, and is given up when
whoever asked hangs up. daemon.py decides which operations there are and what they say;
edged/cli/status.py asks. The report of `status` is plain data whose tables the command prints as they come:
keys with scalars, dicts, and lists of dicts; policies, plugins, registration and the like are the daemon's
to fill in.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
import trio

from edged.errors import ConfigError, EdgedError
from edged.telemetry.logs import Logger

Operation = Callable[[dict[str, Any]], dict[str, Any]]
"""Request -> result, both JSON objects. Bounded work: it runs on the event loop."""

Send = Callable[[dict[str, Any]], Awaitable[None]]
LongOperation = Callable[[dict[str, Any], Send], Awaitable[dict[str, Any]]]
"""Request, and how to tell of progress -> result. It may wait."""

_REQUEST_LIMIT = 64 * 1024
_TIMEOUT_S = 5.0
_SEND_TIMEOUT_S = 60.0  # of one line of a long operation: a terminal may be held for a while
_CONNECTIONS = 16


async def serve(
    path: str,
    operations: Mapping[str, Operation],
    log: Logger,
    *,
    long_operations: Mapping[str, LongOperation] | None = None,
    mode: int = 0o660,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answers on the socket at `path` until cancelled; started when it listens. Raises ConfigError.

    `mode` is that of the socket: its owner and group may ask. A stale socket is replaced, a live one
    refused. One request's failure is that request's.
    """
    listener = _listen(path, mode)
    inode = os.stat(path).st_ino
    limiter = trio.CapacityLimiter(_CONNECTIONS)

    async def handle(stream: trio.SocketStream) -> None:
        async with limiter:
            await _answer(stream, operations, long_operations or {}, log)

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


def _listen(path: str, mode: int) -> socket.socket:
    """A listening socket that appears under its name complete: bound elsewhere, permissions set, then
    renamed."""
    _refuse_living(path)
    building = f"{path}.{os.getpid()}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(building)
        listener.bind(building)
        os.chmod(building, mode)
        listener.listen(_CONNECTIONS)
        listener.setblocking(False)
        os.rename(building, path)
    except OSError as error:
        listener.close()
        raise ConfigError(f"[node] socket: {path}: {error.strerror or error}") from error
    return listener


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
        except OSError:
            return
    raise ConfigError(f"[node] socket: {path} is in use by another daemon; is edged already running?")


async def _answer(
    stream: trio.SocketStream,
    operations: Mapping[str, Operation],
    long_operations: Mapping[str, LongOperation],
    log: Logger,
) -> None:
    async with stream:
        try:
            with trio.fail_after(_TIMEOUT_S):
                line = await _read_line(stream)
            request = _request(line, (*operations, *long_operations))
            name = request.get("operation", "")
            if name in long_operations:
                await _answer_at_length(stream, long_operations[name], request, log)
                return
            result = request if "error" in request else _result(operations[name], request, log)
            with trio.fail_after(_TIMEOUT_S):
                await stream.send_all(orjson.dumps(result) + b"\n")
        except (trio.BrokenResourceError, trio.TooSlowError) as error:
            log.debug("status socket: client gone", error=type(error).__name__)


async def _answer_at_length(
    stream: trio.SocketStream, operation: LongOperation, request: dict[str, Any], log: Logger
) -> None:
    async def send(event: dict[str, Any]) -> None:
        with trio.fail_after(_SEND_TIMEOUT_S):
            await stream.send_all(orjson.dumps(event) + b"\n")

    async def until_gone(scope: trio.CancelScope) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            while await stream.receive_some(1024):
                pass
        scope.cancel()

    with trio.CancelScope() as scope:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(until_gone, scope)
                try:
                    result = await operation(request, send)
                except (trio.BrokenResourceError, trio.TooSlowError):
                    raise
                except EdgedError as error:
                    result = {"error": str(error)}
                except Exception as error:
                    log.error("status socket: operation failed", operation=request["operation"], error=repr(error))
                    result = {"error": f"internal error: {error!r}"}
                await send(result)
                nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.TooSlowError) as gone:
            log.debug("status socket: client gone", error=repr(gone.exceptions[0]))


async def _read_line(stream: trio.SocketStream) -> bytes:
    received = bytearray()
    while b"\n" not in received and len(received) <= _REQUEST_LIMIT:
        chunk = await stream.receive_some(_REQUEST_LIMIT)
        if not chunk:
            break
        received += chunk
    return bytes(received.partition(b"\n")[0])


def _request(line: bytes, known: tuple[str, ...]) -> dict[str, Any]:
    """The request of a line; {"error": ...} for what is none."""
    try:
        request = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {"error": "the request is not a line of JSON"}
    name = request.get("operation") if isinstance(request, dict) else None
    if not isinstance(name, str) or name not in known:
        return {"error": f"unknown operation; there are: {', '.join(sorted(known))}"}
    return {key: value for key, value in request.items() if key != "error"}


def _result(operation: Operation, request: dict[str, Any], log: Logger) -> dict[str, Any]:
    try:
        return operation(request)
    except EdgedError as error:
        return {"error": str(error)}
    except Exception as error:  # a bug in a report must not end the daemon that it reports on
        log.error("status socket: operation failed", operation=request["operation"], error=repr(error))
        return {"error": f"internal error: {error!r}"}


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
