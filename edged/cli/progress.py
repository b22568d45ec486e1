"""Progress of long work, on stderr: on a terminal one line that is overwritten, else a line now and then.

Nothing is shown in the first second, so that short work stays quiet.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edged.cli.output import cut, size, terminal_width

if TYPE_CHECKING:
    from threading import Event, Thread

_QUIET_S = 1.0
_LIVE_S = 0.1
_LINES_S = 5.0
_TICK_S = 1.0


class Progress:
    """Made by `progress`. Call it with what is being done now; it decides whether that is shown."""

    def __init__(self, *, show: bool) -> None:
        self._show = show
        self._live = sys.stderr.isatty()
        self._next = time.monotonic() + _QUIET_S
        self._written = False
        self._ticking: tuple[Event, Thread] | None = None

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

    def begin(self, text: str) -> None:
        """Show this with the seconds so far, until `done`, for work that cannot say how far it is."""
        self.done()
        if not self._show:
            return
        from threading import Event, Thread

        ended = Event()
        thread = Thread(target=self._tick, args=(text, ended), daemon=True)
        self._ticking = (ended, thread)
        thread.start()

    def _tick(self, text: str, ended: Event) -> None:
        begun = time.monotonic()
        while not ended.wait(_TICK_S):
            self(f"{text}: {time.monotonic() - begun:.0f} s")

    def done(self) -> None:
        """What `begin` named is over."""
        if self._ticking is not None:
            ended, thread = self._ticking
            self._ticking = None
            ended.set()
            thread.join()

    def end(self) -> None:
        """Remove the line from the terminal."""
        self.done()
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


def told_compiling(say: Progress, event: str, module: str) -> None:
    """For a Compiler's `on_progress`: one module may take minutes on a small board."""
    if event == "compiling":
        try:
            say.begin(f"compiling {module} ({size(os.path.getsize(module))})")
        except OSError:  # its name is not that of a file
            say.begin(f"compiling {module}")
    elif event in ("compiled", "failed"):
        say.done()


def told_fetching(say: Progress, url: str, done: int, total: int) -> None:
    """For the progress of Modules."""
    say.done()  # what it was waiting for
    say(f"{url}: {size(done)}" + (f" of {size(total)}" if total else ""))
