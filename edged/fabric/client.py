"""The daemon's side of the helper's socket: `netfabric` as controllers ask for it."""

from __future__ import annotations

from typing import cast

import trio

from edged.errors import shown
from edged.fabric.errors import CODES, Code, FabricError
from edged.json_text import JsonError, dumps, loads

TIMEOUT_S = 10.0
"""For an operation, the wait for those before it included."""
LONGEST_ANSWER = 16 << 20


class FabricClient:
    """One connection, made when it is needed and made anew after it broke; one request at a time on it.

    An operation on whose connection nothing was sent yet is tried once more on a new one: the helper may have been
    started anew. All are idempotent, so whoever asked may try again after any error.
    """

    def __init__(self, socket: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._socket = socket
        self._timeout_s = timeout_s
        self._turn = trio.Lock()
        self._stream: trio.SocketStream | None = None

    async def call(self, op: str, args: object) -> object:
        """The answer. Raises FabricError: the helper's own, or UNAVAILABLE with what is wrong with the helper."""
        try:
            line = dumps({"op": op, "args": args}) + b"\n"
        except JsonError as error:
            raise FabricError("INVALID", f"args: {error}") from error
        with trio.move_on_after(self._timeout_s):
            async with self._turn:
                return _result(await self._exchange(line), self._socket)
        raise FabricError("UNAVAILABLE", f"the fabric's helper at {self._socket} did not answer {shown(op)} within "
                                         f"{self._timeout_s:g} s")

    async def aclose(self) -> None:
        """Ends the connection."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await trio.aclose_forcefully(stream)

    async def _exchange(self, line: bytes) -> bytes:
        kept = self._stream is not None
        is_done = False
        try:
            answer = await self._once(line)
            if not answer and kept:  # the helper was started anew meanwhile
                await self.aclose()
                answer = await self._once(line)
            is_done = answer.endswith(b"\n")
            return answer
        except OSError as error:
            raise FabricError("UNAVAILABLE", _unreachable(self._socket, error)) from error
        finally:
            if not is_done:  # also where the asker gave up: an answer that comes late must not be the next one's
                with trio.CancelScope(shield=True):
                    await self.aclose()

    async def _once(self, line: bytes) -> bytes:
        """The answer's line; incomplete or empty where the connection broke. Raises OSError."""
        if self._stream is None:
            self._stream = await trio.open_unix_socket(self._socket)
        received = bytearray()
        try:
            await self._stream.send_all(line)
            while not received.endswith(b"\n") and len(received) <= LONGEST_ANSWER:
                chunk = await self._stream.receive_some(65536)
                if not chunk:
                    break
                received += chunk
        except trio.BrokenResourceError:
            pass
        return bytes(received)


def _unreachable(path: str, error: OSError) -> str:
    said = f"the fabric's helper cannot be reached at {path}: {error.strerror or error}"
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return f"{said}: is edged-fabric.service running?"
    return said


def _result(line: bytes, path: str) -> object:
    if not line.endswith(b"\n"):
        raise FabricError("UNAVAILABLE", f"the fabric's helper at {path} ended the connection in the middle")
    try:
        answer = loads(line, what=f"answer of the fabric's helper at {path}")
    except JsonError as error:
        raise FabricError("UNAVAILABLE", str(error)) from error
    if isinstance(answer, dict) and "result" in answer:
        return answer["result"]
    refusal = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(refusal, dict) and refusal.get("code") in CODES:
        raise FabricError(cast(Code, refusal["code"]), str(refusal.get("message", "")))
    raise FabricError("UNAVAILABLE", f"the fabric's helper at {path} answered {shown(answer)}")
