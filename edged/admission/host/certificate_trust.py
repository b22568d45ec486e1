"""Whether a certificate is trusted by a chain, for the host capability `crypto`: asked of a child process.

The library that knows costs 8 MiB, which the daemon would never get back. The child
(edged/admission/host/x509_trust.py, which says what "trusted" means) starts with the first question and stays for a
while: a policy that asks once asks again. It belongs to the task `run`, not to whoever asks: starting it may take
longer than an evaluation has, and must not begin anew with each of them. Used by admission/host/outside.py.
"""

from __future__ import annotations

import base64
import contextlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
import trio

from edged.abi.wapc import HostCallError
from edged.admission.rules.capabilities import CertificateQuestion

IDLE_S = 30.0
ANSWER_S = 20.0  # the start of the process included
MOST_WAITING = 256
LINE_BYTES = 1 << 16


@dataclass(slots=True, eq=False)
class _Asked:
    """`answer` is there when `done` is set; b"" with the reason in `problem`."""

    line: bytes
    done: trio.Event = field(default_factory=trio.Event)
    answer: bytes = b""
    problem: str = ""


class CertificateTrust:
    """Answers one question after the other. Without `run`, in commands, each has a child of its own."""

    def __init__(self, wall_time: Callable[[], float]) -> None:
        self._wall_time = wall_time
        self._send, self._receive = trio.open_memory_channel[_Asked](MOST_WAITING)
        self._process: trio.Process | None = None
        self._runs = False
        self._one_question = trio.Lock()

    async def run(self) -> None:
        """Until cancelled."""
        self._runs = True
        try:
            while True:
                asked = None
                with trio.move_on_after(IDLE_S):
                    asked = await self._receive.receive()
                if asked is None:
                    await self._end()
                    asked = await self._receive.receive()
                await self._answer(asked)
        finally:
            self._runs = False
            await self._end()

    async def ask(self, question: CertificateQuestion) -> bytes:
        """`{"trusted", "reason"}`. Raises HostCallError for what is no certificate."""
        asked = _Asked(self._line(question))
        if self._runs:
            try:
                self._send.send_nowait(asked)
            except trio.WouldBlock:
                # "Callback evaluation failure" is policy-server's own word for it.
                raise HostCallError("Callback evaluation failure: too many questions about certificates") from None
            await asked.done.wait()
        else:
            await self._answer_at_once(asked)
        if asked.problem:
            raise HostCallError(f"Callback evaluation failure: certificates cannot be checked: {asked.problem}")
        found = orjson.loads(asked.answer)
        if "error" in found:
            raise HostCallError(f"Callback evaluation failure: {found['error']}")
        return orjson.dumps({"trusted": found["reason"] == "", "reason": found["reason"]})

    def _line(self, question: CertificateQuestion) -> bytes:
        chain = question.chain
        encoded = None if chain is None else [base64.b64encode(certificate).decode() for certificate in chain]
        data = {
            "cert": base64.b64encode(question.certificate).decode(),
            "chain": encoded,
            "at": self._wall_time() if question.at is None else question.at,
        }
        return orjson.dumps(data) + b"\n"

    async def _answer(self, asked: _Asked) -> None:
        """Whatever goes wrong ends the process, which may be in the middle of something."""
        problem = f"no answer within {ANSWER_S:g} s"
        try:
            with trio.move_on_after(ANSWER_S):
                asked.answer = await self._exchange(asked.line)
        except (OSError, trio.BrokenResourceError) as error:
            problem = str(error) or "the process that checks them ended"
        if not asked.answer:
            asked.problem = problem
            await self._end()
        asked.done.set()

    async def _answer_at_once(self, asked: _Asked) -> None:
        async with self._one_question:
            try:
                await self._answer(asked)
            finally:
                await self._end()

    async def _exchange(self, line: bytes) -> bytes:
        if self._process is not None and self._process.returncode is not None:
            await self._end()
        if self._process is None:
            command = [sys.executable, "-m", "edged.admission.host.x509_trust"]
            self._process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        await process.stdin.send_all(line)
        received = bytearray()
        while not received.endswith(b"\n"):
            chunk = await process.stdout.receive_some(LINE_BYTES)
            if not chunk or len(received) > LINE_BYTES:
                raise trio.BrokenResourceError("the process that checks them ended")
            received += chunk
        return bytes(received)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with trio.CancelScope(shield=True):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    await stream.aclose()
