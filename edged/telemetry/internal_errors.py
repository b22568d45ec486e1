"""Errors that nobody expected, counted per unit of work; the last of them; and which unit fails again and again.

process/boundary.py notes them. `edged status` shows them, the metric is `edged_internal_errors_total{unit=...}`. Pure.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import asdict
from typing import Any, Final

from edged.records import dataclass

STUBBORN: Final = 5
"""A unit that failed this often in the same way waits as long as its back-off ever does."""
_REMEMBERED: Final = 10
_STREAKS: Final = 1024


@dataclass(frozen=True, slots=True)
class InternalError:
    """One error. `when` is Unix time, `place` the file and line that raised it."""

    unit: str
    name: str
    error: str
    place: str
    when: float


class InternalErrors:
    """What became of unexpected errors since the process started. Bounded."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.last: deque[InternalError] = deque(maxlen=_REMEMBERED)
        self._streaks: OrderedDict[tuple[str, str], tuple[str, int]] = OrderedDict()

    def note(self, error: InternalError) -> None:
        """Count an unexpected error."""
        self.counts[error.unit] += 1
        self.last.append(error)

    def failed(self, unit: str, name: str, how: str) -> int:
        """How many times in a row this unit has now failed in the same way. `how` says what counts as the same."""
        before, times = self._streaks.pop((unit, name), ("", 0))
        times = times + 1 if before == how else 1
        self._streaks[unit, name] = (how, times)
        if len(self._streaks) > _STREAKS:
            self._streaks.popitem(last=False)
        return times

    def succeeded(self, unit: str, name: str) -> None:
        """The unit's next failure is the first again."""
        if self._streaks:
            self._streaks.pop((unit, name), None)

    def describe(self) -> dict[str, Any]:
        """For `edged status`: how many there were of each unit, and the last of them, newest first."""
        return {"counts": dict(self.counts), "last": [asdict(error) for error in reversed(self.last)]}
