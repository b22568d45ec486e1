"""The life of one module: loaded, set up, its watches opened and synced, at work, ended.

Nothing here ends because something is wrong: a module that does not load, a kind that nobody serves yet, a set-up that
traps are tried again, later and later. `problem` says what is missed meanwhile.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Literal

import trio

from edged.controllers.config import ControllerConfig
from edged.controllers.core import messages
from edged.controllers.core.abi import SETUP
from edged.controllers.core.admits import AdmitWebhook
from edged.controllers.core.codes import Refused
from edged.controllers.core.manifest import Manifest, manifest_of
from edged.controllers.run.admitting import Admitted, Admitting
from edged.controllers.run.admitting_terms import check_export, webhooks_of
from edged.controllers.run.desk import Desk
from edged.controllers.run.guest import ControllerModule, Guest
from edged.controllers.run.handover import take_over, tell_left
from edged.controllers.run.host import Host
from edged.controllers.run.leadership import Leadership
from edged.controllers.run.loading import ModuleLoader
from edged.controllers.run.parts import Parts
from edged.controllers.run.shard import Reason, Shard
from edged.controllers.wording import admitted
from edged.errors import EdgedError, GuestError
from edged.kube.control.backoff import Backoff
from edged.process.boundary import boundary, describe
from edged.wasm.account import Budget

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 300.0
LONGEST_WATCH_PAUSE_S: Final = 10.0
"""Before a watch that could not be opened is tried again: its kind may have been installed."""
SYNC_S: Final = 120.0
LOOK_S: Final = 2.0
"""Between two looks at how much the module's watches show."""
STOP_S: Final = 10.0
SETUP_S: Final = 5.0
State = Literal["loading", "starting", "running", "standby", "parked", "stopped"]


class Controller:
    """Made from its configuration; `run` until `stop`."""

    def __init__(
        self, config: ControllerConfig, host: Host, loader: ModuleLoader, told: Callable[[], None] = lambda: None
    ) -> None:
        """`told` is called when what it admits, or whether it can answer, has changed."""
        self.config = config
        self._told = told
        self.problem = ""
        self._host = host
        self._loader = loader
        self._log = host.log.bind(controller=config.name)
        self._module: ControllerModule | None = None
        self._leadership: Leadership | None = None
        self._shards: tuple[Shard, ...] = ()
        self._parts: Parts | None = None
        self._admitting: Admitting | None = None
        self._webhooks: tuple[AdmitWebhook | None, ...] | None = None
        """What the module admits of each entry of `admits`; None while it is not known."""
        self._generation = 0
        self._scope = trio.CancelScope()
        self._ended: trio.Event | None = None
        """Of `run`, once it began."""
        self._stopped = False

    # --- from start to stop

    async def run(self) -> None:
        """Until `stop`. A module that was made ready for an upgrade begins at once."""
        self._ended = trio.Event()
        try:
            with self._scope:
                if self._stopped:
                    return  # before it began: what it had is freed
                await self._load_and_work()
        finally:
            self._ended.set()

    async def _load_and_work(self) -> None:
        """A module whose watches grew beyond its limits gives them up for a while."""
        while True:
            await self._load()
            assert self._parts is not None
            if not await self._work(self._parts):
                return
            self.discard()
            self._parts, self._shards = None, ()
            await trio.sleep(LONGEST_PAUSE_S)

    async def _load(self) -> None:
        pause = Backoff(random.random, base_s=FIRST_PAUSE_S, cap_s=LONGEST_PAUSE_S)
        while self._parts is None:
            with boundary(self._log, "load", self.config.name, failed=self._failed):
                try:
                    await self._set_up("first", None)
                except EdgedError as error:
                    self._failed(error)
                    self._log.error("controller not started", error=self.problem)
            if self._parts is None:
                await trio.sleep(pause.next())

    async def prepare_upgrade(self, present: Controller | None) -> None:
        """Load and set up beside the present one. Raises EdgedError."""
        dynamic = present.dynamic_watches if present is not None else []
        await self._set_up("first" if present is None else "upgrade", dynamic)

    def inherit(self, former: Controller) -> None:
        """Take over from an earlier edition, whose calls have ended and whose watches are open yet."""
        if self._parts is not None and former.parts is not None:
            take_over(self._parts, former.parts)

    def use_loader(self, loader: ModuleLoader) -> None:
        """Another configuration says where modules come from: one that was not loaded yet is sought there."""
        self._loader = loader

    async def is_outdated(self, loader: ModuleLoader) -> bool:
        """Whether the same reference names other bytes by now. Raises EdgedError."""
        if self._module is None:
            return False  # it is tried again by itself, and holds up nothing that is new in the configuration
        return (await loader.load(self.config)).digest != self._module.digest

    async def stop(
        self, seconds: float = STOP_S, reviews: trio.Event | None = None, successor: Controller | None = None
    ) -> None:
        """Let running calls end, close everything. `reviews` is set when nobody asks for admission any more.
        `successor` takes over what there is to do."""
        async with trio.open_nursery() as nursery:
            for shard in self._shards:
                nursery.start_soon(shard.stop, seconds)
        if reviews is not None and self._admitting is not None:
            await reviews.wait()
        self._stopped = True
        if self._admitting is not None:
            self._told()
            await self._admitting.drain(seconds)
        self._scope.cancel()
        if self._ended is not None:
            await self._ended.wait()  # an instance may be freed only when its call has ended
        if successor is not None:
            successor.inherit(self)
        self.discard()

    def discard(self) -> None:
        """Free what a module has that does not run."""
        for shard in self._shards:
            shard.close()
        if self._admitting is not None:
            self._admitting.close()
        if self._parts is not None:
            self._parts.close()
        if self._leadership is not None:
            leadership, self._leadership = self._leadership, None
            leadership.forget(self._wake)
            self._host.leaderships.release(leadership, self.config.name)

    def _failed(self, error: Exception) -> None:
        self._say(describe(error))

    def _say(self, problem: str) -> None:
        """What is wrong now; "" for nothing."""
        if problem != self.problem:
            self.problem = problem
            self._told()

    # --- set-up

    async def _set_up(self, reason: Reason, dynamic: Sequence[bytes] | None) -> None:
        """Raises EdgedError."""
        if self._module is None:
            self._module = await self._loader.load(self.config)
        parts = Parts(self.config, self._host, self._wake, self._leads, self._log)
        guest, desk, manifest = await self._make_first(parts, reason, dynamic or ())
        try:
            check_export(guest, manifest)
            with suppress(Refused):  # what the API server does not say yet is found out later
                self._webhooks = await webhooks_of(parts, manifest)
            parts.use(manifest)
        except BaseException:
            guest.close()
            raise
        self._parts = parts
        self._shards = tuple(Shard(n, parts, self._make) for n in range(manifest.concurrency))
        self._shards[0].adopt(guest, desk)
        parts.dynamic = list(dynamic or ())
        # A successor wants the Lease before the earlier module lets go of it.
        self._leadership = self._host.leaderships.acquire(self.config.name, self.config.leader_election)
        if self._leadership is not None:
            self._leadership.tell(self._wake)
        self._log.info("controller loaded", digest=self._module.digest, watches=len(manifest.watches))

    async def _make_first(self, parts: Parts, reason: Reason, dynamic: Sequence[bytes]) -> tuple[Guest, Desk, Manifest]:
        guest, desk = await self._instance(parts)
        try:
            manifest = await self._ask_manifest(guest, desk, reason, dynamic, False)
        except BaseException:
            guest.close()
            raise
        return guest, desk, manifest

    async def _make(self, reason: Reason, snapshot: bool) -> tuple[Guest, Desk]:
        """Another instance for a shard. Raises GuestError."""
        parts = self._parts
        assert parts is not None
        guest, desk = await self._instance(parts)
        try:
            manifest = await self._ask_manifest(guest, desk, reason, parts.watches.dynamic, snapshot)
            if manifest != parts.manifest or parts.is_incomplete:
                await parts.changed_manifest(manifest)
        except BaseException:
            guest.close()
            raise
        return guest, desk

    async def _instance(self, parts: Parts) -> tuple[Guest, Desk]:
        assert self._module is not None
        desk = Desk(parts)
        config = self.config
        budget = Budget(memory_mib=config.memory_limit_mib, cpu_s=config.cpu_budget_ms / 1000, table_elements=10_000)
        return await self._module.guest(config.name, desk, budget, self._log, parts.say_output), desk

    async def _ask_manifest(
        self, guest: Guest, desk: Desk, reason: Reason, dynamic: Sequence[bytes], snapshot: bool
    ) -> Manifest:
        """Raises GuestError."""
        self._generation += 1
        data = messages.setup_input(
            module=self.config.name, node=self._host.node, config=self.config.config, generation=self._generation,
            reason=reason, snapshot=snapshot, open_watches=dynamic,
        )  # fmt: skip
        desk.begin(SETUP, trio.current_time() + SETUP_S)
        reply = await guest.call(SETUP, data, SETUP_S)
        if reply.code < 0 or not reply.body:
            raise GuestError(f"{SETUP} answered {reply.code} instead of a manifest")
        return manifest_of(reply.body)

    # --- at work

    async def _work(self, parts: Parts) -> bool:
        """Until `stop`, or until its watches show more than they may: then True."""
        self._say("")
        excess = ""

        async def bound() -> None:
            nonlocal excess
            while not (excess := parts.view.excess()):
                await trio.sleep(LOOK_S)
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            parts.nursery = nursery
            nursery.start_soon(bound)
            await self._know_admits(parts)
            await self._open_watches(parts)
            await self._sync(parts)
            left, parts.left = parts.left, []
            for each in left:
                nursery.start_soon(tell_left, parts, each)
            parts.work.start(trio.current_time())
            parts.synced = True
            if self._admitting is not None:
                nursery.start_soon(self._admitting.run)
                self._told()
            self._wake()
            async with trio.open_nursery() as working:
                for shard in self._shards:
                    working.start_soon(shard.run)
            nursery.cancel_scope.cancel()
        if excess:
            self._say(excess)
            self._log.error("controller given up for a while", error=excess, again_in_s=LONGEST_PAUSE_S)
        return bool(excess)

    async def _know_admits(self, parts: Parts) -> None:
        """Nothing begins before it is known that the module admits no more than it may."""
        pause = Backoff(random.random, base_s=FIRST_PAUSE_S, cap_s=LONGEST_WATCH_PAUSE_S)
        while self._webhooks is None:
            with boundary(self._log, "controller", f"{self.config.name} admits", failed=self._failed):
                try:
                    self._webhooks = await webhooks_of(parts, parts.manifest)
                    self._say("")
                    break
                except EdgedError as error:
                    self._say(f"admits: {error}")
            await trio.sleep(pause.next())
        if any(self._webhooks or ()):
            self._admitting = Admitting(parts, self._make)

    async def _open_watches(self, parts: Parts) -> None:
        """Those of the manifest, and those that an earlier edition of the module had open."""
        for declaration in parts.manifest.watches:
            pause = Backoff(random.random, base_s=FIRST_PAUSE_S, cap_s=LONGEST_WATCH_PAUSE_S)
            while True:
                with boundary(self._log, "watch", f"{self.config.name} {declaration.id}", failed=self._failed):
                    try:
                        await parts.watches.open(declaration, paced=False)
                        self._say("")
                        break
                    except Refused as refused:
                        self._say(f"watch {declaration.id}: {refused}")
                await trio.sleep(pause.next())
        await parts.open_dynamic()

    async def _sync(self, parts: Parts) -> None:
        """No key is taken before everything is known that `setup` asked for."""
        while True:
            with trio.move_on_after(SYNC_S):
                for watch in parts.watches:
                    if watch.text is None:
                        await watch.wait_synced()
                self._say("")
                return
            late = [watch for watch in parts.watches if watch.text is None and not watch.synced]
            said = [f"watch {each.declaration.id} is not synced: {each.informer.problem}" for each in late]
            self._say("; ".join(said))

    def _leads(self) -> bool:
        return self.config.leader_election is False or (self._leadership is not None and self._leadership.leads)

    def _not_elected(self) -> str:
        """Why it stands by and nobody else acts for it."""
        return self._leadership.problem_of(self.config.name) if self._leadership is not None else ""

    def _wake(self) -> None:
        for shard in self._shards:
            shard.wake()

    # --- reviews

    @property
    def admitting(self) -> Admitting | None:
        """What answers reviews; None where the module admits nothing, or cannot answer yet or any more."""
        is_ready = self._parts is not None and self._parts.synced and not self._stopped
        return self._admitting if is_ready else None

    def admitted(self) -> list[Admitted]:
        """Each entry of `admits`, as it stands."""
        ready = self.admitting is not None or (self._webhooks is not None and not any(self._webhooks))
        return [
            Admitted(
                controller=self.config.name, module=self.config.module, number=number, bound=bound,
                webhook=self._webhooks[number] if self._webhooks else None, digest=self.digest,
                is_loading=not ready and not self.problem, problem="" if ready else self.problem,
            )
            for number, bound in enumerate(self.config.admits)
        ]  # fmt: skip

    # --- what people ask

    @property
    def parts(self) -> Parts | None:
        """None while the module is being loaded."""
        return self._parts

    @property
    def digest(self) -> str:
        return self._module.digest if self._module is not None else ""

    @property
    def dynamic_watches(self) -> list[bytes]:
        return self._parts.watches.dynamic if self._parts is not None else []

    @property
    def state(self) -> State:
        parts = self._parts
        if self._stopped:
            return "stopped"
        if parts is None:
            return "loading"
        if not parts.synced:
            return "starting"
        if not self._leads():
            return "standby"
        return "parked" if parts.work.parked_until > trio.current_time() else "running"

    @property
    def _live(self) -> int:
        """Instances."""
        return sum(shard.is_live for shard in self._shards) + (self._admitting.live if self._admitting else 0)

    @property
    def _memory_kib(self) -> int:
        """Of all instances."""
        return sum(shard.memory_kib for shard in self._shards) + (self._admitting.memory_kib if self._admitting else 0)

    def describe(self) -> dict[str, Any]:
        """For `edged status`."""
        described: dict[str, Any] = {
            "name": self.config.name, "state": self.state, "digest": self.digest,
            "error": self.problem or self._not_elected(), "live": self._live, "memory_kib": self._memory_kib,
            "leads": self._leads(), "leader": self._leadership.elector.holder if self._leadership else "",
            "in_work": [shard.calling for shard in self._shards if shard.calling],
            "admits": [text for each in self._webhooks or () if each is not None for text in admitted(each)],
            "admissions": self._admitting.reviews if self._admitting is not None else 0,
        }  # fmt: skip
        return described | (self._parts.describe() if self._parts is not None else {})

    def measure(self) -> None:
        """Set the gauges."""
        name, measures, parts = self.config.name, self._host.measures, self._parts
        measures.live.set(self._live, name)
        measures.memory.set(1024 * self._memory_kib, name)
        measures.leads.set(float(self._leads()), name)
        if parts is not None:
            parts.measure(measures)
