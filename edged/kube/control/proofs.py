"""When a collection was last proven to be known as the server has it, and whether a watch may go on from there. Pure.

A proof is what only a server that serves this watch can send: an object, a bookmark (about one a minute), the end of a
list or of a comparison, or that it takes the watch. That nothing was heard is none: a connection can be half open.

A revision is in doubt, and what is known is compared before a watch goes on from it (kube/control/listwatch.py),

- after any time away: a server cannot be restored from a backup within `TRUST_S`, nor behind a watch that was heard of
  within `stall_s`, which is longer than a minute;
- now and then even if nothing was noticed (`compare_s`): a machine that was suspended does not know how long;
- sooner (`SOON_S`) after a connection that was cut, as it may have led to another one of several servers, and after a
  change of an object whose name could not be read: what is known of that object is no longer so.
"""

from __future__ import annotations

import math
from collections.abc import Callable

TRUST_S = 2.0
SOON_S = 300.0


class Proofs:
    """Of one watch. `now` is a monotonic clock's; `random` gives floats in [0, 1), so that not all watches compare at
    once."""

    def __init__(self, stall_s: float, compare_s: float, random: Callable[[], float]) -> None:
        self.proven_at = -math.inf
        """Everything up to then is known."""
        self._heard_at = -math.inf
        self._left_at = -math.inf
        self._compare_at = math.inf
        self._stall_s = stall_s
        self._compare_s = compare_s
        self._random = random

    def heard(self, now: float) -> None:
        """The server took the watch, or sent something on it."""
        self.proven_at = self._heard_at = now

    def read(self, begun: float, now: float) -> None:
        """Everything was read, or compared with what is known. It shows what there was at `begun`, or later."""
        self.proven_at = max(self.proven_at, begun)
        self._heard_at = self._left_at = now
        self._compare_at = now + self._compare_s * (1.0 + self._random())

    def left(self, now: float, *, cut: bool) -> None:
        """The watch is over; `cut`: sooner than agreed."""
        self._left_at = now
        if cut:
            self.doubted(now)

    def doubted(self, now: float) -> None:
        """Something may have changed that was not understood: it is compared soon."""
        self._compare_at = min(self._compare_at, now + SOON_S * (1.0 + self._random()))

    def in_doubt(self, now: float) -> bool:
        """Whether the revision is not to be trusted any more."""
        is_away = now - self._left_at > TRUST_S or now - self._heard_at > self._stall_s
        return is_away or now >= self._compare_at
