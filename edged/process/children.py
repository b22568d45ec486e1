"""Child processes, and the one way to exchange something with them.

A library that the daemon rarely needs costs memory only while its child runs, and what strangers wrote does no harm in
there. `run` starts a program and takes what it writes until it ends. `Child` keeps a program of edged's own, which
answers a line of JSON with a line of JSON (process/child_program.py is the side inside). Every exchange is bounded in
time and in size, and a child whose asker gives up is killed. So is what a program of others has started, as far as it
stays in its process group. Of stderr the end is kept: it is the reason in messages.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import trio
from trio.abc import ReceiveStream

from edged.errors import PeerError
from edged.json_text import JsonError, dumps, loads
from edged.records import dataclass

MOST_BYTES = 1 << 20
ERROR_BYTES = 4096
CHUNK = 65536
POUR_BYTES = 1 << 20
LAST_WORDS_S = 0.5
"""How long a child that ended the exchange may take to say why."""
REAP_S = 5.0
"""How long a killed child is waited for. One that waits for a broken disk ends when the disk answers."""


class ChildFailed(PeerError):
    """The program cannot be started, ended in the middle, or wrote what makes no sense."""


class ChildTooSlow(ChildFailed):
    """It did not answer in time."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that ran to its end, with the end of what it wrote to stderr."""

    code: int
    output: bytes
    errors: bytes

    @property
    def reason(self) -> str:
        """Why it failed, in a line: its last words, or its exit code."""
        return _last_line(self.errors) or f"exit code {self.code}"


def own_program(module: str, *arguments: str) -> list[str]:
    """The command that runs a file of edged."""
    return [sys.executable, "-m", module, *arguments]


async def run(
    command: Sequence[str],
    *,
    within_s: float,
    stdin: bytes = b"",
    most_bytes: int = MOST_BYTES,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """What the program wrote, once it has ended. Raises ChildFailed, ChildTooSlow; an exit code is not an error."""
    process = await _start(command, environment=environment)
    errors = _Tail()
    output: bytes | None = None
    try:
        with trio.move_on_after(within_s) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_send, process, stdin, True)
                nursery.start_soon(errors.read, process.stderr)
                output = await _read(process.stdout, most_bytes)
                if output is not None:
                    await _wait_ended(process)
                    with trio.move_on_after(LAST_WORDS_S):  # something that it started may hold stderr for ever
                        await errors.ended.wait()
                nursery.cancel_scope.cancel()
    finally:
        await _end(process, _kill_group)
    if scope.cancelled_caught:
        raise ChildTooSlow(f"did not answer within {within_s:g} s")
    if output is None:
        raise ChildFailed(f"wrote more than {most_bytes} bytes")
    return Ended(process.returncode or 0, output, bytes(errors.content))


async def pour(
    command: Sequence[str],
    source: int,
    take: Callable[[bytes], Awaitable[None]],
    *,
    within_s: float,
    environment: Mapping[str, str],
) -> Ended:
    """As `run`, for a program that reads an open file and writes more than memory should hold: `take` gets its output
    piece by piece, and the program waits meanwhile. What `take` raises ends it, and is raised. `output` stays empty."""
    process = await _start(command, stdin=source, environment=environment)
    errors = _Tail()
    failure: Exception | None = None
    try:
        with trio.move_on_after(within_s) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(errors.read, process.stderr)
                try:
                    await _pour(process.stdout, take)
                    await process.wait()
                except Exception as error:
                    failure = error
                    nursery.cancel_scope.cancel()
    finally:
        await _end(process)
    if failure is not None:
        raise failure
    if scope.cancelled_caught:
        raise ChildTooSlow(f"did not answer within {within_s:g} s")
    return Ended(process.returncode or 0, b"", bytes(errors.content))


async def _pour(stream: ReceiveStream | None, take: Callable[[bytes], Awaitable[None]]) -> None:
    assert stream is not None
    waiting = bytearray()
    while chunk := await stream.receive_some(CHUNK):
        waiting += chunk
        if len(waiting) >= POUR_BYTES:
            await take(bytes(waiting))
            waiting.clear()
    if waiting:
        await take(bytes(waiting))


class Child:
    """A program of edged's own: started with the first question, and anew after one that it did not answer. It is asked
    one question at a time. `process` is None while it does not run."""

    def __init__(self, module: str, *, most_bytes: int = MOST_BYTES) -> None:
        self.process: trio.Process | None = None
        self._module = module
        self._most_bytes = most_bytes

    async def ask(self, question: Mapping[str, object], *, within_s: float) -> dict[str, Any]:
        """Its answer. Raises ChildFailed, ChildTooSlow; then it was ended, since it may be in the middle of
        something."""
        line = _line(question)
        answer = None
        try:
            with trio.move_on_after(within_s) as scope:
                answer = _parsed(await self._exchange(line))
        finally:
            if answer is None:
                await self.aclose()
        if scope.cancelled_caught or answer is None:
            raise ChildTooSlow(f"no answer within {within_s:g} s")
        return answer

    async def _exchange(self, line: bytes) -> bytes:
        if self.process is not None and self.process.returncode is not None:
            await self.aclose()
        if self.process is None:
            self.process = await _start(own_program(self._module))
        process, errors = self.process, _Tail()
        answer: bytes | None = b""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send, process, line, False)
            nursery.start_soon(errors.read, process.stderr)
            answer = await _read(process.stdout, self._most_bytes, one_line=True)
            if answer is not None and not answer.endswith(b"\n"):
                with trio.move_on_after(LAST_WORDS_S):
                    await errors.ended.wait()
            nursery.cancel_scope.cancel()
        if answer is None:
            raise ChildFailed(f"its answer has more than {self._most_bytes} bytes")
        if not answer.endswith(b"\n"):
            raise ChildFailed(_last_line(bytes(errors.content)) or "the process ended")
        return answer

    async def aclose(self) -> None:
        """End it. Idempotent."""
        process, self.process = self.process, None
        if process is not None:
            await _end(process)


class _Tail:
    """The end of a stream."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.ended = trio.Event()

    async def read(self, stream: ReceiveStream | None) -> None:
        assert stream is not None
        while chunk := await stream.receive_some(CHUNK):
            self.content += chunk
            del self.content[:-ERROR_BYTES]
        self.ended.set()


async def _start(
    command: Sequence[str], *, stdin: int = subprocess.PIPE, environment: Mapping[str, str] | None = None
) -> trio.Process:
    pipe = subprocess.PIPE
    try:
        return await trio.lowlevel.open_process(
            command, stdin=stdin, stdout=pipe, stderr=pipe, env=environment, start_new_session=True
        )
    except OSError as error:
        raise ChildFailed(error.strerror or str(error)) from error
    except ValueError as error:  # NUL in an argument or in the environment, half of a surrogate pair
        raise ChildFailed(f"it cannot be called like that: {error}") from error


async def _wait_ended(process: trio.Process) -> None:
    """Returns when it has ended. Its number stays taken until somebody waits for it in the usual way."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:  # not allowed here
        await process.wait()
        return
    try:
        await trio.lowlevel.wait_readable(descriptor)
    finally:
        os.close(descriptor)


def _kill_group(process: trio.Process) -> None:
    """Nobody has waited for the program yet: its number, which is that of the group, is not another one's by now."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


async def _send(process: trio.Process, data: bytes, is_all: bool) -> None:
    """A program that ends without having read everything is no error here: it shows in what it answers."""
    assert process.stdin is not None
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await process.stdin.send_all(data)
        if is_all:
            await process.stdin.aclose()


async def _read(stream: ReceiveStream | None, most_bytes: int, *, one_line: bool = False) -> bytes | None:
    """Everything up to the end, or the end of a line; None for what is too long."""
    assert stream is not None
    received = bytearray()
    while not (one_line and received.endswith(b"\n")):
        chunk = await stream.receive_some(CHUNK)
        if not chunk:
            break
        received += chunk
        if len(received) > most_bytes:
            return None
    return bytes(received)


async def _end(process: trio.Process, kill: Callable[[trio.Process], None] = trio.Process.kill) -> None:
    with trio.CancelScope(shield=True):
        with contextlib.suppress(ProcessLookupError):
            kill(process)
        with trio.move_on_after(REAP_S):
            await process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                await stream.aclose()


def _line(question: Mapping[str, object]) -> bytes:
    try:
        return dumps(question) + b"\n"
    except JsonError as error:
        raise ChildFailed(f"the question cannot be written as JSON: {error}") from error


def _parsed(received: bytes) -> dict[str, Any]:
    line, _, rest = received.partition(b"\n")
    try:
        answer = loads(line)
    except JsonError as error:
        raise ChildFailed(f"its answer is no JSON: {error}") from error
    if not isinstance(answer, dict):
        raise ChildFailed("its answer is no JSON object")
    if rest:
        raise ChildFailed("it answered with more than one line")
    return answer


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
