"""When the API server last answered, and why it does not: what status, metrics and /readyz tell of it.

edged/kube/client.py and edged/kube/lean.py write it with every answer. An answer is any answer, a refusal included.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Contact:
    """`heard_at`: Unix time of the last answer, None before the first. `failure`: why the last request had none, ""
    when it had one. `now` gives Unix time."""

    __slots__ = ("_now", "failure", "heard_at")

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.heard_at: float | None = None
        self.failure = ""
        self._now = now

    @property
    def is_tried(self) -> bool:
        """Whether anything was asked of it."""
        return self.heard_at is not None or bool(self.failure)

    def heard(self) -> None:
        self.heard_at = self._now()
        self.failure = ""

    def failed(self, why: str) -> None:
        self.failure = why
