"""A load of reviews whose verdicts are known, posted to the listener as an API server does.

Half of the threads keep their connection. As Go's client does, what fails on a connection that was used before is tried
once more on a new one; what fails there, the connection itself included, is lost.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from tests.cluster.edged import Edged, pod, wait_for
from tests.fire.rows import Tally

FAULTS = (OSError, http.client.HTTPException, AssertionError, ValueError, KeyError)
"""What a review may raise: no answer, no HTTP, another code than 200, no review in it."""


@dataclass(frozen=True, slots=True)
class Question:
    """A policy, what it is asked about, and whether it allows that; None: it may do either, so long as it answers.
    `code` and `says`: what its rejection has to have."""

    policy: str
    object: Mapping[str, Any]
    allowed: bool | None
    code: int | None = None
    says: str = ""

    def wrong(self, response: Mapping[str, Any]) -> str:
        """"" if the response is the right one."""
        status = response.get("status") or {}
        expected = response["allowed"] if self.allowed is None else self.allowed
        right = response["allowed"] is expected and (self.code is None or status.get("code") == self.code)
        if right and self.says in str(status.get("message", "")):
            return ""
        return f"{self.policy}: {str(response)[:300]}"


def privileged_questions(policy: str = "no-privileged") -> list[Question]:
    """Two that a policy of the module pod-privileged answers, one each way."""
    return [Question(policy, pod("x", privileged=flag), not flag) for flag in (True, False)]


def posted(connection: http.client.HTTPSConnection, policy: str, body: bytes) -> dict[str, Any]:
    """The `response` of a review given as bytes. Raises one of FAULTS."""
    connection.request("POST", f"/validate/{policy}", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    read = answer.read()
    if answer.status != 200:
        raise ValueError(f"{answer.status} {read[:200]!r}")
    response: dict[str, Any] = json.loads(read)["response"]
    return response


class Reviews:
    """Threads that ask one question after the other until `stop`, or until the block ends.

    An answer after `late_s` is late. `pause_s`: between two reviews of a thread.
    """

    def __init__(
        self, edged: Edged, tally: Tally, questions: Callable[[], Sequence[Question]] | Sequence[Question], *,
        threads: int = 4, late_s: float = 10.0, pause_s: float = 0.0, timeout_s: float = 30.0,
    ) -> None:
        self.answered = 0
        self.slowest_s = 0.0
        self._edged, self._tally = edged, tally
        self._questions = questions if callable(questions) else lambda: questions
        self._late_s, self._pause_s, self._timeout_s = late_s, pause_s, timeout_s
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Idempotent."""
        self._end.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int, *, seconds: float = 60.0) -> None:
        """Waits for so many more answers; what does not come is lost."""
        goal = self.answered + count
        try:
            wait_for(lambda: self.answered >= goal, f"{count} more answers", seconds=seconds)
        except AssertionError as error:
            self._tally.add_lost(str(error))

    def _run(self, number: int) -> None:
        keeps = number % 2 == 0
        connection = None
        turn = number
        while not self._end.is_set():
            questions = self._questions()
            question = questions[turn % len(questions)]
            turn += 1
            connection = self._ask(question, connection)
            if connection is not None and not keeps:
                connection.close()
                connection = None
            self._end.wait(self._pause_s)
        if connection is not None:
            connection.close()

    def _ask(
        self, question: Question, kept: http.client.HTTPSConnection | None
    ) -> http.client.HTTPSConnection | None:
        """The connection, unless it is of no more use. A new one trusts whom edged names at that moment."""
        begun = time.monotonic()
        connection = kept
        try:
            connection = kept or self._edged.connect(timeout_s=self._timeout_s)
            response = self._edged.review(question.policy, question.object, connection=connection)
        except FAULTS as error:
            if connection is not None:
                connection.close()
            if kept is not None:
                return self._ask(question, None)
            self._tally.add_asked()
            self._tally.add_lost(f"{question.policy}: {error!r}")
            return None
        self._note(question, response, time.monotonic() - begun)
        return connection

    def _note(self, question: Question, response: Mapping[str, Any], took_s: float) -> None:
        self._tally.add_asked()
        with self._lock:
            self.answered += 1
            self.slowest_s = max(self.slowest_s, took_s)
        if text := question.wrong(response):
            self._tally.add_wrong(text)
        elif took_s > self._late_s:
            self._tally.add_late(f"{question.policy} after {took_s:.1f} s")
