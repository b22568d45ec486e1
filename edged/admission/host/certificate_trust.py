"""Whether a certificate is trusted by a chain, for the host capability `crypto`: asked of a child process.

The library that knows costs 8 MiB, which the daemon would never get back. edged/admission/host/x509_trust.py is the
child, and says what "trusted" means. It starts with the first question and stays for a while: a policy that asks once
asks again. It belongs to the task `run` and not to an evaluation. Starting it may take longer than an evaluation has
time, and would begin anew with each. Used by admission/host/outside.py.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import field
from typing import Any

import trio

from edged.abi.wapc import HostCallError
from edged.admission.rules.capabilities import CertificateQuestion
from edged.admission.rules.verdict import unexpected
from edged.json_text import dumps
from edged.process.boundary import boundary
from edged.process.children import Child, ChildFailed
from edged.records import dataclass
from edged.telemetry.logs import Logger

IDLE_S = 30.0
ANSWER_S = 20.0  # the start of the process included
MOST_WAITING = 256
ANSWER_BYTES = 1 << 16


@dataclass(slots=True, eq=False)
class _Asked:
    """A question that waits for its turn. When `done` is set there is an answer, or the reason why there is none."""

    question: dict[str, Any]
    done: trio.Event = field(default_factory=trio.Event)
    answer: dict[str, Any] | None = None
    problem: str = ""


class CertificateTrust:
    """Answers one question after the other. Without `run`, in commands, each has a child of its own."""

    def __init__(self, wall_time: Callable[[], float], log: Logger) -> None:
        self._wall_time = wall_time
        self._log = log
        self._send, self._receive = trio.open_memory_channel[_Asked](MOST_WAITING)
        self._child = Child("edged.admission.host.x509_trust", most_bytes=ANSWER_BYTES)
        self._runs = False
        self._one_question = trio.Lock()

    async def run(self) -> None:
        """Until cancelled."""
        self._runs = True
        try:
            while True:
                await self._answer(await self._next())
        finally:
            self._runs = False
            await self._child.aclose()

    async def _next(self) -> _Asked:
        """The next question. While there is none for a while, the child is ended."""
        with trio.move_on_after(IDLE_S):
            return await self._receive.receive()
        await self._child.aclose()
        return await self._receive.receive()

    async def ask(self, question: CertificateQuestion) -> bytes:
        """`{"trusted", "reason"}`. Raises HostCallError for what is no certificate."""
        asked = _Asked(self._question(question))
        if self._runs:
            try:
                self._send.send_nowait(asked)
            except trio.WouldBlock:
                raise HostCallError("Callback evaluation failure: too many questions about certificates") from None
            await asked.done.wait()
        else:
            await self._answer_at_once(asked)
        if asked.answer is None:
            raise HostCallError(f"Callback evaluation failure: certificates cannot be checked: {asked.problem}")
        if "error" in asked.answer:
            raise HostCallError(f"Callback evaluation failure: {asked.answer['error']}")
        reason = asked.answer["reason"]
        return dumps({"trusted": reason == "", "reason": reason})

    def _question(self, question: CertificateQuestion) -> dict[str, Any]:
        chain = question.chain
        return {
            "cert": base64.b64encode(question.certificate).decode(),
            "chain": None if chain is None else [base64.b64encode(certificate).decode() for certificate in chain],
            "at": self._wall_time() if question.at is None else question.at,
        }

    async def _answer(self, asked: _Asked) -> None:
        """Sets `done` in any case. If the child failed, the next question starts a new one."""
        asked.problem = "the question was given up"
        try:
            with boundary(self._log, "child", "certificates") as unit:
                try:
                    asked.answer = await self._child.ask(asked.question, within_s=ANSWER_S)
                except ChildFailed as error:
                    asked.problem = str(error)
            if unit.error is not None:
                asked.problem = unexpected(unit.error)
        finally:
            asked.done.set()

    async def _answer_at_once(self, asked: _Asked) -> None:
        async with self._one_question:
            try:
                await self._answer(asked)
            finally:
                await self._child.aclose()
