"""Whose turn it is, where a profile's plugins are slow: profiles that hold up the others go last for a while. Pure.

Pods are tried one at a time, whatever profile they are of. A plugin that uses all the time that it may have takes it
from the Pods of all other profiles, again for each Pod of its own. So a profile whose guests and extenders took long in
a cycle rests: as long as it rests, the Pods of other profiles come first. With that a Pod waits for one such cycle, and
not for as many as there are Pods.

Other profiles are not touched: among them kube-scheduler's order holds. Nor are those that are native, however large
the cluster is, and however long the API server takes to tell what a Pod needs.
"""

from __future__ import annotations

from typing import Final

LONG_CYCLE_S: Final = 0.1
SHORTEST_REST_S: Final = 1.0


class ProfileTurns:
    """Remembers which profiles rest."""

    def __init__(self, profiles: int) -> None:
        self._profiles = profiles
        self._until: dict[str, float] = {}

    def took(self, profile: str, seconds: float, now: float) -> None:
        """A cycle is over, `seconds` of which guests and extenders took. The rest is long enough for a cycle of each of
        the others, though they be as long."""
        if seconds > LONG_CYCLE_S and self._profiles > 1:
            self._until[profile] = now + max(SHORTEST_REST_S, seconds * self._profiles)

    def all_ready(self, now: float) -> bool:
        """No profile rests, as nearly always: then there is nothing to ask of each."""
        if self._until and max(self._until.values()) <= now:
            self._until.clear()
        return not self._until

    def rests_until(self, profile: str, now: float) -> float:
        """0.0 for one that does not rest. Where all rest, the one whose rest ends first is next."""
        until = self._until.get(profile, 0.0)
        return until if until > now else 0.0
