"""Errors that nobody expected: counted per unit, the last of them kept, streaks bounded."""

from edged.telemetry.internal_errors import InternalError, InternalErrors


def error(unit: str, name: str) -> InternalError:
    return InternalError(unit, name, "ValueError", "x.py:1", 0.0)


def test_all_are_counted_and_the_last_are_kept_newest_first():
    errors = InternalErrors()
    for n in range(12):
        errors.note(error("review" if n % 2 else "write", f"n{n}"))
    found = errors.describe()
    assert found["counts"] == {"write": 6, "review": 6}
    assert [each["name"] for each in found["last"]] == [f"n{n}" for n in range(11, 1, -1)]


def test_a_streak_ends_with_a_success_or_another_way_to_fail():
    errors = InternalErrors()
    assert [errors.failed("pod", "p", "KeyError") for _ in range(3)] == [1, 2, 3]
    assert errors.failed("pod", "q", "KeyError") == 1
    assert errors.failed("pod", "p", "ValueError") == 1
    errors.succeeded("pod", "p")
    assert errors.failed("pod", "p", "ValueError") == 1


def test_streaks_of_many_units_are_bounded_and_the_oldest_goes():
    errors = InternalErrors()
    for n in range(1025):
        errors.failed("pod", f"p{n}", "KeyError")
    assert errors.failed("pod", "p0", "KeyError") == 1
    assert errors.failed("pod", "p1024", "KeyError") == 2
