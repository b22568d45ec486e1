"""Every guest of modules/faults as a policy: it answers for itself alone, and an honest policy beside it is served."""

import time

import pytest
import trio

from tests.admission.host.support import MODULES, Rig, request

FAULTS = MODULES / "faults"
TIMED_OUT = "Policy execution interrupted because it exceeded the allowed execution time"

# What the policy answers: "accept", or a part of the message of its rejection (code 500).
EXPECTED = {
    "big-data": "memory",
    "big-table": "table",
    "deep-host-call": "accept",
    "exit-0": "accept",
    "exit-3": "exited with code 3",
    "exit-in-call": "exited with code 0",
    "guest-error": "nothing works today",
    "host-call-not-utf8": "not valid UTF-8",
    "host-calls-1m": TIMED_OUT,
    "ignores-host-error": "accept",
    "init-spins": TIMED_OUT,
    "iovecs-1m": "accept",
    "log-flood": TIMED_OUT,
    "log-not-utf8": "not valid UTF-8",
    "lying-length": "too long",
    "lying-pointer": "out of bounds",
    "memory-bomb": "accept",
    "memory-copy": TIMED_OUT,
    "memory-fill": TIMED_OUT,
    "metadata-bad": "metadata",
    "metadata-none": "protocol version",
    "metadata-wrong": "metadata",
    "no-guest-call": "__guest_call",
    "no-memory": "no memory",
    "no-reply": "no response",
    "random-64m": "unreachable",
    "recursion": "stack",
    "reply-huge": "unreachable",
    "reply-no-verdict": "accepted",
    "reply-not-json": "not JSON",
    "reply-not-utf8": "not JSON",
    "request-nowhere": "out of bounds",
    "sleep-10s": TIMED_OUT,
    "spin": TIMED_OUT,
    "start-spins": TIMED_OUT,
    "start-traps": "unreachable",
    "table-bomb": "accept",
    "trap-divide": "divide by zero",
    "trap-memory": "out of bounds",
    "trap-unreachable": "unreachable",
    "unknown-import": "unknown import",
    "unknown-wasi": "unknown import",
    "wrong-import-type": "wrong signature",
    "wrong-signature": "__guest_call",
}
# Guests of other ABIs: tested with the scheduler ABI, or below.
OTHERS = {"pointers-wapc", "pointers-wasi", "pointers-scheduler", "wasi-endless-output", "wasi-exit-3"}

HONEST = (FAULTS / "exit-0.wat").read_text()


TIMEOUT_S = 0.6


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    rig = Rig(tmp_path_factory.mktemp("faults"), memory_limit_mib=32, cpu_budget_ms=150, wall_timeout_s=TIMEOUT_S)
    yield rig
    rig.close()


async def promptly(rig, name):
    """A policy's answer, which must not cost more work of this process, guests of others included, than its timeout.

    Work, not time: what else the machine does is no fault of edged. Policies asked in this way are loaded as patient.
    """
    begun = time.thread_time()
    answer = await rig.admission.review(name, request())
    assert time.thread_time() - begun < TIMEOUT_S
    return answer


def test_every_faulty_policy_is_covered():
    found = {
        path.stem
        for path in FAULTS.glob("*.wat")
        if '"wapc"' in path.read_text() or "__guest_call" in path.read_text()
    }
    assert found - OTHERS - set(EXPECTED) == set()


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_faulty_policy_costs_only_its_own_verdict(rig, name):
    wanted = EXPECTED[name]

    async def main():
        text = (FAULTS / f"{name}.wat").read_text()
        own_metadata = {"metadata": None} if name == "metadata-none" else {}
        honest_policy, faulty = rig.wat("honest", HONEST), rig.wat(name, text, **own_metadata)
        timed_out = wanted == TIMED_OUT
        await (rig.load(faulty, patient=[honest_policy]) if timed_out else rig.load(patient=[honest_policy, faulty]))
        honest, answers = [], []

        async def ask_honest():
            for _ in range(5):
                honest.append((await promptly(rig, "honest")).allowed)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask_honest)
            for _ in range(3):
                answers.append(await (rig.admission.review(name, request()) if timed_out else promptly(rig, name)))
        assert honest == [True] * 5
        for answer in answers:
            if wanted == "accept":
                assert answer.allowed, answer
            else:
                assert not answer.allowed
                assert answer.status["code"] == 500
                assert wanted in answer.status["message"]

    trio.run(main)


@pytest.mark.parametrize("how_many", [1, 4, 50])
def test_endless_guests_end_at_their_deadline_and_leave_others_alone(rig, how_many):
    async def main():
        await rig.load(rig.wat("spin", (FAULTS / "spin.wat").read_text()), patient=[rig.wat("honest", HONEST)])
        ended, honest = [], []

        async def spin():
            ended.append(await rig.admission.review("spin", request()))

        async with trio.open_nursery() as nursery:
            for _ in range(how_many):
                nursery.start_soon(spin)
            await trio.lowlevel.checkpoint()
            while len(ended) < how_many:
                honest.append((await promptly(rig, "honest")).allowed)
        assert all(honest) and honest
        assert {answer.status["message"] for answer in ended} == {TIMED_OUT}

    trio.run(main)


@pytest.mark.parametrize("name", ["random-64m", "iovecs-1m"])
def test_a_guest_that_asks_for_unbounded_work_goes_on_with_an_error(tmp_path, name):
    rig = Rig(tmp_path, memory_limit_mib=128)

    async def main():
        await rig.load(rig.wat(name, (FAULTS / f"{name}.wat").read_text()))
        return await rig.admission.review(name, request())

    assert trio.run(main).allowed
    rig.close()


def test_a_huge_reply_is_refused_where_the_guest_may_make_one(tmp_path):
    rig = Rig(tmp_path, memory_limit_mib=128)

    async def main():
        await rig.load(rig.wat("huge", (FAULTS / "reply-huge.wat").read_text()))
        return await rig.admission.review("huge", request())

    answer = trio.run(main)
    assert not answer.allowed and "too long" in answer.status["message"]
    rig.close()


def test_client_gone_midway_ends_the_guest(rig):
    async def main():
        await rig.load(patient=[rig.wat("spin", (FAULTS / "spin.wat").read_text())])
        with trio.move_on_after(0.05) as scope:
            await rig.admission.review("spin", request())
        assert scope.cancelled_caught
        assert not rig.engine.slices.used.held and not rig.engine.slices.fresh.held

    trio.run(main)


def test_memory_returns_after_memory_bombs(rig):
    from tests.wasm.support import rss_mib

    async def main():
        await rig.load(rig.wat("bomb", (FAULTS / "memory-bomb.wat").read_text()))
        await rig.admission.review("bomb", request())
        before = rss_mib()
        for _ in range(40):
            await rig.admission.review("bomb", request())
        assert rss_mib() < before + 24

    trio.run(main)


def test_memory_bombs_together_end_before_they_take_the_node(tmp_path):
    """Each is within its own limit of 32 MiB; thirty-two of them at once must not use a gibibyte."""
    from tests.wasm.support import rss_mib

    rig = Rig(tmp_path, memory_limit_mib=32, wall_timeout_s=5.0, cpu_budget_ms=3000)
    rig.engine.guests_memory.limit = 96 << 20
    bomb = (FAULTS / "memory-bomb.wat").read_text()
    peak = 0.0

    async def main():
        nonlocal peak
        await rig.load(rig.wat("bomb", bomb), patient=[rig.wat("honest", HONEST)])
        before = rss_mib()
        answers = []

        async def ask():
            answers.append(await rig.admission.review("bomb", request()))

        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(ask)
            while len(answers) < 40:
                assert (await rig.admission.review("honest", request())).allowed
                peak = max(peak, rss_mib() - before)
                await trio.sleep(0)
        ended = [answer for answer in answers if not answer.allowed]
        said = [answer.status["message"] for answer in ended]
        assert any("all guests together" in text for text in said)
        assert all("all guests together" in text or text == TIMED_OUT for text in said)
        assert rig.engine.guests_memory.used == 0

    trio.run(main)
    assert peak < 96 + 2 * 32
    rig.close()


def test_a_flood_at_one_policy_waits_in_its_own_queue(rig):
    async def main():
        await rig.load(patient=[rig.wat("honest", HONEST), rig.wat("sleep", (FAULTS / "sleep-10s.wat").read_text())])
        slots = rig.admission._slots["sleep"]
        async with trio.open_nursery() as nursery:
            for _ in range(300):
                nursery.start_soon(rig.admission.review, "sleep", request())
            while slots.value or slots.statistics().tasks_waiting < 300 - 32:
                await trio.sleep(0.001)
            assert (await promptly(rig, "honest")).allowed
            assert slots.value == 0
            nursery.cancel_scope.cancel()
        assert slots.value == 32

    trio.run(main)


def test_waiting_for_a_slot_counts_against_the_timeout(tmp_path):
    """Two waves of a sleeping policy: the second ends with the first, not a whole timeout later."""
    timeout_s, waited_s = 4.0, 3.0
    rig = Rig(tmp_path, wall_timeout_s=timeout_s)

    async def main():
        await rig.load(rig.wat("sleep", (FAULTS / "sleep-10s.wat").read_text()))
        slots, seen = rig.admission._slots["sleep"], []
        for _ in range(32):
            slots.acquire_nowait()

        async def ask():
            begun = trio.current_time()
            answer = await rig.admission.review("sleep", request())
            seen.append((answer.status["message"], trio.current_time() - begun))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(waited_s)
            slots.release()
        for _ in range(31):
            slots.release()
        ((message, took),) = seen
        assert message == TIMED_OUT
        assert took < waited_s + timeout_s

    trio.run(main)
    rig.close()
