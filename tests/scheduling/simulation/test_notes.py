"""Notes of a simulation."""

from __future__ import annotations

from edged.scheduling.simulation.notes import Notes


def test_one_line_for_each_text_and_no_name_twice() -> None:
    notes = Notes()
    notes.add("said once")
    for name in ("a", "b", "a", "c", "d", "e"):
        notes.add("is odd", name)
    copy = notes.copy()
    copy.add("later")
    assert notes.lines() == ["said once", "a, b, c and 2 more: is odd"]
    assert copy.lines() == [*notes.lines(), "later"]
