"""Downloads beside each other: who waits for whom, and for how long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from edged.errors import PeerError
from edged.registry.places import Places

Download = Callable[..., Awaitable[None]]


class Scene:
    """Downloads that take as long as they are told; when each began, and what became of it."""

    def __init__(self, **limits: float) -> None:
        self.places = Places(**limits)  # type: ignore[arg-type]
        self.began: dict[str, float] = {}
        self.ended: dict[str, float] = {}
        self.errors: dict[str, str] = {}

    async def download(self, name: str, host: str, takes_s: float) -> None:
        try:
            async with self.places.place(host):
                self.began[name] = trio.current_time()
                await trio.sleep(takes_s)
            self.ended[name] = trio.current_time()
        except PeerError as error:
            self.errors[name] = str(error)

    def run(self, *downloads: tuple[str, str, float]) -> None:
        async def main() -> None:
            async with trio.open_nursery() as nursery:
                for each in downloads:
                    nursery.start_soon(self.download, *each)
                    await trio.testing.wait_all_tasks_blocked()

        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.01))
        assert not self.places._running and not self.places._waiting


def test_one_host_has_two_places_and_the_others_do_not_wait() -> None:
    scene = Scene()
    scene.run(*((f"a{n}", "a", 5.0) for n in range(5)), ("b", "b", 1.0))
    assert [round(scene.began[f"a{n}"]) for n in range(5)] == [0, 0, 5, 5, 10]
    assert round(scene.began["b"]) == 0


def test_one_that_drips_holds_up_nobody_for_long() -> None:
    scene = Scene(place_s=15.0)
    slow, quick = (("slow1", "a", 3600.0), ("slow2", "a", 3600.0)), (("quick", "a", 1.0), ("quick2", "a", 1.0))
    scene.run(*slow, *quick, ("b", "b", 1.0))
    assert [round(scene.began[name]) for name in ("quick", "quick2", "b")] == [15, 15, 0]
    assert round(scene.ended["slow1"]) == 3600, "it goes on all the same"


def test_all_places_together_are_bounded() -> None:
    scene = Scene(in_all=3)
    scene.run(*((f"{n}", f"host{n}", 4.0) for n in range(7)))
    assert [round(scene.began[f"{n}"]) for n in range(7)] == [0, 0, 0, 4, 4, 4, 8]


def test_the_oldest_gives_way_where_too_many_are_slow() -> None:
    scene = Scene(in_all=2, place_s=10.0, most=4, gives_way=True)
    scene.run(*((f"{n}", f"host{n}", 1000.0) for n in range(6)))
    assert set(scene.errors) == {"0", "1"}
    assert "not there after 20 s, and it gave way" in scene.errors["0"]
    assert round(scene.ended["2"]) == 1010


def test_the_next_waits_where_nobody_has_to_give_way() -> None:
    """All of them are wanted by the administrator, and slow because the link is."""
    scene = Scene(in_all=2, place_s=10.0, most=4)
    scene.run(*((f"{n}", f"host{n}", 1000.0) for n in range(6)))
    assert not scene.errors and [round(scene.began[f"{n}"]) for n in range(6)] == [0, 0, 10, 10, 1000, 1000]


def test_one_that_gives_up_waiting_leaves_no_trace() -> None:
    async def main() -> None:
        places = Places(per_host=1)
        async with places.place("a"):
            with trio.move_on_after(1):
                async with places.place("a"):
                    pytest.fail("there was no place")
        async with places.place("a"):
            assert not places._waiting

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
