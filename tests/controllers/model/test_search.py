"""`search.py` finds every state of a small model, and the shortest way to a wrong one."""

from __future__ import annotations

from collections.abc import Iterator

from tests.controllers.model.search import explore


class Counter:
    """Counts up by one or two, to `end`; `bad` must not be reached."""

    def __init__(self, end: int, bad: int = -1) -> None:
        self.end, self.bad = end, bad

    def initial(self) -> int:
        return 0

    def steps(self, state: int) -> Iterator[tuple[str, int]]:
        yield from ((f"add {step}", state + step) for step in (1, 2) if state + step <= self.end)

    def wrong(self, state: int) -> str:
        return f"{state} is bad" if state == self.bad else ""


def test_every_state_is_reached() -> None:
    found = explore(Counter(5))
    assert (found.states, found.transitions, found.resting, found.complete, found.wrong) == (6, 9, 1, True, "")
    assert str(found) == "6 states, 9 transitions, 1 at rest"


def test_the_way_to_a_wrong_state_is_the_shortest() -> None:
    found = explore(Counter(9, bad=5))
    assert found.wrong == "5 is bad"
    assert sorted(found.trace) == ["add 1", "add 2", "add 2"]


def test_a_search_that_was_cut_short_says_so() -> None:
    found = explore(Counter(9), most=3)
    assert not found.complete and "not all of them" in str(found)
