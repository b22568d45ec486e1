"""The epoch ticker: a thread that ends the slices of guests."""

from __future__ import annotations

import threading
import time

from edged.wasm.bindings import holding

TICK_S = 0.001
IDLE_TICKS_BEFORE_PARKING = 50


class Ticker:
    """Advances the engine's epoch every TICK_S from a thread of its own, parked unless guests run."""

    def __init__(self, engine: int) -> None:
        """`engine` is the handle of the native engine."""
        self.polls = 0  # rises with every poll; the thread parks when it stood still for a while
        self.parked = True
        self.failures = 0  # of the thread, which went on
        self._engine = engine
        self._stopped = False
        self._wake = threading.Event()
        self._sleep = threading.Event().wait  # ends early never; unlike time.sleep it is not interrupted by signals
        self._thread: threading.Thread | None = None

    def unpark(self) -> None:
        """Called before a poll when `parked`. Raises RuntimeError where no thread can be started.

        Without a ticker an endless guest would never be interrupted, so the guest must not run then; the next call
        tries again.
        """
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._run, name="epoch-ticker", daemon=True)
            thread.start()
            self._thread = thread
        self.parked = False
        self._wake.set()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopped:
                try:
                    self._park(self._tick_until_idle())
                except Exception:  # memory is short
                    # Ticks go on: without them the guest that runs now would never end its slice.
                    self.failures += 1
                    time.sleep(TICK_S)
        finally:
            self.parked = True

    def _tick_until_idle(self) -> int:
        """What `polls` stood at for the last IDLE_TICKS_BEFORE_PARKING ticks."""
        increment = holding.wasmtime_engine_increment_epoch
        idle, seen = 0, self.polls
        while idle < IDLE_TICKS_BEFORE_PARKING and not self._stopped:
            self._sleep(TICK_S)
            increment(self._engine)
            idle, seen = (idle + 1, seen) if self.polls == seen else (0, self.polls)
        return seen

    def _park(self, seen: int) -> None:
        self._wake.clear()
        self.parked = True
        # A poll or stop() may have come between the last look and `clear`: then go on.
        if self.polls == seen and not self._stopped:
            self._wake.wait()
        self.parked = False
