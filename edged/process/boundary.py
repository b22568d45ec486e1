"""Where the errors of a unit of work end: one review, one watched object, one Pod's attempt, one write.

    with boundary(log, "attempt", str(key)) as unit:
        await ...
    if unit.error is not None:
        ...the unit's own way back: what it held is given back, its key waits for another try...

Whatever comes out of the block fails this unit and nothing else (ARCHITECTURE.md, "Units of work"). An error that edged
raises on purpose (EdgedError) and that nobody handled inside costs a warning. Any other one is a fault of edged or of a
library: it is logged once with its traceback, counted, and shown by `edged status`.

Cancellation goes on through a boundary, as do KeyboardInterrupt and errors.BrokenInvariant. Of an exception group the
errors are taken and the rest goes on, so that an error beside a cancellation is neither lost nor fatal.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from types import TracebackType

from edged.errors import EdgedError
from edged.records import dataclass
from edged.telemetry.internal_errors import STUBBORN, InternalError
from edged.telemetry.logs import Logger

_FRAMES = 30
"""Of a traceback, from its end: a recursion that went too deep has a thousand equal ones."""
_CHARACTERS = 4000
"""Of a traceback, from its end: a log field holds little more, and the end says what happened."""


@dataclass(slots=True)
class Unit:
    """What became of a unit of work; read it after the block.

    `error` is what came out of the block, or None. `repeats` says how many times in a row the unit of this name failed
    in the same way, this time included.
    """

    error: Exception | None = None
    repeats: int = 0

    @property
    def is_stubborn(self) -> bool:
        """Whether it failed so often in the same way that it should wait as long as its back-off ever does."""
        return self.repeats >= STUBBORN


class boundary(Unit):
    """Context manager around one unit of work. `unit` is its sort (a metric's label: few values), `name` which one.

    `failed` is called with the error, for what has to happen at once wherever the block is left. It must not raise.
    """

    __slots__ = ("_failed", "_log", "_name", "_sort")

    def __init__(
        self, log: Logger, unit: str, name: str = "", *, failed: Callable[[Exception], None] | None = None
    ) -> None:
        self._log = log
        self._sort = unit
        self._name = name
        self._failed = failed
        self.error = None
        self.repeats = 0

    def __enter__(self) -> Unit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            self._log.internal_errors.succeeded(self._sort, self._name)
            return False
        ours, rest = split(error)
        if ours is None:
            return False
        self._take(ours)
        if rest is None:
            return True
        raise rest

    def _take(self, error: Exception) -> None:
        log = self._log
        self.error = error
        place = _place(error)
        self.repeats = log.internal_errors.failed(self._sort, self._name, f"{type(error).__name__} {place}")
        said = describe(error)
        try:
            if _is_on_purpose(error):
                log.warning("failed", unit=self._sort, name=self._name, error=said)
            else:
                log.internal_errors.note(InternalError(self._sort, self._name, said, place, log.now()))
                log.error(
                    "internal error",
                    unit=self._sort,
                    name=self._name,
                    error=said,
                    place=place,
                    repeats=self.repeats,
                    traceback=_traceback(error),
                )
        finally:
            if self._failed is not None:
                self._failed(error)


def split(error: BaseException) -> tuple[Exception | None, BaseException | None]:
    """The part that fails a unit (errors), and the part that goes on (cancellation, the end of the process)."""
    if isinstance(error, Exception):
        return error, None
    if isinstance(error, BaseExceptionGroup):
        ours, rest = error.split(Exception)
        return (ours if isinstance(ours, Exception) else None), rest
    return None, error


def describe(error: BaseException) -> str:
    """One line for a person: an EdgedError speaks for itself, others are named by their type."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(describe(each) for each in error.exceptions)
    text = _text(error)
    if isinstance(error, EdgedError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # somebody else's __str__
        return f"(its text cannot be made: {type(broken).__name__})"


def _is_on_purpose(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_on_purpose(each) for each in error.exceptions)
    return isinstance(error, EdgedError)


def _place(error: BaseException) -> str:
    """File and line that raised it: `scheduling/run/scheduler.py:120`."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    file = trace.tb_frame.f_code.co_filename
    _, ours, inside = file.rpartition("/edged/")
    return f"{inside if ours else file}:{trace.tb_lineno}"


def _traceback(error: BaseException) -> str:
    try:
        lines = traceback.format_exception(error, limit=-_FRAMES)
    except Exception as broken:  # a recursion that is still too deep, or somebody else's __str__
        return f"(its traceback cannot be made: {type(broken).__name__})"
    return "".join(lines)[-_CHARACTERS:]
