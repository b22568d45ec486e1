"""`-w`: show something again whenever it has changed, until Ctrl-C."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")
_INTERVAL_S = 1.0


def watch(look: Callable[[], Seen], show: Callable[[Seen], None], change: Callable[[Seen], object]) -> None:
    """Looks every second. What `look` raises ends it. `change`: the part whose changes are shown."""
    last: object = None
    while True:
        seen = look()
        now = change(seen)
        if now != last:
            if last is not None:
                print()
            show(seen)
            sys.stdout.flush()
            last = now
        time.sleep(_INTERVAL_S)
