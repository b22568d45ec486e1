"""The instances that are alive, over all controllers. Reviews and scheduling cycles take their places from the same
engine, so controllers hold a bounded number; beyond it the one that was idle longest gives way."""

from __future__ import annotations

from typing import Final, Protocol

MOST_LIVE: Final = 160
"""Of the engine's 256 slots. Where controllers wake each other in a circle and one is above this number, an instance is
made for each call: the one that was idle longest is the one that is called next."""


class Holder(Protocol):
    """Whoever may hold an instance."""

    @property
    def is_idle(self) -> bool:
        """Whether its instance serves no call."""

    def give_way(self) -> None:
        """Drop the instance soon."""


class Live:
    """Holders in the order of their last call."""

    def __init__(self, most: int = MOST_LIVE) -> None:
        self._most = most
        self._holders: dict[Holder, None] = {}

    def called(self, holder: Holder) -> None:
        """It has an instance, and is about to call it."""
        self._holders.pop(holder, None)
        self._holders[holder] = None
        if len(self._holders) > self._most:
            for other in self._holders:
                if other is not holder and other.is_idle:
                    other.give_way()
                    return

    def dropped(self, holder: Holder) -> None:
        """It has no instance any more."""
        self._holders.pop(holder, None)

    def __len__(self) -> int:
        return len(self._holders)
