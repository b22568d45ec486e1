"""Boundaries of units of work: what ends at one, what goes on, what is said, and what is remembered."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from edged.errors import BrokenInvariant, EdgedError, GuestError
from edged.process.boundary import boundary, describe
from edged.telemetry.logs import Logger, LogStyle


class Lines:
    """A logger, and the events that it wrote."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        style = LogStyle("json", journal=False)
        self.log = Logger(style, write=lambda line: self.events.append(json.loads(line)), clock=lambda: 7.0)


@pytest.fixture
def lines() -> Lines:
    return Lines()


def test_an_unexpected_error_fails_the_unit_only(lines: Lines) -> None:
    with boundary(lines.log, "attempt", "default/a") as unit:
        raise ValueError("odd")
    assert isinstance(unit.error, ValueError) and unit.repeats == 1
    (event,) = lines.events
    assert event["msg"] == "internal error" and event["unit"] == "attempt" and event["name"] == "default/a"
    assert event["error"] == "ValueError: odd" and "test_boundary.py" in event["place"]
    assert event["traceback"].endswith("ValueError: odd\n")
    assert lines.log.internal_errors.describe() == {
        "counts": {"attempt": 1},
        "last": [
            {"unit": "attempt", "name": "default/a", "error": "ValueError: odd", "place": event["place"], "when": 7.0}
        ],
    }


def test_a_unit_that_ends_well_says_nothing(lines: Lines) -> None:
    with boundary(lines.log, "attempt") as unit:
        pass
    assert unit.error is None and lines.events == []


def test_an_error_on_purpose_is_a_warning_and_no_internal_error(lines: Lines) -> None:
    with boundary(lines.log, "load", "p") as unit:
        raise GuestError("the module has no export `run`")
    assert isinstance(unit.error, GuestError)
    (event,) = lines.events
    assert event["level"] == "warning" and event["error"] == "the module has no export `run`"
    assert "traceback" not in event and not lines.log.internal_errors.counts


@pytest.mark.parametrize("error", [BrokenInvariant("two owners"), KeyboardInterrupt(), SystemExit(1)])
def test_what_ends_the_process_goes_on(lines: Lines, error: BaseException) -> None:
    with pytest.raises(type(error)), boundary(lines.log, "attempt"):
        raise error
    assert lines.events == []


def test_of_a_group_the_errors_are_taken_and_the_rest_goes_on(lines: Lines) -> None:
    group = BaseExceptionGroup("both", [ValueError("odd"), BaseExceptionGroup("inner", [BrokenInvariant("x")])])
    with pytest.raises(BaseExceptionGroup) as caught, boundary(lines.log, "review") as unit:
        raise group
    assert caught.group_contains(BrokenInvariant) and not caught.group_contains(ValueError)
    assert unit.error is not None and describe(unit.error) == "ValueError: odd"


def test_an_error_beside_a_cancellation_is_told_and_the_cancellation_goes_on(lines: Lines) -> None:
    async def fail_at_the_end() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("while ending")

    async def main() -> bool:
        after = False
        with trio.move_on_after(0.01) as scope:
            with boundary(lines.log, "write"):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(fail_at_the_end)
                    nursery.start_soon(trio.sleep_forever)
            after = True
        assert scope.cancelled_caught
        return after

    assert trio.run(main) is False, "the cancelled part did not go on"
    assert [event["error"] for event in lines.events] == ["ValueError: while ending"]


def test_failing_in_the_same_way_is_counted_until_it_succeeds(lines: Lines) -> None:
    def fail(error: Exception) -> int:
        with boundary(lines.log, "resource", "p") as unit:
            raise error
        return unit.repeats

    assert [fail(ValueError(str(each))) for each in range(5)] == [1, 2, 3, 4, 5]
    assert fail(TypeError()) == 1, "another way"
    with boundary(lines.log, "resource", "p"):
        pass
    assert fail(TypeError()) == 1
    with boundary(lines.log, "resource", "other") as unit:
        raise TypeError
    assert unit.repeats == 1 and not unit.is_stubborn


def test_what_fails_has_its_way_back_at_once(lines: Lines) -> None:
    held = {"slot"}
    with boundary(lines.log, "attempt", failed=lambda _: held.clear()):
        raise ValueError
    assert held == set()


def test_errors_that_cannot_be_told_are_told_all_the_same(lines: Lines) -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def deep() -> None:
        deep()

    with boundary(lines.log, "object"):
        raise Odd
    with boundary(lines.log, "object"):
        deep()
    assert "its text cannot be made" in lines.events[0]["error"]
    assert lines.events[1]["error"].startswith("RecursionError") and len(lines.events[1]["traceback"]) <= 4000


def test_bound_loggers_share_the_count(lines: Lines) -> None:
    with boundary(lines.log.bind(policy="p"), "review"):
        raise ValueError
    assert lines.log.internal_errors.counts == {"review": 1}


def test_a_group_of_errors_on_purpose_is_no_internal_error(lines: Lines) -> None:
    with boundary(lines.log, "load") as unit:
        raise ExceptionGroup("", [EdgedError("a"), EdgedError("b")])
    assert unit.error is not None and lines.events[0]["error"] == "a; b"
    assert not lines.log.internal_errors.counts
