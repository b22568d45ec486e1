"""Schedules and time zones."""

from __future__ import annotations

import pytest

from edged.sandbox.validation import cron


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("* * * * *", ""), ("@daily", ""), ("@every 1h30m", ""), ("*/5 0-3,7 * jan-mar mon", ""), ("TZ=UTC * * * * *",
        ""),
        ("", "empty spec string"), ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"), ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("@sometimes", "unrecognized descriptor: @sometimes"),
    ],
)  # fmt: skip
def test_schedules(text: str, problem: str) -> None:
    assert cron.schedule_problem(text) == problem


@pytest.mark.parametrize(
    ("name", "count"),
    [(None, 0), ("UTC", 0), ("Europe/Berlin", 0), ("", 1), ("Nowhere/City", 1), ("../x", 1), ("Local", 1)],
)
def test_time_zones(name: str | None, count: int) -> None:
    assert len(list(cron.time_zone("spec.timeZone", name))) == count
