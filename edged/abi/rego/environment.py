"""What builtins share within one evaluation: the time, seeds, the log. Pure; time and log come from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FIXED_NS = 0


def _epoch() -> int:
    return FIXED_NS


def _silent(_text: str) -> None:
    """Nobody listens."""


class Environment:
    """One evaluation. The time and random answers stay the same throughout, as OPA has it within one query."""

    __slots__ = ("_clock", "_now", "log", "remembered")

    def __init__(self, now_ns: Callable[[], int] = _epoch, log: Callable[[str], None] = _silent) -> None:
        self._clock = now_ns
        self._now: int | None = None
        self.log = log
        self.remembered: dict[Any, Any] = {}  # (builtin, arguments) -> answer

    @property
    def now_ns(self) -> int:
        """Nanoseconds since 1970, read at the first use."""
        if self._now is None:
            self._now = self._clock()
        return self._now
