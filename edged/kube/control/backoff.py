"""How long to wait after failures: one growing delay, or one per key. Randomness is an argument.

Holds no clock and does not wait; kube/watch.py and the loops sleep for what this says.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable


class Backoff:
    """Delays that grow by `factor` from `base_s` to `cap_s`, each with jitter.

    `random` gives floats in [0, 1). With `jitter` 1.0 a delay d becomes d to 2d (client-go's form), never
    above `cap_s`. `reset()` after a success.
    """

    def __init__(
        self,
        random: Callable[[], float],
        *,
        base_s: float = 0.8,
        cap_s: float = 30.0,
        factor: float = 2.0,
        jitter: float = 1.0,
    ) -> None:
        self._random = random
        self._base_s = base_s
        self._cap_s = cap_s
        self._factor = factor
        self._jitter = jitter
        self._delay_s = base_s

    def next(self) -> float:
        """Seconds to wait before the next attempt; the following one will be longer."""
        delay_s = self._delay_s
        self._delay_s = min(delay_s * self._factor, self._cap_s)
        return min(delay_s * (1.0 + self._jitter * self._random()), self._cap_s)

    def reset(self) -> None:
        """Something worked: start from `base_s` again."""
        self._delay_s = self._base_s


class KeyedBackoff:
    """Failures in a row per key -> seconds: `base_s * 2^(failures - 1)`, at most `cap_s`.

    The defaults are those of client-go's item-exponential limiter (5 ms to 1000 s, no jitter). A key costs
    memory only while it is failing.
    """

    def __init__(
        self,
        *,
        base_s: float = 0.005,
        cap_s: float = 1000.0,
        random: Callable[[], float] | None = None,
        jitter: float = 0.0,
    ) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._random = random
        self._jitter = jitter if random is not None else 0.0
        self._failures: dict[Hashable, int] = {}

    def failed(self, key: Hashable) -> float:
        """Count one more failure of `key`; seconds until it should be tried again."""
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        # 2.0 ** 1024 overflows a float: the exponent is capped far beyond any sensible cap_s.
        delay_s = min(self._base_s * 2.0 ** min(failures - 1, 64), self._cap_s)
        if self._random is not None and self._jitter:
            delay_s = min(delay_s * (1.0 + self._jitter * self._random()), self._cap_s)
        return delay_s

    def succeeded(self, key: Hashable) -> None:
        """Forget the failures of `key`."""
        self._failures.pop(key, None)

    def failures(self, key: Hashable) -> int:
        """Failures in a row of `key`."""
        return self._failures.get(key, 0)

    def __len__(self) -> int:
        return len(self._failures)
