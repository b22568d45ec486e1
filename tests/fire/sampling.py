"""Samples what a daemon uses: RSS and PSS, open files, threads, tasks of its event loop.

RSS is looked at twenty times a second, since peaks are short; the rest once a second. What is sampled is the process
that runs at that moment: a daemon that was killed and started again goes on in the same series.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Self
from urllib.request import urlopen

from tests.bench.support import memory_mib, rss_mib

RSS_EVERY_S, ALL_EVERY_S = 0.05, 1.0
KINDS = ("rss_mib", "pss_mib", "files", "threads", "tasks")


@dataclass(frozen=True, slots=True)
class Sample:
    """At one moment, `at_s` after the beginning. `tasks` is None where /metrics did not answer."""

    at_s: float
    rss_mib: float
    pss_mib: float
    files: int
    threads: int
    tasks: int | None


class Sampler:
    """`pid` gives the process id, or None while there is none; `health_port` is where /metrics is."""

    def __init__(self, pid: Callable[[], int | None], health_port: int, *, every_s: float = ALL_EVERY_S) -> None:
        self.samples: list[Sample] = []
        self.peak_mib = 0.0
        self._pid, self._health_port, self._every_s = pid, health_port, every_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._begun = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def now(self) -> Sample | None:
        """A sample of this moment; None while there is no process."""
        pid = self._pid()
        if pid is None:
            return None
        with suppress(OSError, ValueError):
            rss, pss = memory_mib(pid)
            files, threads = len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))
            at_s = time.monotonic() - self._begun
            return Sample(round(at_s, 2), round(rss, 2), round(pss, 2), files, threads, tasks(self._health_port))
        return None

    def series(self) -> dict[str, list[Any]]:
        """Each kind as a list, for a chart."""
        rows = [asdict(sample) for sample in self.samples]
        return {name: [row[name] for row in rows] for name in ("at_s", *KINDS)}

    def _run(self) -> None:
        due = 0.0
        while not self._end.wait(RSS_EVERY_S):
            pid = self._pid()
            if pid is not None:
                self.peak_mib = max(self.peak_mib, rss_mib(pid))
            if time.monotonic() >= due:
                due = time.monotonic() + self._every_s
                if (sample := self.now()) is not None:
                    self.samples.append(sample)


def tasks(health_port: int) -> int | None:
    """Of the daemon's event loop, by its metric; None where it does not answer."""
    with suppress(OSError, ValueError), urlopen(f"http://127.0.0.1:{health_port}/metrics", timeout=5) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("edged_tasks "):
                return int(float(line.split()[1]))
    return None


def growth(samples: Sequence[Sample], *, warm_up: float = 0.2, part: float = 0.2) -> dict[str, tuple[float, float]]:
    """Kind -> (median after the warm-up, median at the end), each over `part` of the samples."""
    first = int(len(samples) * warm_up)
    width = max(1, int(len(samples) * part))
    found = {}
    for kind in KINDS:
        values = [getattr(sample, kind) for sample in samples]
        early = [value for value in values[first : first + width] if value is not None]
        late = [value for value in values[-width:] if value is not None]
        if early and late:
            found[kind] = (float(median(early)), float(median(late)))
    return found


def not_flat(samples: Sequence[Sample]) -> list[str]:
    """What grew, a text each. Memory may breathe by a tenth and 4 MiB; files, threads and tasks, which come and go with
    what is under way, by a tenth and 10."""
    found = []
    for kind, (early, late) in growth(samples).items():
        slack = 4.0 if kind.endswith("mib") else 10.0
        if late > early * 1.1 + slack:
            found.append(f"{kind} grew from {early:g} to {late:g}")
    return found


def resting(sampler: Sampler, before: Sample, *, seconds: float = 20.0) -> str:
    """Waits until files, threads and tasks are back where they were before a load; "", or what is left after that."""
    end = time.monotonic() + seconds
    while True:
        now = sampler.now()
        left = "the daemon is gone" if now is None else ", ".join(_more(before, now))
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.2)


def _more(before: Sample, now: Sample) -> list[str]:
    found = []
    for kind in ("files", "threads", "tasks"):
        early, late = getattr(before, kind), getattr(now, kind)
        if late is None or (early is not None and late > early + 3):
            found.append(f"{kind} {early} -> {late}")
    return found


def log_texts(log: Path, words: str) -> list[str]:
    """Lines of a log that have these words."""
    return [line for line in log.read_text(errors="replace").splitlines() if words in line] if log.exists() else []
