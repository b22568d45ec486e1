"""A budget of memory: tasks reserve bytes before they use them, and wait in the order of arrival while none are left.

The listener (connection.py) reserves for bodies of requests, admission for what a body becomes when it is decoded. A
task that holds a reservation of one budget must not wait for more of the same budget: two such tasks could wait for
each other for ever. So a reservation never grows, and what is reserved in turn (first the body, then its decoded form)
comes out of different budgets, always in the same order.
"""

from __future__ import annotations

from collections import OrderedDict
from types import TracebackType

import trio

from edged.errors import EdgedError


class OverBudget(EdgedError):
    """More than the whole budget was asked for: waiting would never end."""

    def __init__(self, size: int, total: int) -> None:
        super().__init__(f"{size} bytes are needed at once, and there are {total} for everything together")
        self.size = size
        self.total = total


class MemoryBudget:
    """`total` bytes for all tasks together. Everybody waits behind whoever came first, also for less: otherwise small
    reservations would keep a large one waiting for ever."""

    def __init__(self, total: int) -> None:
        if total < 0:
            raise ValueError("a budget cannot be negative")
        self.total = total
        self.used = 0
        self.peak = 0  # the most that was used at once
        self._waiting: OrderedDict[Reservation, trio.Event] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many tasks wait."""
        return len(self._waiting)

    def reserve_nowait(self, size: int) -> Reservation:
        """As `reserve`, where nothing has to be waited for. Raises trio.WouldBlock, OverBudget."""
        reservation = self._checked(size)
        if self._waiting or not self._fits(size):
            raise trio.WouldBlock
        self._grant(reservation)
        return reservation

    async def reserve(self, size: int) -> Reservation:
        """Wait until it is this task's turn and `size` bytes are left. The caller releases what is returned. A
        cancelled wait holds nothing. Raises OverBudget."""
        reservation = self._checked(size)
        await trio.lowlevel.checkpoint_if_cancelled()
        if not self._waiting and self._fits(size):
            self._grant(reservation)
            await trio.lowlevel.cancel_shielded_checkpoint()
            return reservation
        granted = self._waiting[reservation] = trio.Event()
        try:
            await granted.wait()
        except BaseException:
            if self._waiting.pop(reservation, None) is None:
                reservation.release()  # granted in the same moment
            else:
                self._serve()  # it may have been what all others waited behind
            raise
        return reservation

    def _checked(self, size: int) -> Reservation:
        if size < 0:
            raise ValueError("a reservation cannot be negative")
        if size > self.total:
            raise OverBudget(size, self.total)
        return Reservation(self, size)

    def _fits(self, size: int) -> bool:
        return self.used + size <= self.total

    def _grant(self, reservation: Reservation) -> None:
        self.used += reservation.size
        self.peak = max(self.peak, self.used)

    def _give_back(self, size: int) -> None:
        self.used -= size
        self._serve()

    def _serve(self) -> None:
        """Grant what waits, in order, up to the first that does not fit."""
        while self._waiting:
            reservation = next(iter(self._waiting))
            if not self._fits(reservation.size):
                return
            self._grant(reservation)
            self._waiting.pop(reservation).set()


class Reservation:
    """Bytes of a budget that are held. Also a context manager, which releases them."""

    __slots__ = ("_budget", "size")

    def __init__(self, budget: MemoryBudget, size: int) -> None:
        self._budget = budget
        self.size = size

    def shrink(self, size: int) -> None:
        """Keep only `size` bytes. More than it has is a mistake of the caller."""
        if not 0 <= size <= self.size:
            raise ValueError(f"a reservation of {self.size} bytes cannot become one of {size}")
        given, self.size = self.size - size, size
        self._budget._give_back(given)

    def release(self) -> None:
        """Give everything back. Any number of times."""
        self.shrink(0)

    def __enter__(self) -> Reservation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
