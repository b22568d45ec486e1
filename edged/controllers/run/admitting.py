"""Instances of a module that answer reviews, beside those that reconcile: a reconcile may wait for seconds.

One is kept warm for as long as the module runs; a few more are made while reviews come together, and go when they were
idle for as long as others may be. They share the module's caches, rights and rate. A call that fails in any way costs
the instance and that review, nothing else.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import trio

from edged.controllers.config import AdmitsConfig
from edged.controllers.core.abi import ADMIT
from edged.controllers.core.admits import AdmissionVerdict, AdmitWebhook, admission_name, verdict_of
from edged.controllers.run.guest import Guest
from edged.controllers.run.shard import Make, Reason
from edged.errors import EdgedError, GuestError
from edged.kube.control.backoff import Backoff
from edged.process.boundary import boundary
from edged.records import dataclass
from edged.wasm.errors import GuestTimeout

if TYPE_CHECKING:
    from edged.controllers.run.desk import Desk
    from edged.controllers.run.parts import Parts

AT_ONCE: Final = 4
"""Reviews that one module answers at the same time; others wait, as long as their callers do."""
STOPPING: Final = "the module is being stopped"
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """One entry of a controller's `admits`, as it stands. `webhook`: None where the module declares nothing of it, or
    where that is not known yet. `problem`: why it cannot answer; `is_loading`: it will soon."""

    controller: str
    module: str
    number: int
    bound: AdmitsConfig
    webhook: AdmitWebhook | None = None
    digest: str = ""
    is_loading: bool = False
    problem: str = ""

    @property
    def name(self) -> str:
        return admission_name(self.controller, self.number)


class _Instance:
    """One that answers reviews. `is_warm`: it stays; else it gives way where too many instances are alive."""

    def __init__(self, guest: Guest, desk: Desk, owner: Admitting) -> None:
        self.guest = guest
        self.desk = desk
        self.is_warm = False
        self.is_busy = True
        self.idle_since = 0.0
        self._owner = owner

    # --- live.Holder

    @property
    def is_idle(self) -> bool:
        return not self.is_busy and not self.is_warm

    def give_way(self) -> None:
        self._owner.drop(self)


class Admitting:
    """`make` makes an instance that is set up. `run` keeps one warm."""

    def __init__(self, parts: Parts, make: Make) -> None:
        self.reviews = 0
        self.failures = 0
        self._parts = parts
        self._make = make
        self._places = trio.Semaphore(AT_ONCE)
        self._instances: list[_Instance] = []
        self._reason: Reason = "first"
        self._changed = trio.Event()
        self._ended = trio.Event()
        self._is_closed = False

    @property
    def live(self) -> int:
        return len(self._instances)

    @property
    def memory_kib(self) -> int:
        return sum(each.guest.memory_kib for each in self._instances)

    # --- reviews

    async def admit(self, data: bytes, seconds: float) -> AdmissionVerdict:
        """What the module says to the request of an AdmissionReview. Raises GuestError: GuestTimeout where it has not
        said it in so many seconds."""
        self.reviews += 1
        until = trio.current_time() + seconds
        try:
            with trio.move_on_at(until):
                async with self._places:
                    return await self._ask(data, until)
            raise GuestTimeout(f"{ADMIT}: no answer within {seconds:g} s")
        except EdgedError:
            self.failures += 1
            raise

    async def _ask(self, data: bytes, until: float) -> AdmissionVerdict:
        instance = self._idle() or await self._new()
        instance.is_busy = True
        try:
            instance.desk.begin(ADMIT, until)
            reply = await instance.guest.call(ADMIT, data, until - trio.current_time())
            if reply.code < 0:
                raise GuestError(f"{ADMIT} answered {reply.code} instead of a verdict")
            verdict = verdict_of(reply.body)
        except BaseException:
            self._reason = "trap"
            self._remove(instance)
            raise
        self._rest(instance)
        return verdict

    # --- instances

    async def run(self) -> None:
        """Until `close`: have an instance at hand, and let others go that nobody needs any more."""
        pause = Backoff(random.random, base_s=FIRST_PAUSE_S, cap_s=LONGEST_PAUSE_S)
        while not self._is_closed:
            self._changed = trio.Event()
            if not self._instances and not await self._warm_up():
                await trio.sleep(pause.next())
                continue
            pause.reset()
            with trio.move_on_at(self._next_end()):
                await self._changed.wait()
            self._let_go_of_idle()

    async def _warm_up(self) -> bool:
        """Whether there is an instance now."""
        parts = self._parts
        with boundary(parts.log, "controller", parts.config.name):
            try:
                self._rest(await self._new())
                return True
            except EdgedError as error:
                parts.warn("no instance for admissions", error)
        return False

    async def _new(self) -> _Instance:
        """Raises EdgedError."""
        if self._is_closed:
            raise GuestError(STOPPING)
        self._parts.host.measures.wakes.inc(self._parts.config.name, self._reason)
        instance = _Instance(*await self._make(self._reason, False), self)
        if self._is_closed:
            instance.guest.close()
            raise GuestError(STOPPING)
        self._reason = "wake"
        self._instances.append(instance)
        instance.is_warm = len(self._instances) == 1
        self._parts.host.live.called(instance)
        return instance

    def _idle(self) -> _Instance | None:
        """The warm one first."""
        return next((each for each in self._instances if not each.is_busy), None)

    def _rest(self, instance: _Instance) -> None:
        """After a call."""
        instance.is_busy = False
        instance.idle_since = trio.current_time()
        if self._is_closed:
            self._remove(instance)
        self._changed.set()

    def _next_end(self) -> float:
        ends = [each.idle_since for each in self._instances if each.is_idle]
        return min(ends, default=float("inf")) + self._parts.config.idle_s

    def _let_go_of_idle(self) -> None:
        now = trio.current_time()
        for each in list(self._instances):
            if each.is_idle and now >= each.idle_since + self._parts.config.idle_s:
                self._remove(each)

    def drop(self, instance: _Instance) -> None:
        """It gives way to another one."""
        if instance in self._instances and instance.is_idle:
            self._remove(instance)

    def _remove(self, instance: _Instance) -> None:
        self._instances.remove(instance)
        instance.guest.close()
        self._parts.host.live.dropped(instance)
        if instance.is_warm and self._instances:
            self._instances[0].is_warm = True
        if self._is_closed and not self._instances:
            self._ended.set()
        self._changed.set()

    # --- the end

    async def drain(self, seconds: float) -> None:
        """No review is taken any more, and those under way have so much time."""
        self.close()
        if self._instances:
            with trio.move_on_after(seconds):
                await self._ended.wait()

    def close(self) -> None:
        """Free what serves no call; the others go when theirs end."""
        self._is_closed = True
        for each in list(self._instances):
            if not each.is_busy:
                self._remove(each)
