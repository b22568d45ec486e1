"""When policies get images, which do not and why, and that reviews go on meanwhile."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import trio
import trio.testing

from edged.admission.host import preinitialization
from edged.admission.host.image_trials import NoImage, NoNeed, NotNow, Trials
from edged.admission.host.policy import SLOW_S, costly_because, fresh_because
from edged.admission.host.preinitialization import AGAIN_S, RENEWED_S, Preinitialization, due_at, image_of
from tests.admission.host.image_guests import guest
from tests.admission.host.support import Rig, request


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.close()


async def load(rig, text, **config):
    await rig.load(patient=[replace(rig.wat("p", text), **config)])
    policy = rig.admission.policies["p"]
    assert policy.error is None
    return policy


async def until(condition):
    with trio.fail_after(60):
        while not condition():
            await trio.sleep(0.005)


async def run(rig, told, check):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(told.run)
        await check()
        nursery.cancel_scope.cancel()


def test_a_policy_answers_before_and_after_it_has_an_image(rig):
    async def main():
        told = Preinitialization(rig.log)
        policy = await load(rig, guest("(call $spin (i32.const 30000000))"))

        async def check():
            assert fresh_because(policy) == "no image was made yet"
            first = await rig.admission.review("p", request())
            told.loaded(rig.admission.policies.values())
            await until(lambda: policy.beginning.image is not None)
            assert fresh_because(policy) == ""
            second = await rig.admission.review("p", request())
            assert (second.allowed, second.status) == (first.allowed, first.status)
            assert any("policy preinitialized" in line for line in rig.said)

        await run(rig, told, check)

    trio.run(main)


def test_a_reload_keeps_the_image_of_a_policy_that_is_what_it_was(rig):
    async def main():
        told = Preinitialization(rig.log)
        text = guest("(call $spin (i32.const 30000000))")
        policy = await load(rig, text)

        async def check():
            told.loaded([policy])
            await until(lambda: policy.beginning.image is not None)
            same = await load(rig, text)
            told.loaded([same])
            assert same is not policy and same.beginning is policy.beginning
            for change in ({"settings": {"a": 1}}, {"preinitialize": "never"}):
                other = await load(rig, text, **change)
                told.loaded([other])
                assert other.beginning is not policy.beginning and other.beginning.image is None
                told.loaded([policy])

        await run(rig, told, check)

    trio.run(main)


def test_an_image_is_renewed_every_day(rig):
    async def main():
        told = Preinitialization(rig.log)
        policy = await load(rig, guest("(call $spin (i32.const 30000000))"))

        async def check():
            told.loaded([policy])
            await until(lambda: policy.beginning.image is not None)
            first = policy.beginning.image
            assert 0 < RENEWED_S - (due_at(policy) - trio.current_time()) < 60
            policy.beginning.due_at = trio.current_time()
            told.loaded([policy])
            await until(lambda: policy.beginning.image is not first)
            assert policy.beginning.image is not None

        await run(rig, told, check)

    trio.run(main)


@pytest.mark.parametrize(
    ("error", "kept"), [(NoImage("not safe"), False), (NotNow("busy"), True), (ValueError(), True)]
)
def test_what_fails_costs_this_policy_its_image_only_where_it_is_not_safe(rig, error, kept, monkeypatch):
    async def fail(policy):
        tried.append(policy)
        if len(tried) == 1:
            raise error
        return known

    async def main():
        policy = await load(rig, guest())
        other = await load(rig, guest("", "nop"))
        policy.beginning.image = known

        async def check():
            told.loaded([policy, other])
            await until(lambda: other.beginning.image is known)
            assert (policy.beginning.image is known) == kept
            wait_s = due_at(policy) - trio.current_time()
            assert (AGAIN_S if kept else RENEWED_S) - 60 < wait_s <= (AGAIN_S if kept else RENEWED_S)

        told = Preinitialization(rig.log)
        await run(rig, told, check)

    class Known:
        held_bytes = 0

    tried: list[object] = []
    known = Known()
    monkeypatch.setattr(preinitialization, "image_of", fail)
    trio.run(main)


@pytest.mark.parametrize(
    ("error", "usual_cpu_s", "said"),
    [
        (NoImage("it draws random bytes"), SLOW_S, "it draws random bytes"),
        (NotNow("busy"), SLOW_S, "busy"),
        (NoImage("it draws random bytes"), SLOW_S / 2, ""),
        (NoNeed("no image saves CPU time"), SLOW_S, ""),
    ],
)
def test_people_are_told_why_a_slow_policy_starts_fresh(error, usual_cpu_s, said, rig, monkeypatch):
    async def fail(_policy):
        raise error

    async def main():
        policy = await load(rig, guest())
        monkeypatch.setattr(policy.template.module, "usual_cpu_s", usual_cpu_s)
        assert costly_because(policy) == "", "not before it was tried"
        monkeypatch.setattr(preinitialization, "image_of", fail)
        await Preinitialization(rig.log)._prepare(policy)
        assert costly_because(policy) == said
        assert fresh_because(policy) == str(error)

    trio.run(main)


def test_all_images_together_are_bounded(rig, monkeypatch):
    async def taken(policy):
        return SimpleNamespace(held_bytes=preinitialization.MOST_HELD // 2)

    async def main():
        first, second, third = [await load(rig, guest()) for _ in range(3)]
        told = Preinitialization(rig.log)
        told.loaded([first, second, third])
        for policy in (first, second, third):
            await told._prepare(policy)
        assert fresh_because(third) == "all images together would take more than 64 MiB"
        await told._prepare(first)
        assert fresh_because(first) == fresh_because(second) == ""

    monkeypatch.setattr(preinitialization, "image_of", taken)
    trio.run(main)


def test_nobody_waits_for_the_trials_of_a_policy_that_is_gone(rig, monkeypatch):
    async def endless(policy):
        tried.append(policy)
        await trio.sleep_forever()

    async def main():
        old, new = await load(rig, guest()), await load(rig, guest(), settings={"other": True})

        async def check():
            told.loaded([old])
            await until(lambda: tried == [old])
            told.loaded([replace(old)])  # the same one, in another set
            await trio.testing.wait_all_tasks_blocked()
            assert tried == [old]
            told.loaded([new])
            await until(lambda: tried == [old, new])

        told = Preinitialization(rig.log)
        await run(rig, told, check)

    tried: list[object] = []
    monkeypatch.setattr(preinitialization, "image_of", endless)
    trio.run(main)


def test_pauses_grow(rig, monkeypatch):
    async def fail(_policy):
        raise NotNow("busy")

    async def main():
        policy = await load(rig, guest())
        told = Preinitialization(rig.log)
        monkeypatch.setattr(preinitialization, "image_of", fail)
        for _ in range(3):
            await told._prepare(policy)
        assert policy.beginning.pause_s == 4 * AGAIN_S
        for _ in range(20):
            await told._prepare(policy)
        assert policy.beginning.pause_s == RENEWED_S

    trio.run(main)


def test_a_policy_that_is_not_loaded_is_never_due(rig):
    async def main():
        await rig.load(rig.wat("p", "(module)"))
        policy = rig.admission.policies["p"]
        assert policy.error is not None
        assert due_at(policy) == float("inf")

    trio.run(main)


@pytest.mark.parametrize(
    ("mode", "config", "reason"),
    [
        ("kubewarden-wapc", {"preinitialize": "never"}, 'preinitialize = "never"'),
        ("wasi", {}, "a WASI command"),
        ("opa", {}, "Rego"),
    ],
)
def test_some_policies_get_none(rig, mode, config, reason):
    async def main():
        policy = await load(rig, guest(), **config)
        policy.metadata = replace(policy.metadata, execution_mode=mode)
        with pytest.raises(NoImage, match=reason):
            await image_of(policy)

    trio.run(main)


def test_always_is_handed_on(rig, monkeypatch):
    asked = []

    async def image(self):
        asked.append((self._always, len(self._questions)))

    monkeypatch.setattr(Trials, "image", image)

    async def main():
        for wish in ("auto", "always"):
            await image_of(await load(rig, guest(), preinitialize=wish))

    trio.run(main)
    assert asked == [(False, 1), (True, 1)]
