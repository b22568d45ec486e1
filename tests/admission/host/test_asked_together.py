"""Several policies asked together: nobody waits for another one's guest, and no task is begun where nobody waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from edged.admission.host import asked_together
from edged.admission.host.asked_together import ask_together
from edged.admission.host.observers import Evaluation
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse

REQUEST = AdmissionRequest("u", {}, None)
Work = Callable[[], Any]


def evaluation(policy: Any, answer: AdmissionResponse) -> Evaluation:
    return Evaluation(policy, REQUEST, answer, answer, "", "validate", 0.0)


class Asked:
    """Stands in for Admission: each policy does what its test says. `order`: who began, who ended and who was told."""

    def __init__(self, **work: Work) -> None:
        self.work = work
        self.order: list[str] = []
        self.tasks: set[trio.lowlevel.Task] = set()
        self.unanswered_after: dict[str, float] = {}

    async def evaluate(self, policy: Any, request: AdmissionRequest, *, may_mutate: bool) -> Evaluation:
        assert not may_mutate  # a patch of one would be lost
        self.tasks.add(trio.lowlevel.current_task())
        self.order.append(f"+{policy.name}")
        await self.work[policy.name]()
        self.order.append(f"-{policy.name}")
        return evaluation(policy, AdmissionResponse(request.uid, True, warnings=[policy.name]))

    def unanswered(self, policy: Any, request: AdmissionRequest, seconds: float) -> Evaluation:
        self.unanswered_after[policy.name] = seconds
        return evaluation(policy, AdmissionResponse("u", False))

    def tell(self, evaluations: Iterable[Evaluation]) -> None:
        self.order.append("told " + " ".join(each.policy.name for each in evaluations))

    async def all(self, until: float = 100.0) -> dict[str, AdmissionResponse]:
        anything: Any = self
        policies: Any = [SimpleNamespace(name=name) for name in self.work]
        answers = await ask_together(anything, policies, REQUEST, trio.current_time() + until)
        assert [name for name, _ in answers] == list(self.work)
        return dict(answers)


async def at_once() -> None:
    pass


def waiting(seconds: float) -> Work:
    async def wait() -> None:
        await trio.sleep(seconds)

    return wait


def run(main: Callable[[], Any]) -> Any:
    return trio.run(main, clock=MockClock(autojump_threshold=0))


def test_who_never_waits_needs_no_task() -> None:
    asked = Asked(a=at_once, b=at_once, c=at_once)
    answers = run(asked.all)
    assert [answer.warnings for answer in answers.values()] == [["a"], ["b"], ["c"]]
    assert asked.order == ["+a", "-a", "+b", "-b", "+c", "-c", "told a b c"] and len(asked.tasks) == 1


def test_nobody_waits_for_another_ones_guest() -> None:
    asked = Asked(a=waiting(3), b=at_once, c=waiting(2), d=waiting(1), e=at_once)

    async def main() -> float:
        begun = trio.current_time()
        assert all(answer.allowed for answer in (await asked.all()).values())
        return trio.current_time() - begun

    assert run(main) == pytest.approx(3)
    begun = ["+a", "+b", "-b", "+c", "told b", "+d", "+e", "-e", "told e"]
    assert asked.order == [*begun, "-d", "told d", "-c", "told c", "-a", "told a"]
    assert len(asked.tasks) == 4  # three wait at once, and somebody asks on


def test_who_has_no_answer_in_time_fails_alone() -> None:
    asked = Asked(a=waiting(1), endless=trio.sleep_forever, b=at_once, late=waiting(6), c=waiting(4))
    answers = run(lambda: asked.all(5.0))
    assert [name for name, answer in answers.items() if not answer.allowed] == ["endless", "late"]
    assert asked.unanswered_after == {"endless": pytest.approx(5), "late": pytest.approx(5)}


def test_a_client_that_leaves_ends_all() -> None:
    asked = Asked(a=trio.sleep_forever, b=trio.sleep_forever, c=at_once)

    async def main() -> None:
        with trio.move_on_after(2) as left:
            await asked.all()
        assert left.cancelled_caught and not asked.unanswered_after

    run(main)
    assert asked.order == ["+a", "+b", "+c", "-c", "told c"]


def test_scopes_and_errors_inside_are_as_if_it_was_awaited() -> None:
    """Each member's own timeout is a scope inside what is watched for its first wait."""
    seen: list[str] = []

    async def patient() -> None:
        for _ in range(3):
            with trio.move_on_after(1) as scope:
                await trio.sleep_forever()
            assert scope.cancelled_caught
        with pytest.raises(trio.TooSlowError), trio.fail_after(1):
            try:
                await trio.sleep_forever()
            finally:
                seen.append("unwound")
        seen.append(str(trio.current_effective_deadline()))

    asked = Asked(a=patient, b=patient)
    assert all(answer.allowed for answer in run(asked.all).values())
    assert sorted(seen) == ["100.0", "100.0", "unwound", "unwound"]


def test_others_have_a_turn_between_two_that_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked_together, "MOST_WITHOUT_YIELD_S", -1.0)
    asked = Asked(a=at_once, b=at_once, c=at_once)
    turns: list[int] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:

            async def other() -> None:
                while "-c" not in asked.order:
                    turns.append(len(asked.order))
                    await trio.lowlevel.checkpoint()

            nursery.start_soon(other)
            await asked.all()

    run(main)
    assert {3, 6} & set(turns)  # who had answered was told of first


def test_nobody_is_asked() -> None:
    assert run(Asked().all) == {}
