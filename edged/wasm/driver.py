"""The driver of a guest call: polls its future until the guest is done (ARCHITECTURE.md, "A guest call").

The numbered rules are those of ARCHITECTURE.md, "Twelve rules".
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from time import perf_counter

import trio

from edged.errors import BrokenInvariant
from edged.wasm.account import Account
from edged.wasm.errors import GuestTimeout
from edged.wasm.handles import poll_future
from edged.wasm.hostcalls import Computation, Guest, Wait
from edged.wasm.module import Module
from edged.wasm.ticker import TICK_S

MOST_WITHOUT_YIELD_S = 0.002
LONG_CALL_S = 0.005  # calls of modules that usually need more than this have no first slice of their own


class Driver:
    """Takes the calls of one guest, one after the other, through their slices and host operations."""

    __slots__ = (
        "_account",
        "_engine",
        "_module",
        "_unfinished_first",
        "computing",
        "counts_memory",
        "deadline",
        "doomed",
        "failure",
        "future",
        "on_cut",
        "waiting",
    )

    def __init__(self, module: Module, account: Account, deadline: float) -> None:
        self._module = module
        self._engine = module.engine
        self._account = account
        self.deadline = deadline  # on trio's clock; past it calls raise GuestTimeout
        self.counts_memory = False  # there is an instance and it has a memory
        self.future = 0  # of the call that is pending
        self.on_cut: Callable[[], None] | None = None  # told of each poll that did not end the call
        self.doomed = False  # a future of this guest is to be freed later: so is the store, after it (rule 5)
        # What host functions leave here (hostcalls.Handover).
        self.failure: BaseException | None = None  # the first of the call: raised on the trio side (rule 4)
        self.waiting: tuple[Callable[[], Awaitable[int | None]], Wait] | None = None
        self.computing: tuple[Computation, Wait] | None = None

    async def run(self, guest: Guest, future: int) -> None:
        """Poll a future until its guest is done (rules 2, 5, 6, 7). Raises GuestBudget, GuestMemory, GuestTimeout."""
        engine = self._engine
        self.future = future
        self._unfinished_first = False
        engine.handles.stacks.call_begins()
        try:
            if self._done_at_once(guest, future):
                # Calls that end at once never wait: a loop of them must not starve guests that wait for a slice.
                if engine.slices.used.held and perf_counter() - engine.yielded_at > MOST_WITHOUT_YIELD_S:
                    await trio.lowlevel.checkpoint()
                    engine.yielded_at = perf_counter()
            elif self.deadline == math.inf:
                await self._later_slices(guest, future)
            else:
                await self._until_deadline(guest, future)
        except GeneratorExit:
            # The garbage collector ends this coroutine, perhaps inside another guest's callback or inside the
            # freeing of another future: no handle may be touched here (rule 5).
            self.doom()
            raise
        finally:
            self.waiting = self.computing = None
            self._module.note_call(self._account.cpu_s)
            if engine.running is not None:
                self.doom()
            elif self.future:
                self.future = 0
                engine.handles.delete_future(future)

    def doom(self) -> None:
        """Have the future freed later; callable from a finalizer (rule 5)."""
        if self.future:
            future, self.future = self.future, 0
            self.doomed = True
            self._engine.handles.doom(future, 0)

    async def _until_deadline(self, guest: Guest, future: int) -> None:
        with trio.CancelScope(deadline=self.deadline) as scope:
            await self._later_slices(guest, future)
        if scope.cancelled_caught:
            raise GuestTimeout("the guest did not answer in time")

    # --- slices

    def _done_at_once(self, guest: Guest, future: int) -> bool:
        """Run the first slice at once where no other call is in its first: most calls end here and need no cancel
        scope."""
        if self._engine.slices.fresh.held or not self._is_short():
            return False
        if self._poll(guest, future):
            return True
        self._unfinished_first = self.waiting is None
        return False

    async def _first_slice(self, guest: Guest, future: int) -> bool:
        """Hold the turnstile of first slices for one pass of the event loop, so that each pass has at most one of
        them."""
        fresh = self._engine.slices.fresh
        await fresh.enter(self._rank())
        try:
            if not self._unfinished_first and self._poll(guest, future):
                return True
            if self.waiting is None:
                await trio.lowlevel.checkpoint()
        finally:
            fresh.leave()
        return False

    async def _later_slices(self, guest: Guest, future: int) -> None:
        used = self._engine.slices.used
        if self.waiting is None and self._is_short() and await self._first_slice(guest, future):
            return
        while True:
            if self.waiting is not None:
                await self._host_wait()
            if self._account.budget.background:
                await self._until_idle()
            await used.enter(self._rank())
            try:
                if self._poll(guest, future):
                    return
                if self.waiting is None:
                    await trio.lowlevel.checkpoint()
            finally:
                used.leave()

    async def _until_idle(self) -> None:
        """Wait until no other call is in a slice: ranks decide only between calls that wait."""
        slices = self._engine.slices
        while slices.used.held or slices.fresh.held:
            await trio.lowlevel.checkpoint()

    def _rank(self) -> int:
        """Who goes first: the call that used least, or whose module usually uses least, in milliseconds."""
        return int(max(self._account.cpu_s, self._module.usual_cpu_s) / TICK_S)

    def _is_short(self) -> bool:
        """Whether the call has a first slice of its own."""
        return self._module.usual_cpu_s <= LONG_CALL_S and not self._account.budget.background

    # --- one poll, and what the guest left behind in it

    def _poll(self, guest: Guest, future: int) -> bool:
        engine = self._engine
        ticker = engine.ticker
        ticker.polls += 1
        if ticker.parked:
            ticker.unpark()
        if engine.running is not None:
            raise BrokenInvariant("a guest was called from inside a host function (rule 1)")
        engine.running = guest
        try:
            begun = perf_counter()
            done: bool = poll_future(future)
            while self.computing is not None:
                self._compute(*self.computing)
                if perf_counter() - begun > MOST_WITHOUT_YIELD_S:
                    break  # the guest goes on in its next slice
                done = poll_future(future)
            spent = perf_counter() - begun
        finally:
            engine.running = None
        self._account.charge_cpu(spent)
        if not done:
            if self.on_cut is not None:
                self.on_cut()
            self._account.check_cpu()
            if self.counts_memory:
                self._account.count_memory(guest.memory_size())
        return done

    def _compute(self, computation: Computation, wait: Wait) -> None:
        """What a host function left to do while the guest's fiber is suspended: its time is the guest's."""
        self.computing = None
        try:
            wait.value = computation.run() or 0
        except Exception as error:
            wait.failed = True
            self.failure = self.failure or error
        wait.done = True

    async def _host_wait(self) -> None:
        """Await the host operation that the guest waits for."""
        if self.waiting is None:
            return
        work, wait = self.waiting
        self.waiting = None
        try:
            wait.value = (await work()) or 0
        except Exception as error:
            wait.failed = True
            self.failure = self.failure or error
        wait.done = True
        await trio.lowlevel.checkpoint()  # a host operation that never waited must not starve the others
