"""How often something may happen: buckets of tokens. Time comes in as `now`, nothing waits."""

from __future__ import annotations

import math


class Bucket:
    """`per_s` tokens come each second, up to `burst` are kept; it begins full. `per_s` infinite: no limit."""

    def __init__(self, per_s: float, burst: float) -> None:
        if per_s <= 0 or burst < 1:
            raise ValueError(f"a bucket of {per_s} tokens per second, {burst} at most, gives none")
        self._per_s = per_s
        self._burst = burst
        self._tokens = burst
        self._at = -math.inf

    def change(self, per_s: float, burst: float, now: float) -> None:
        """Other numbers from now on, for all who share it."""
        self.wait(now)
        self._per_s, self._burst, self._at = per_s, burst, max(now, self._at)
        self._tokens = min(self._tokens, burst)

    def take(self, now: float) -> float:
        """0.0 where a token was taken; else the seconds until there is one, and none was taken."""
        wait = self.wait(now)
        if wait == 0.0:
            self.spend()
        return wait

    def wait(self, now: float) -> float:
        """Seconds until there is a token; none is taken."""
        if math.isinf(self._per_s):
            return 0.0
        if now > self._at:
            passed = now - self._at
            self._tokens = self._burst if math.isinf(passed) else min(self._burst, self._tokens + passed * self._per_s)
            self._at = now
        # What is short by less than a millionth was lost in rounding.
        return 0.0 if self._tokens >= 1.0 - 1e-6 else (1.0 - self._tokens) / self._per_s

    def spend(self) -> None:
        """One token of those that `wait` found."""
        if not math.isinf(self._per_s):
            self._tokens -= 1.0

    def has_spare(self, now: float) -> bool:
        """Whether a token may be taken that leaves half of the most to others. One of two or less has it when it is
        full."""
        return self.wait(now) == 0.0 and self._tokens - 1.0 >= min(self._burst / 2, self._burst - 1.0) - 1e-6

    def take_spare(self, now: float) -> bool:
        if not self.has_spare(now):
            return False
        self.spend()
        return True

    @property
    def is_full(self) -> bool:
        """Nothing was taken since it filled: it says no more than a new one."""
        return self._tokens >= self._burst


class Shared:
    """A bucket of one user within one that all share. A token of both is taken, or of none, so that a user who has to
    wait takes nothing from the others."""

    def __init__(self, own: Bucket, all_: Bucket) -> None:
        self._own = own
        self._all = all_

    def take(self, now: float) -> float:
        """As Bucket.take: the longer of both waits."""
        wait = max(self._own.wait(now), self._all.wait(now))
        if wait == 0.0:
            self._own.spend()
            self._all.spend()
        return wait

    def take_spare(self, now: float) -> bool:
        if not (self._own.has_spare(now) and self._all.has_spare(now)):
            return False
        self._own.spend()
        self._all.spend()
        return True
