"""What counts as flat, on samples made up here, and one of this very process."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.fire.sampling import Sample, Sampler, growth, log_texts, not_flat, resting


def samples(rss: Callable[[int], float], files: Callable[[int], int] = lambda n: 20) -> list[Sample]:
    return [Sample(float(n), rss(n), rss(n) / 2, files(n), 5, None if n % 10 == 0 else 30) for n in range(100)]


def test_what_rises_and_stays_is_flat() -> None:
    found = growth(samples(lambda n: 30.0 if n < 15 else 60.0))
    assert found["rss_mib"] == (60.0, 60.0) and found["tasks"] == (30.0, 30.0)
    assert not_flat(samples(lambda n: 30.0 if n < 15 else 60.0)) == []


def test_a_short_peak_is_flat() -> None:
    assert not_flat(samples(lambda n: 200.0 if n in (50, 98) else 60.0)) == []


def test_what_goes_on_rising_is_not() -> None:
    assert not_flat(samples(lambda n: 50.0 + n / 2)) == [
        "rss_mib grew from 64.75 to 94.75",
        "pss_mib grew from 32.375 to 47.375",
    ]
    assert not_flat(samples(lambda n: 50.0, lambda n: 20 + n)) == ["files grew from 49.5 to 109.5"]


def test_a_process_is_sampled() -> None:
    sampler = Sampler(os.getpid, 1, every_s=0.05)
    with sampler:
        while len(sampler.samples) < 2:
            pass
        now = sampler.now()
        assert now is not None and resting(sampler, now, seconds=0.0) == "tasks None -> None"
    series = sampler.series()
    assert sampler.peak_mib > 5 and series["rss_mib"][0] > 5 and series["threads"][0] >= 2
    assert series["tasks"][0] is None, "nobody answers for tasks there"
    assert Sampler(lambda: None, 1).now() is None


def test_lines_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert log_texts(log, "b") == []
    log.write_text("a\nab\nc\n")
    assert log_texts(log, "b") == ["ab"]
