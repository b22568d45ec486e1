"""What a row of the fire is: a load, what is expected, what came of it, and the judgement. Pure.

A row fails by its name, with what broke its expectation. What a row asks for (reviews, Pods, connections, whatever its
load says) is counted in a Tally: asked, and of these lost (no answer), wrong (another answer than the right one, or
anything else that must not be) and late (the right answer, after the time that the row allows).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fire.context import Context

KEPT = 20
"""Of each kind of fault, so many texts are remembered; all are counted."""
LONGEST = 600
RSS_MIB = 300.0
"""What the daemon may reach, guests included, in a cgroup with the unit's MemoryMax."""


class NotRun(Exception):
    """The row cannot run on this machine; the message says what is missing."""


class Outcome(Enum):
    """How a row ended."""

    HELD = "held"
    FAILED = "FAILED"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Expected:
    """The most of each that still counts as held. `rss_mib`: None where no daemon of the row is sampled."""

    lost: int = 0
    wrong: int = 0
    late: int = 0
    rss_mib: float | None = RSS_MIB

    def __str__(self) -> str:
        texts = [f"{limit} {name}" for name, limit in self._limits().items()]
        return ", ".join(texts + ([f"RSS <= {self.rss_mib:.0f}"] if self.rss_mib is not None else []))

    def broken(self, tally: Tally) -> list[str]:
        """What was not as expected, a sentence each."""
        counts = {"lost": tally.lost, "wrong": tally.wrong, "late": tally.late}
        found = [
            f"{counts[name].count} {name}, expected {limit}: {'; '.join(counts[name].texts)}"
            for name, limit in self._limits().items()
            if counts[name].count > limit
        ]
        if self.rss_mib is not None and tally.rss_mib > self.rss_mib:
            found.append(f"RSS peak {tally.rss_mib:.0f} MiB, expected at most {self.rss_mib:.0f}")
        if not tally.asked:
            found.append("nothing was asked: the row did not put on its load")
        if self.rss_mib is not None and not tally.rss_mib:
            found.append("no daemon was sampled")
        return found

    def _limits(self) -> Mapping[str, int]:
        return {"lost": self.lost, "wrong": self.wrong, "late": self.late}


class Faults:
    """A count, and the first few texts."""

    def __init__(self) -> None:
        self.count = 0
        self.texts: list[str] = []

    def add(self, text: str) -> None:
        """Line ends become blanks, and long texts are cut: a problem is one line of the table."""
        self.count += 1
        text = " ".join(text.split())[:LONGEST]
        if len(self.texts) < KEPT and text not in self.texts:
            self.texts.append(text)


class Tally:
    """What came of a row. Threads may add at the same time."""

    def __init__(self) -> None:
        self.asked = 0
        self.lost, self.wrong, self.late = Faults(), Faults(), Faults()
        self.rss_mib = 0.0
        self.figures: dict[str, object] = {}
        self._lock = threading.Lock()

    def add_asked(self, count: int = 1) -> None:
        with self._lock:
            self.asked += count

    def add_lost(self, text: str) -> None:
        with self._lock:
            self.lost.add(text)

    def add_wrong(self, text: str) -> None:
        with self._lock:
            self.wrong.add(text)

    def add_late(self, text: str) -> None:
        with self._lock:
            self.late.add(text)

    def check(self, holds: bool, text: str) -> None:
        """One thing asked; wrong with this text unless it holds."""
        self.add_asked()
        if not holds:
            self.add_wrong(text)

    def peak(self, rss_mib: float) -> None:
        with self._lock:
            self.rss_mib = max(self.rss_mib, rss_mib)


@dataclass(frozen=True, slots=True)
class Row:
    """One case. `load` is what the table shows of it. `run` puts it on and notes in the tally what came of it; it
    raises NotRun where this machine cannot do it. `quick`: also part of the short form. `timeout_s` ends what hangs, in
    the whole form; the short one has a third of it."""

    name: str
    load: str
    run: Callable[[Context, Tally], None]
    expected: Expected = field(default_factory=Expected)
    quick: bool = False
    timeout_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Result:
    """How a row ended. `problems`: why it failed or was not run."""

    row: Row
    outcome: Outcome
    tally: Tally
    seconds: float
    problems: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        tally = self.tally
        counts = {"asked": tally.asked, "lost": tally.lost.count, "wrong": tally.wrong.count, "late": tally.late.count}
        return {
            "name": self.row.name, "load": self.row.load, "outcome": self.outcome.value, **counts,
            "rss_peak_mib": round(tally.rss_mib, 1), "expected": str(self.row.expected),
            "seconds": round(self.seconds, 1), "problems": list(self.problems), "figures": tally.figures,
        }  # fmt: skip


def judged(row: Row, tally: Tally, seconds: float) -> Result:
    """The result of a row that ran to its end."""
    broken = tuple(row.expected.broken(tally))
    return Result(row, Outcome.FAILED if broken else Outcome.HELD, tally, seconds, broken)


HEAD = ("case", "load", "asked", "lost", "wrong", "late", "RSS peak", "expected", "")


def table(results: Iterable[Result]) -> str:
    """For people: a line per row, and below it why rows failed or were not run."""
    results = list(results)
    lines = [HEAD, *map(_cells, results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    for result in results:
        texts += [f"{result.row.name}: {result.outcome.value}: {problem}" for problem in result.problems]
    return "\n".join(texts)


def _cells(result: Result) -> tuple[str, ...]:
    tally = result.tally
    counts = [tally.asked, tally.lost.count, tally.wrong.count, tally.late.count]
    numbers = [str(count) for count in counts] if result.outcome is not Outcome.NOT_RUN else ["-"] * 4
    rss = f"{tally.rss_mib:.0f} MiB" if tally.rss_mib else "-"
    return (result.row.name, result.row.load, *numbers, rss, str(result.row.expected), result.outcome.value)


def exit_code(results: Iterable[Result]) -> int:
    """0 only when every row ran and held."""
    return int(any(result.outcome is not Outcome.HELD for result in results))
