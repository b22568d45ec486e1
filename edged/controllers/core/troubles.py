"""Which keys of a module fail, and how: what decides on quarantine and parking, and what people are shown.

A key that traps again and again costs an instance each time, so it is tried at the longest pause only. Where many keys
trap it is the module that is broken: nothing of it runs for a while.
"""

from __future__ import annotations

from typing import NamedTuple

from edged.controllers.core.keys import Key

TRAPS, WINDOW_S = 5, 60.0
FIRST_PARKING_S, LONGEST_PARKING_S = 1.0, 300.0
MOST_SHOWN = 20


class Trouble(NamedTuple):
    """The last error of a key. `attempts`: failures in a row; `at`: monotonic seconds. `is_trap`: it cost the
    instance."""

    key: Key
    error: str
    attempts: int
    at: float
    is_trap: bool = False


class Troubles:
    """`parked_until`: monotonic seconds, in the past where the module is not parked."""

    def __init__(self) -> None:
        self.parked_until = 0.0
        self._parkings = 0
        self._recent: dict[Key, float] = {}  # fewer than TRAPS
        self._traps: dict[Key, int] = {}
        self._last: dict[Key, Trouble] = {}

    def note(self, key: Key, error: str, attempts: int, now: float, *, is_trap: bool = False) -> None:
        """Those of the last keys are kept for people."""
        self._last.pop(key, None)
        self._last[key] = Trouble(key, error, attempts, now, is_trap)
        if len(self._last) > MOST_SHOWN:
            del self._last[next(iter(self._last))]

    def ended_well(self, key: Key) -> None:
        """It ran without a trap."""
        if self._traps:
            self._traps.pop(key, None)
        if self._last:
            self._last.pop(key, None)

    def trapped(self, key: Key, now: float) -> bool:
        """Count it; True where this key has trapped so often that it is put aside."""
        self._traps[key] = self._traps.get(key, 0) + 1
        self._recent[key] = now
        self._recent = {key: at for key, at in self._recent.items() if at > now - WINDOW_S}
        if len(self._recent) >= TRAPS:
            self.park(now)
        return self._traps[key] >= TRAPS

    def park(self, now: float) -> None:
        """Twice as long as the last time, or as the first time where the module ran well for the longest time since."""
        if now - self.parked_until > LONGEST_PARKING_S:
            self._parkings = 0
        self.parked_until = now + min(FIRST_PARKING_S * 2.0**self._parkings, LONGEST_PARKING_S)
        self._parkings = min(self._parkings + 1, 16)
        self._recent.clear()

    def last(self) -> list[Trouble]:
        """The latest first."""
        return list(reversed(self._last.values()))
