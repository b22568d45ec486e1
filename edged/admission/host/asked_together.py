"""One request, asked of several policies together. Called by admission/endpoint/shared_reviews.py.

Most guests answer within their first slice and never wait, so a task for each would cost more than it gives. The
policies are asked one after the other, and where one waits (for its next slice, a place, memory, the cluster), a task
of its own goes on with those that were not asked yet. So nobody waits for another policy's guest, and there are as
many tasks as there are policies that wait.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Sequence
from functools import partial
from types import coroutine
from typing import Any, TypeVar

import trio

from edged.admission.host.admission import Admission
from edged.admission.host.observers import Evaluation
from edged.admission.host.policy import Group, Policy
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse

T = TypeVar("T")
MOST_WITHOUT_YIELD_S = 0.002
"""After so long others have a turn, as everywhere in the process."""


async def ask_together(
    admission: Admission, policies: Sequence[Policy | Group], request: AdmissionRequest, until: float
) -> list[tuple[str, AdmissionResponse]]:
    """Names and answers, in order. Each policy has until `request.answer_by`, and no longer than its own timeout: what
    has no answer `until` then, on trio's clock, is a failure of that policy alone."""
    return await _Asking(admission, policies, request).run(until)


class _Asking:
    def __init__(self, admission: Admission, policies: Sequence[Policy | Group], request: AdmissionRequest) -> None:
        self._admission = admission
        self._policies = policies
        self._request = request
        self._evaluations: list[Evaluation | None] = [None] * len(policies)
        self._untold: list[Evaluation] = []
        self._asked = 0

    async def run(self, until: float) -> list[tuple[str, AdmissionResponse]]:
        begun = trio.current_time()
        try:
            async with trio.open_nursery() as self._nursery:
                self._nursery.cancel_scope.deadline = until
                await self._ask_those_left()
            self._give_up(trio.current_time() - begun)
        finally:
            self._tell()
        return [(each.policy.name, each.response) for each in self._evaluations if each is not None]

    async def _ask_those_left(self) -> None:
        begun = trio.current_time()
        while self._asked < len(self._policies):
            index = self._asked
            self._asked += 1
            asking = self._admission.evaluate(self._policies[index], self._request, may_mutate=False)
            self._evaluations[index] = evaluation = await _noticing(asking, self._go_on)
            self._untold.append(evaluation)
            if trio.current_time() - begun > MOST_WITHOUT_YIELD_S:
                self._tell()
                await trio.lowlevel.checkpoint()
                begun = trio.current_time()
        self._tell()

    def _go_on(self) -> None:
        self._tell()
        if self._asked < len(self._policies):
            self._nursery.start_soon(self._ask_those_left)

    def _tell(self) -> None:
        """Observers are told before anybody waits, so that their times are right."""
        untold, self._untold = self._untold, []
        if untold:
            self._admission.tell(untold)

    def _give_up(self, seconds: float) -> None:
        """Those that have no answer, after so many seconds, have failed."""
        for index, evaluation in enumerate(self._evaluations):
            if evaluation is None:
                late = self._admission.unanswered(self._policies[index], self._request, seconds)
                self._evaluations[index] = late
                self._untold.append(late)


@coroutine
def _noticing(work: Coroutine[Any, Any, T], waits: Callable[[], None]) -> Generator[Any, Any, T]:
    """Await `work` in this task. `waits` is called when it waits for the first time, and must not wait itself."""
    go_on: Callable[[], Any] = partial(work.send, None)
    is_first = True
    while True:
        try:
            trap = go_on()
        except StopIteration as done:
            result: T = done.value
            return result
        if is_first:
            is_first = False
            waits()
        try:
            go_on = partial(work.send, (yield trap))
        except GeneratorExit:
            work.close()
            raise
        except BaseException as error:
            go_on = partial(work.throw, error)
