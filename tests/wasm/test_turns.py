"""Whose module is compiled next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
import trio.testing

from edged.wasm.turns import MOST_AUTHORS, GaveWay, Turns


class Scene:
    """Turns that take a while; the order in which they ended, and who gave way."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.ended: list[str] = []
        self.gave_way: list[str] = []
        self.busy = 0

    async def one(self, name: str, author: str, takes_s: float = 1.0, *, key: str = "") -> None:
        try:
            async with self.turns.turn(author, key=key):
                assert not self.busy, "alone"
                self.busy += 1
                try:
                    await trio.sleep(takes_s)
                finally:
                    self.busy -= 1
            self.ended.append(name)
        except GaveWay:
            self.gave_way.append(name)


def run(main: Callable[[Scene, trio.Nursery], Awaitable[None]]) -> Scene:
    scene = Scene()

    async def whole() -> None:
        async with trio.open_nursery() as nursery:
            await main(scene, nursery)

    trio.run(whole, clock=trio.testing.MockClock(autojump_threshold=0))
    assert not scene.turns._running and not scene.turns._waiting
    return scene


async def begin(scene: Scene, nursery: trio.Nursery, *turns: tuple[str, str]) -> None:
    for name, author in turns:
        nursery.start_soon(scene.one, name, author)
        await trio.testing.wait_all_tasks_blocked()


def test_one_author_with_many_modules_takes_turns_with_the_others() -> None:
    async def main(scene: Scene, nursery: trio.Nursery) -> None:
        await begin(scene, nursery, *((f"a{n}", "a") for n in range(4)), ("b1", "b"), ("b2", "b"), ("c1", "c"))

    assert run(main).ended == ["a0", "b1", "c1", "a1", "b2", "a2", "a3"]


def test_the_administrator_waits_for_nobody_else() -> None:
    async def main(scene: Scene, nursery: trio.Nursery) -> None:
        await begin(scene, nursery, ("a1", "a"), ("a2", "a"), ("mine1", ""), ("mine2", ""))
        await trio.sleep(3.5)
        await begin(scene, nursery, ("mine3", ""))

    scene = run(main)
    assert scene.gave_way == ["a1"] and scene.ended == ["mine1", "mine2", "a2", "mine3"]


def test_who_compiles_what_the_administrator_wants_goes_on() -> None:
    async def main(scene: Scene, nursery: trio.Nursery) -> None:
        async def mine() -> None:
            async with scene.turns.turn("", key="module"):
                scene.ended.append("mine")

        nursery.start_soon(partial(scene.one, "a1", "a", key="module"))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(mine)

    scene = run(main)
    assert scene.ended == ["a1", "mine"] and not scene.gave_way


def test_the_administrators_own_do_not_give_way() -> None:
    async def main(scene: Scene, nursery: trio.Nursery) -> None:
        await begin(scene, nursery, ("mine1", ""), ("a1", "a"), ("mine2", ""))

    scene = run(main)
    assert scene.ended == ["mine1", "mine2", "a1"] and not scene.gave_way


def test_as_many_at_once_as_there_is_room_for() -> None:
    """The largest first, so that none is left alone at the end; one of each author, and what is alone is alone."""
    running: list[str] = []
    seen: list[list[str]] = []
    company: dict[str, bool] = {}

    async def main() -> None:
        turns = Turns(lambda sizes, size: len(sizes) < 2 and sum(sizes) + size <= 10)

        async def one(name: str, size: int, author: str = "", *, key: str = "", alone: bool = False) -> None:
            async with turns.turn(author, size=size, key=key, alone=alone) as turn:
                running.append(name)
                seen.append(sorted(running))
                await trio.sleep(size)
                running.remove(name)
            company[name] = turn.had_company

        async with trio.open_nursery() as nursery:
            for arguments in (("first", 3), ("small", 2), ("large", 7), ("huge", 9), ("same", 2)):
                nursery.start_soon(partial(one, key="same" if arguments[1] == 2 else ""), *arguments)
                await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(partial(one, alone=True), "alone", 1)
            nursery.start_soon(one, "a1", 1, "a")
            nursery.start_soon(one, "a2", 1, "a")
            nursery.start_soon(one, "b1", 1, "b")

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert all(len(names) <= 2 for names in seen) and ["small", "same"] not in seen
    assert [names for names in seen if "alone" in names] == [["alone"]]
    assert company["first"] and company["small"] and not company["huge"] and not company["alone"]
    assert not any({"a1", "b1"} <= {*names} or {"a1", "a2"} <= {*names} for names in seen)
    assert seen[:2] == [["first"], ["first", "small"]]
    assert seen[2] == ["huge"], "who is next waits for room, and nobody overtakes"


def test_what_is_cancelled_or_fails_passes_the_turn_on() -> None:
    async def main(scene: Scene, nursery: trio.Nursery) -> None:
        with trio.move_on_after(0.5):
            async with trio.open_nursery() as inner:
                await begin(scene, inner, ("a1", "a"), ("waits", "a"))
        with pytest.raises(ValueError):
            async with scene.turns.turn("a"):
                await begin(scene, nursery, ("b1", "b"))
                raise ValueError

    assert run(main).ended == ["b1"]


def test_only_so_many_authors_are_remembered() -> None:
    async def main(scene: Scene, nursery: trio.Nursery) -> None:
        for number in range(MOST_AUTHORS + 10):
            async with scene.turns.turn(f"author{number}"):
                pass
        assert len(scene.turns._last) == MOST_AUTHORS

    run(main)
