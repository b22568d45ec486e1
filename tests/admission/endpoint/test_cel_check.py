"""CEL expressions of custom resources, checked by a child process."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.lowlevel
import trio.testing

from edged.admission.endpoint import cel_check
from edged.admission.endpoint.cel_check import MOST_JUDGED, TIMEOUT_S, CelChecker, CelUnavailable
from edged.kube.values.cel_types import judge
from edged.process import children


def test_expressions_are_checked_in_a_child_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    good = [
        "request.resource.group != 'x' && object.spec.items.exists(x, x.a == 1)",
        "authorizer.group('').resource('pods').check('get').allowed()",
        "oldObject == null || has(object.metadata.labels)",
    ]
    bad = {"1 +": "Syntax error", "params.a": "undeclared reference to 'params'", "foo(": "Syntax error"}

    async def main() -> None:
        checker = CelChecker()
        found = await checker.problems([*good, *bad])
        assert found.keys() == bad.keys()
        for text, words in bad.items():
            assert words in found[text]

        async def nobody(*_: Any, **__: Any) -> Any:
            raise AssertionError("asked again")

        monkeypatch.setattr(children, "run", nobody)
        assert (await checker.problems(["1 +", good[0]])).keys() == {"1 +"}

    trio.run(main)


def test_what_is_known_without_the_child_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tenants who apply what only the child can judge do not keep others from applying."""
    asked = 0

    async def slow(*_: Any, **__: Any) -> Any:
        nonlocal asked
        asked += 1
        await trio.sleep(1000)

    monkeypatch.setattr(children, "run", slow)

    async def main() -> None:
        checker = CelChecker()
        failed = 0

        async def tenant(number: int) -> None:
            nonlocal failed
            with pytest.raises(CelUnavailable):
                await checker.problems([f"duration(object.a) > duration('{number}s')"])
            failed += 1

        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(tenant, number)
            await trio.sleep(0)
            assert await checker.problems(["object.a == 1", "request.foo == 1"]) == {
                "request.foo == 1": judge("request.foo == 1").text}
            assert trio.current_time() < 1
        assert failed == 100 and trio.current_time() < 2 * TIMEOUT_S and asked < 20

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_many_long_expressions_do_not_hold_up_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 conditions of 4 KiB in one custom resource: others run in between, and a child looks at most of them."""
    texts = [" || ".join(f"object.a{number} == {each}" for each in range(180)) for number in range(64)]
    assert sum(map(len, texts)) > 20 * MOST_JUDGED
    judged, asked, turns, most = 0, 0, 0, 0

    def counted(text: str) -> Any:
        nonlocal judged, most
        judged += len(text)
        most = max(most, judged - seen)
        return judge(text)

    async def child(expressions: list[str]) -> dict[str, str]:
        nonlocal asked
        asked += len(expressions)
        await trio.lowlevel.checkpoint()
        return {expressions[-1]: "no"}

    seen = 0
    monkeypatch.setattr(cel_check, "judge", counted)
    monkeypatch.setattr(cel_check, "_ask", child)

    async def main() -> None:
        async def other() -> None:
            nonlocal turns, seen
            while True:
                await trio.lowlevel.checkpoint()
                turns, seen = turns + 1, judged

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            assert await CelChecker().problems([*texts, "request.foo == 1"]) == {"request.foo == 1": "no"}
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert 0 < judged <= MOST_JUDGED and asked >= 60 and turns > 60
    assert most <= 2 * max(map(len, texts))
