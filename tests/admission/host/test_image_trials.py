"""Which policies get an image, how far it goes, and that nothing of the host is in it."""

import dataclasses
import hashlib
import tracemalloc

import pytest
import trio

from edged.admission.host import image_trials
from edged.admission.host.image_trials import NoImage, Trials
from edged.wasm.instance import Instance
from tests.admission.host.image_guests import REPLY, SLOW, guest
from tests.admission.host.support import Rig

QUESTIONS = [b'{"request":{},"settings":{}}', b'{"request":{"operation":"UPDATE"},"settings":{}}']
COUNT = "(global.set $count (i32.add (global.get $count) (i32.const 1))) (call $show (global.get $count))"
RANDOM = "(drop (call $random (i32.const 2048) (i32.const 8)))"
CLOCK = "(drop (call $clock (i32.const 0) (i64.const 0) (i32.const {})))"


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.close()


@pytest.fixture(autouse=True)
def cost(monkeypatch):
    """What an answer costs: little where the image is of an instance that has done what it does once."""
    costs = {"start": 1.0}

    async def cost(_trials, image):
        if image is None:
            return 1.0
        done = any(name == b"edged.image.global.0" and value[8] for name, value in image._globals)
        return 0.1 if done else costs["start"]

    monkeypatch.setattr(Trials, "_cost", cost)
    return costs


def image(rig, text, *, always=False):
    """What the trials come to: an image, or the reason against one."""

    async def main():
        await rig.load(patient=[rig.wat("p", text)])
        policy = rig.admission.policies["p"]
        assert policy.error is None
        try:
            return await Trials(policy, policy.template, QUESTIONS, always=always).image()
        except NoImage as error:
            return str(error)

    return trio.run(main)


def test_what_is_done_once_is_in_the_image(rig):
    found = image(rig, guest())
    assert found.held_bytes < 64 << 10


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (guest(more="(table 1 funcref)", always="(table.set (i32.const 0) (ref.null func))"), "has table.set"),
        (guest(always=f"{RANDOM} (call $show (i32.load (i32.const 2048)))"), "two fresh instances answer"),
        (guest(f"{SLOW} {RANDOM}"), "it draws random bytes"),
        (guest(f"{SLOW} (call $read_cluster)"), "it calls kubernetes/list_resources_all"),
        (guest(SLOW, COUNT), "its answers would be others (image after its first review)"),
        (guest(f"{SLOW} (call $log (i32.const 512) (i32.const 3))"), "its answers would be others"),
        (guest(f"{SLOW} (call $trace)"), "its answers would be others"),
        (guest(at_start=RANDOM), "it draws random bytes"),
        (guest(at_start="(call $read_cluster)"), "it calls kubernetes/list_resources_all"),
        (guest("unreachable"), "it traps: unreachable (image after its first review)"),
    ],
)
def test_reasons_against_an_image(text, reason, rig):
    assert reason in image(rig, text)


def test_an_image_goes_only_as_far_as_is_safe(rig, cost):
    """What the start does once is saved, although an image after the first review would answer otherwise."""
    cost["start"] = 0.5
    found = image(rig, guest("", COUNT, at_start=SLOW))
    reply = REPLY.replace("\\", "").replace("00000000", "baaaaaaa", 1).encode()

    async def main():
        policy = rig.admission.policies["p"]
        trials = Trials(policy, policy.template, QUESTIONS, always=False)
        for begin in (None, found):
            (answer, _) = await trials._answer(trials._trial(image_trials.PLAIN, bytes), begin, QUESTIONS[0])
            assert answer.reply == hashlib.blake2b(reply).digest()

    trio.run(main)


def test_random_bytes_are_allowed_where_the_user_says_so(rig):
    assert image(rig, guest(f"{SLOW} {RANDOM}"), always=True).held_bytes


def test_a_clock_that_was_read_before_is_allowed_where_answers_do_not_show_it(rig):
    assert image(rig, guest(f"{SLOW} {CLOCK.format(2048)}")).held_bytes


@pytest.mark.parametrize(
    ("shown", "clock"),
    [
        ("(i64.gt_s {} (i64.const 0))", "stands still"),
        ("(i64.lt_s {} (i64.const -1000000))", "runs backwards"),
        ("(i64.gt_s {} (i64.const 43200000000000))", "is a day ahead"),
    ],
)
def test_strange_clocks_are_tried_where_one_was_read(shown, clock, rig):
    """A guest whose answer shows something of how much time went on since its first review."""
    passed = "(i64.sub (i64.load (i32.const 2056)) (i64.load (i32.const 2048)))"
    text = guest(f"{SLOW} {CLOCK.format(2048)}", f"{CLOCK.format(2056)} (call $show {shown.format(passed)})")
    assert f"with a clock that {clock}" in image(rig, text)


def test_an_image_that_saves_nothing_is_not_used(rig, cost):
    text = guest("", "(global.set $done (i32.const 0))")
    assert "no image saves CPU time: 1000.00 ms with the best, 1000.00 ms fresh" in image(rig, text.replace(
        "(global.set $done (i32.const 1))", ""))


def test_what_differs_is_not_only_the_reply(rig):
    def answer(reply=b"", error="", logged=(), called=(), output=b""):
        trial = image_trials.Trial(image_trials.PLAIN, bytes, (0, 0))
        for line in logged:
            trial.call.log(line)
        for payload in called:
            trial.call.dispatch("kubewarden", "tracing", "log", payload)
        trial.wasi.output.add(output)
        return trial.answer(reply, error)

    answers = [
        answer(), answer(reply=b"a"), answer(error="trap"), answer(output=b"a"), answer(logged=["a"]),
        answer(logged=["", "a"]), answer(logged=["a", ""]), answer(called=[b""]), answer(called=[b"", b""]),
        answer(called=[b"a"]), answer(logged=["kubewarden", "tracing", "log", ""]),
    ]  # fmt: skip
    assert len(set(answers)) == len(answers)
    assert answer(called=[b"a"]) == answer(called=[b"a"])
    assert all(field.type == "bytes" for field in dataclasses.fields(image_trials.Answer))


def test_what_a_guest_says_takes_no_memory():
    """In a second of CPU time it could say some GiB."""
    trial = image_trials.Trial(image_trials.PLAIN, bytes, (0, 0))
    tracemalloc.start()
    try:
        for _ in range(50):
            trial.call.dispatch("kubewarden", "tracing", "log", bytes(1 << 20))
            trial.call.log("a" * 4096)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_reason_holds_no_words_of_the_guest(rig):
    """They could be its settings, and of any kind."""
    text = guest(f"{SLOW} (call $read_cluster)").replace("list_resources_all", "secret\\1b[31mxxxxxxx")
    assert "it calls the host" in image(rig, text)


def test_the_reason_against_an_image_that_is_too_large_is_told(rig):
    text = guest(f"{SLOW} (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x500000))")
    text = text.replace('(memory (export "memory") 4)', '(memory (export "memory") 100)')
    assert "would be copied for each review" in image(rig, text)


def test_no_instance_is_left(rig):
    before = rig.engine.handles.free_slots.value
    image(rig, guest())
    image(rig, guest("unreachable"))
    assert rig.engine.handles.free_slots.value == before
    assert not rig.engine.handles.shown


def trials_of(rig):
    policy = rig.admission.policies["p"]
    return Trials(policy, policy.template, QUESTIONS, always=False)


@pytest.mark.parametrize(
    ("tries", "least"),
    [([0.009, 0.008, 0.007, 0.005, 0.006, 0.009, 0.009, 0.009, 0.009], 0.005), ([0.09, 0.02], 0.02), ([0.2], 0.2)],
)
def test_the_least_of_some_tries_counts(tries, least, rig, monkeypatch):
    """A guest that is quick is asked nine times, a slow one until a tenth of a second is spent."""
    monkeypatch.undo()
    left = iter(tries)

    async def answer(*_):
        return None, next(left)

    monkeypatch.setattr(Trials, "_answer", answer)

    async def main():
        await rig.load(patient=[rig.wat("p", guest())])
        return await trials_of(rig)._cost(None)

    assert trio.run(main) == least
    assert next(left, None) is None


def test_an_answer_costs_what_the_guest_takes_and_what_an_image_does(rig, monkeypatch):
    """Each call of the guest takes a second here, and putting the image in half a second. It exports no _start."""
    found = image(rig, guest("", at_start=SLOW))
    monkeypatch.setattr(image_trials, "perf_counter", iter([3.0, 3.5]).__next__)
    monkeypatch.setattr(Instance, "cpu_s", 1.0)

    async def main():
        trials = trials_of(rig)
        for begin, spent_s in ((None, 2.0), (found, 1.5)):
            trial = trials._trial(image_trials.PLAIN, bytes)
            assert (await trials._answer(trial, begin, QUESTIONS[0]))[1] == spent_s

    trio.run(main)
