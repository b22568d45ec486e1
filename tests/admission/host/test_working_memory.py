"""Evaluations of large payloads wait for memory; those of small ones do not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import orjson
import pytest
import trio
import trio.testing

from edged.abi.rego.values import BuiltinError
from edged.admission.config import PolicyConfig
from edged.admission.host import rego_policy
from edged.admission.host.working_memory import GROWTH, GUEST, LARGE, WorkingMemory, guest_size
from edged.admission.rules import verdict
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse, parse_review
from tests.admission.host.support import MODULES, Rig
from tests.admission.host.test_policy_groups import YES, member

REGO = MODULES / "admission" / "required-labels" / "required-labels.wasm"
SETTINGS = {"labels": ["a"]}


@pytest.fixture
def rig(tmp_path: Path) -> Iterable[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def config(rig: Rig, kind: str) -> PolicyConfig:
    if kind == "rego":
        return PolicyConfig(name="p", module=f"file://{REGO}", settings=SETTINGS)
    return PolicyConfig(name="p", module=member(rig, "m", YES).module)


def review(size: int = 10) -> AdmissionRequest:
    request = {
        "uid": "u",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "userInfo": {},
        "object": {"metadata": {"labels": {"a": "b"}, "annotations": {"text": "x" * size}}},
    }
    return parse_review(orjson.dumps({"request": request}))


Work = Callable[[Callable[[AdmissionRequest], Awaitable[AdmissionResponse]]], Awaitable[None]]


def run(rig: Rig, kind: str, work: Work, **changes: Any) -> None:
    async def main() -> None:
        await rig.load(replace(config(rig, kind), **changes))
        await work(lambda request: rig.admission.review("p", request))
        budget = rig.admission.memory.budget
        assert (budget.used, budget.waiting) == (0, 0)

    trio.run(main)


@pytest.mark.parametrize("kind", ["wapc", "rego"])
def test_a_large_payload_waits_and_a_small_one_does_not(rig: Rig, kind: str) -> None:
    async def work(ask: Callable[[AdmissionRequest], Awaitable[AdmissionResponse]]) -> None:
        budget = rig.admission.memory.budget
        held = budget.reserve_nowait(budget.total)
        answers: list[AdmissionResponse] = []

        async def large() -> None:
            answers.append(await ask(review(LARGE)))

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(large)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert budget.waiting == 3 and not answers
            assert (await ask(review())).allowed
            held.release()
        assert [answer.allowed for answer in answers] == [True] * 3

    run(rig, kind, work, timeout_s=30)


@pytest.mark.parametrize("kind", ["wapc", "rego"])
def test_who_waits_too_long_is_answered(rig: Rig, kind: str) -> None:
    async def work(ask: Callable[[AdmissionRequest], Awaitable[AdmissionResponse]]) -> None:
        budget = rig.admission.memory.budget
        late = review(LARGE)
        late.answer_by = trio.current_time() + 0.1
        with budget.reserve_nowait(budget.total):
            answer = await ask(late)
        said = str((answer.status or {})["message"])
        assert (answer.allowed, (answer.status or {})["code"]) == (False, 500)
        assert "exceeded the allowed execution time" in said or "interrupted" in said

    run(rig, kind, work, timeout_s=30)


def test_together_they_stay_within_the_budget(rig: Rig) -> None:
    async def work(ask: Callable[[AdmissionRequest], Awaitable[AdmissionResponse]]) -> None:
        rig.admission.memory = WorkingMemory(2 * 48)
        answers: list[bool] = []

        async def one(size: int) -> None:
            answers.append((await ask(review(size))).allowed)

        async with trio.open_nursery() as nursery:
            for number in range(12):
                nursery.start_soon(one, (number + 1) * (1 << 20) // 4)
        assert answers == [True] * 12
        assert 24 << 20 < rig.admission.memory.budget.peak <= 48 << 20

    run(rig, "wapc", work, timeout_s=60)


def test_what_is_reserved() -> None:
    async def main() -> None:
        memory = WorkingMemory(192)
        assert memory.budget.total == 96 << 20
        assert guest_size(1 << 20) == GUEST + (GROWTH << 20)
        with await memory.for_guest(1 << 20, 64):
            assert memory.budget.used == guest_size(1 << 20) + (1 << 20)
        with await memory.for_guest(8 << 20, 64):  # no guest gets more than its limit
            assert memory.budget.used == (64 << 20) + (8 << 20)
        with await memory.for_guest(300 << 20, 4096):  # more than there is: alone
            assert memory.budget.used == memory.budget.total

    trio.run(main)


def test_replies_that_would_take_too_much_memory() -> None:
    """A guest's reply may have 16 MB: 3 MB of it are 90 MB as values, 16 MB half a gigabyte."""
    hostile = b"[" + b",".join([b"[[]]"] * 3_000_000) + b"]"
    small = review()
    with pytest.raises(
        verdict.BadReply, match=r"the policy's reply would take \d+ MiB of memory to be read \(at most 128\)"
    ):
        verdict.from_reply(small, b'{"accepted":true,"mutated_object":' + hostile + b"}")
    large = AdmissionRequest.of_text("u", {"uid": "u"}, {"object": hostile[: 1 + 5 * 600_000] + b"1]"})
    assert 64 << 20 < large.decoded_size("object") < 128 << 20
    assert verdict.from_reply(large, b'{"accepted":true}').allowed
    reply = b'{"accepted":true,"mutated_object":' + hostile[: 1 + 5 * 600_000] + b"1]}"
    with pytest.raises(verdict.BadReply, match="mutated_object with the object would take"):
        verdict.from_reply(large, reply)
    assert verdict.from_reply(small, reply.replace(b"true", b"false", 1)).patch


def test_arguments_of_builtins_share_memory() -> None:
    """What a thread works on is given back when it ends, also if nobody waits for it any more."""

    async def main() -> None:
        with pytest.raises(BuiltinError, match=r"its arguments would take 65 MiB of memory \(at most 64\)"):
            await rego_policy.beside(lambda: b"", rego_policy.DECODED + 1)
        assert await rego_policy.beside(lambda: b"x", rego_policy.DECODED) == b"x"
        memory = rego_policy._workers.get().memory
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert memory.used == 0
        begun, go_on = Event(), Event()

        def slow() -> bytes:
            begun.set()
            go_on.wait(20)
            raise ValueError("odd")

        with trio.move_on_after(0.1) as scope:
            await rego_policy.beside(slow, rego_policy.DECODED)
        assert scope.cancelled_caught and begun.is_set() and memory.used == rego_policy.DECODED
        with trio.move_on_after(0.05):
            await rego_policy.beside(lambda: b"", 1)  # waits, and gives up
        assert memory.used == rego_policy.DECODED and not memory.waiting
        go_on.set()
        assert await rego_policy.beside(lambda: b"y", 1) == b"y"

    trio.run(main)
