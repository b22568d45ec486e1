from __future__ import annotations

import pytest

from edged.sandbox.reading.ages import age, human_duration, seconds

NOW = 1_700_000_000.0


@pytest.mark.parametrize(("elapsed", "shown"), [
    (-5, "<invalid>"), (-1.9, "0s"), (0.9, "0s"), (119, "119s"), (120, "2m"), (130, "2m10s"), (599, "9m59s"),
    (600, "10m"), (10_799, "179m"), (10_800, "3h"), (10_900, "3h1m"), (28_800, "8h"), (172_799, "47h"),
    (172_800, "2d"), (180_000, "2d2h"), (691_200, "8d"), (63_071_999, "729d"), (63_072_000, "2y"),
    (63_200_000, "2y1d"), (252_288_000, "8y"), (1e12, "292y"), (-1e12, "<invalid>"),
])  # fmt: skip
def test_a_duration_has_two_or_three_figures(elapsed: float, shown: str) -> None:
    assert human_duration(elapsed) == shown


@pytest.mark.parametrize("timestamp", [
    None, "", 5, "soon", "2020-01-01", "2020-13-01T00:00:00Z", "0001-01-01T00:00:00Z",
])  # fmt: skip
def test_what_is_no_time_has_an_unknown_age(timestamp: object) -> None:
    assert seconds(timestamp) is None
    assert age(timestamp, NOW) == "<unknown>"


def test_fractions_and_zones_are_read() -> None:
    assert seconds("2023-11-14T22:13:20.500000Z") == NOW + 0.5
    assert age("2023-11-14T23:13:15+01:00", NOW) == "5s"
