"""Progress of long work, on stderr: on a terminal one line that is overwritten, else a line now and then.

Nothing is shown in the first second, so that short work stays quiet.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from edged.cli.output import cut, terminal_width

_QUIET_S = 1.0
_LIVE_S = 0.1
_LINES_S = 5.0


class Progress:
    """Made by `progress`. Call it with what is being done now; it decides whether that is shown."""

    def __init__(self, *, show: bool) -> None:
        self._show = show
        self._live = sys.stderr.isatty()
        self._next = time.monotonic() + _QUIET_S
        self._written = False

    def __call__(self, text: str) -> None:
        if self._show and time.monotonic() >= self._next:
            self.now(text)

    def now(self, text: str) -> None:
        """Show this in any case, such as why nothing happens for a while."""
        if not self._show:
            return
        if self._live:
            print(f"\r\x1b[K{cut(text, terminal_width() - 1)}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)
        self._written = True
        self._next = time.monotonic() + (_LIVE_S if self._live else _LINES_S)

    def end(self) -> None:
        """Remove the line from the terminal."""
        if self._live and self._written:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._written = False


@contextmanager
def progress(text: str = "", *, show: bool = True) -> Iterator[Progress]:
    """`text`: what is shown at once if the work does not call it, on a terminal only."""
    shown = Progress(show=show)
    if text and shown._live:
        shown.now(text)
    try:
        yield shown
    finally:
        shown.end()
