"""One instance of a module at work: it takes keys one after the other, sleeps when there are none, and is dropped when
it slept long enough.

Guest memory is never the truth, so an instance may go after any call: what it would miss is in the host. A call that
fails costs the instance and gives the key back.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Literal

import trio

from edged.controllers.core import messages
from edged.controllers.core.abi import MAP, RECONCILE, RESTORE, SNAPSHOT, STOP
from edged.controllers.core.keys import Key
from edged.controllers.core.results import ReconcileResult, result_of
from edged.controllers.run.desk import Desk
from edged.controllers.run.guest import GRACE_S, MOST_SNAPSHOT, Guest
from edged.errors import GuestError
from edged.process.boundary import boundary

if TYPE_CHECKING:
    from edged.controllers.run.parts import Parts

Reason = Literal["first", "wake", "trap", "upgrade"]
MAP_S: Final = 0.1
MAPPED_AT_ONCE: Final = 100
SNAPSHOT_S: Final = 0.5
STOP_S: Final = 0.1
PAUSE_S: Final = 1.0
Make = Callable[[Reason, bool], Awaitable[tuple[Guest, Desk]]]
"""Makes an instance that is set up; the flag says whether a snapshot will follow. Raises GuestError."""


class Shard:
    """`number` is the part of the keys that it takes."""

    def __init__(self, number: int, parts: Parts, make: Make) -> None:
        self.number = number
        self.calling = ""
        """The key of the running call, or ""."""
        self._parts = parts
        self._make = make
        self._guest: Guest | None = None
        self._desk: Desk | None = None
        self._reason: Reason = "first"
        self._snapshot: bytes | None = None
        self._woken = trio.Event()
        self._idle_since = 0.0
        self._gives_way = False
        self._stopping = False
        self._is_running = False
        self._ended = trio.Event()

    def adopt(self, guest: Guest, desk: Desk) -> None:
        """Begin with the instance that the manifest came from."""
        self._guest, self._desk = guest, desk
        self._idle_since = trio.current_time()
        self._parts.host.live.called(self)

    def wake(self) -> None:
        """There may be something to do."""
        self._woken.set()

    # --- live.Holder

    @property
    def is_idle(self) -> bool:
        return not self.calling

    def give_way(self) -> None:
        self._gives_way = True
        self._woken.set()

    @property
    def memory_kib(self) -> int:
        return self._guest.memory_kib if self._guest is not None else 0

    @property
    def is_live(self) -> bool:
        return self._guest is not None

    # --- the loop

    async def run(self) -> None:
        """Until `stop`."""
        self._is_running = True
        try:
            while not self._stopping:
                with boundary(self._parts.host.log, "controller", self._parts.config.name) as unit:
                    await self._step()
                if unit.error is not None:
                    await trio.sleep(PAUSE_S)
            await self._say_goodbye()
        finally:
            self._let_go()
            self._ended.set()

    async def stop(self, seconds: float) -> None:
        """Let the running call end, for so long; then tell the instance that it was the last one. One that does not run
        yet, because its module's watches are not synced, has nothing to wait for."""
        self._stopping = True
        self._woken.set()
        if not self._is_running:
            return
        with trio.move_on_after(seconds):
            await self._ended.wait()

    def close(self) -> None:
        """Free the instance of a shard that does not run."""
        self._let_go()

    async def _step(self) -> None:
        parts, now = self._parts, trio.current_time()
        if self.number == 0 and parts.mappings_at <= now:
            await self._map()
        key = parts.work.take(self.number, now) if parts.may_work() else None
        if key is None:
            await self._rest()
            return
        try:
            await self._reconcile(key)
        except BaseException:
            parts.work.failed(key, "internal error", trio.current_time())
            raise
        if not parts.config.idle_s:
            await self._drop()

    async def _rest(self) -> None:
        """Wait for a key, or for the end of the instance's time."""
        parts, now = self._parts, trio.current_time()
        self._woken = trio.Event()
        idle_at = self._idle_since + parts.config.idle_s if self._guest is not None else math.inf
        if self._gives_way or now >= idle_at:
            await self._drop()
            return
        due = parts.work.next_due(self.number, now) if parts.may_work() else None
        mappings_at = parts.mappings_at if self.number == 0 else math.inf
        with trio.move_on_at(min(idle_at, mappings_at, math.inf if due is None else due)):
            await self._woken.wait()

    # --- calls

    async def _reconcile(self, key: Key) -> None:
        parts, begun = self._parts, trio.current_time()
        if await parts.held(key, begun):
            return
        self.calling = str(key)
        try:
            result = await self._ask(key)
        except GuestError as error:
            self._discard()
            parts.trapped(key, error)
            return
        finally:
            self.calling = ""
            self._idle_since = trio.current_time()
            parts.host.measures.seconds.series(parts.config.name).observe(self._idle_since - begun)
        parts.reconciled(key, result)

    async def _ask(self, key: Key) -> ReconcileResult:
        """Raises GuestError."""
        parts = self._parts
        guest, desk = await self._live()
        seconds = parts.config.timeout_s
        raw, sources, ambiguous = parts.shown(key)
        data = messages.reconcile_input(
            key, raw, sources, ambiguous=ambiguous, attempt=parts.work.attempt(key), deadline_ms=round(seconds * 1000)
        )
        desk.begin(RECONCILE, trio.current_time() + seconds)
        reply = await guest.call(RECONCILE, data, seconds + GRACE_S)
        if desk.lost_lead:
            # Guests take a refusal for final, but this one ends with the next term: nothing else brings the key back.
            return ReconcileResult(error="this process lost the lead meanwhile")
        return result_of(*reply)

    async def _map(self) -> None:
        """Ask the guest which keys the changes mean that it maps itself: some of them, then keys have their turn."""
        parts = self._parts
        for _ in range(min(len(parts.mappings), MAPPED_AT_ONCE)):
            change = parts.next_mapping()
            self.calling = f"map {change.watch}"
            try:
                guest, desk = await self._live()
                if not guest.has(MAP):
                    parts.broken(f"the watch {change.watch} is mapped by the guest, which does not export {MAP}")
                    continue
                desk.begin(MAP, trio.current_time() + MAP_S)
                reply = await guest.call(MAP, change.data, MAP_S + GRACE_S)
                parts.mapped(reply.code, reply.body)
            except GuestError as error:
                self._discard()
                parts.map_failed(change, error)
                return
            except BaseException:
                parts.queue_mapping(change)
                raise
            finally:
                self.calling = ""
                self._idle_since = trio.current_time()

    # --- the instance

    async def _live(self) -> tuple[Guest, Desk]:
        """The instance, made anew where there is none. Raises GuestError."""
        self._gives_way = False
        if self._guest is None or self._desk is None:
            parts = self._parts
            parts.host.measures.wakes.inc(parts.config.name, self._reason)
            snapshot, self._snapshot = self._snapshot, None
            self._guest, self._desk = await self._make(self._reason, snapshot is not None)
            if snapshot is not None:
                await self._restore(self._guest, self._desk, snapshot)
        self._parts.host.live.called(self)
        return self._guest, self._desk

    async def _restore(self, guest: Guest, desk: Desk, snapshot: bytes) -> None:
        """A guest that does not want it goes on as it was set up. Raises GuestError."""
        desk.begin(RESTORE)
        reply = await guest.call(RESTORE, snapshot, SNAPSHOT_S)
        if reply.code < 0:
            self._parts.say("info", b"the snapshot was not taken back")

    async def _drop(self) -> None:
        """The instance goes; the next key has one made."""
        self._gives_way = False
        guest, desk = self._guest, self._desk
        if guest is None or desk is None:
            return
        if self._parts.manifest.snapshot and guest.has(SNAPSHOT) and guest.has(RESTORE):
            try:
                desk.begin(SNAPSHOT)
                reply = await guest.call(SNAPSHOT, None, SNAPSHOT_S)
                if reply.code == 0 and len(reply.body) <= MOST_SNAPSHOT:
                    self._snapshot = reply.body
            except GuestError as error:
                self._parts.warn("no snapshot", error)
        self._reason = "wake"
        self._let_go()

    async def _say_goodbye(self) -> None:
        guest, desk = self._guest, self._desk
        if guest is not None and desk is not None and guest.has(STOP):
            try:
                desk.begin(STOP)
                await guest.call(STOP, None, STOP_S)
            except GuestError as error:
                self._parts.warn("stop failed", error)

    def _discard(self) -> None:
        """After a failed call: the instance is dead, and what it remembered with it."""
        self._snapshot = None
        self._reason = "trap"
        self._let_go()

    def _let_go(self) -> None:
        guest, self._guest, self._desk = self._guest, None, None
        if guest is not None:
            guest.close()
            self._parts.host.live.dropped(self)
