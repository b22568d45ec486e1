"""Who gives way where more instances are alive than shall be."""

from __future__ import annotations

from edged.controllers.run.live import MOST_LIVE, Live
from edged.wasm.engine import SLOTS


class Instance:
    """Notes that it was asked to go."""

    def __init__(self, *, is_idle: bool = True) -> None:
        self.is_idle = is_idle
        self.gave_way = False

    def give_way(self) -> None:
        self.gave_way = True


def test_the_one_that_was_idle_longest_gives_way() -> None:
    live, holders = Live(most=2), [Instance() for _ in range(3)]
    for number in (0, 1, 0, 2):
        live.called(holders[number])
    assert [each.gave_way for each in holders] == [False, True, False]


def test_one_that_serves_a_call_stays_and_so_does_the_one_that_comes() -> None:
    live, busy, fresh = Live(most=1), Instance(is_idle=False), Instance()
    live.called(busy)
    live.called(fresh)
    assert not busy.gave_way and not fresh.gave_way
    assert len(live) == 2


def test_one_that_went_counts_no_more() -> None:
    live, first, second = Live(most=1), Instance(), Instance()
    live.called(first)
    live.dropped(first)
    live.called(second)
    assert not first.gave_way and len(live) == 1


def test_a_hundred_controllers_stay_alive_and_reviews_have_slots_left() -> None:
    live, holders = Live(), [Instance() for _ in range(100)]
    for holder in holders:
        live.called(holder)
    assert not any(each.gave_way for each in holders)
    assert SLOTS - MOST_LIVE >= 64
