"""A configuration that is read again while the process runs: taken as a whole, or not at all, in a bounded
time."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from edged import config as configuration
from edged.config import Config
from edged.daemon.base import Base
from edged.errors import ConfigError, EdgedError
from edged.process import systemd
from edged.process.boundary import boundary, describe

if TYPE_CHECKING:
    from edged.daemon.controllers_part import ControllersPart
    from edged.daemon.served_policies import ServedPolicies
    from edged.registry.modules import Modules
    from edged.scheduling.config.section import SchedulerConfig
    from edged.scheduling.run.plugin_loader import PluginLoader
    from edged.scheduling.run.scheduling import Scheduling


WAIT_S = 40.0
"""For the modules of a new configuration: `systemctl reload` waits no longer than 90 s."""
HURRY_S = 5.0
"""As long as it waits, at least, before another SIGHUP makes it go on with what is loaded."""
SCHEDULER_S = 10.0
"""For the scheduler's plugins, at least."""
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0
EARLIER_PLUGINS = "it goes on with its earlier plugins"


class Reload:
    """Puts the file's present content into force; whatever is wrong with it leaves the last good one as it is.

    What takes long is not waited for: a policy whose module is slow to come is loaded later by arrivals.py, plugins of
    the scheduler by a task of this class, and meanwhile what was there before goes on. The next reload takes their
    place.

    `path` None (tests): the configuration in force is loaded again. `scheduling` is None while no scheduler is
    configured, policies are while no admission is. `error` says why the last reload was refused, or is "".
    `succeeded_at`: Unix time at which the configuration in force was read; `count` and `refused`: how many reloads
    ended which way.
    """

    def __init__(self, base: Base, policies: ServedPolicies | None, path: str | None) -> None:
        self.count = 0
        self.refused = 0
        self.error = ""
        self.succeeded_at = time.time()
        self.scheduling: Scheduling | None = None
        self.controllers: ControllersPart | None = None
        self.begin_controllers: Callable[[], ControllersPart] | None = None
        """Makes the part of the process that runs them, where there were none."""
        self._base = base
        self._policies = policies
        self._path = path
        self._lock = trio.Lock()
        self._begun = 0.0
        self._waiting: trio.CancelScope | None = None
        self._later: trio.Nursery | None = None
        self._late = trio.CancelScope()
        self._late_wish: tuple[SchedulerConfig, PluginLoader] | None = None

    async def on_hangup(self, hangups: AsyncIterator[int], notify: systemd.Notifier) -> None:
        """A reload after each SIGHUP, those included that came while the process was starting. Several that come during
        a reload are one."""
        ask, asked = trio.open_memory_channel[None](1)
        try:
            async with trio.open_nursery() as self._later:
                self._later.start_soon(self._listen, hangups, ask)
                async for _ in asked:
                    with boundary(self._base.log, "reload"):
                        notify.reloading()
                        await self.reload()
                    notify.ready()  # the daemon shows the state of protection by itself, when it changes
        finally:
            self._later = None

    async def _listen(self, hangups: AsyncIterator[int], ask: trio.MemorySendChannel[None]) -> None:
        async for _ in hangups:
            self._hurry()
            with suppress(trio.WouldBlock):
                ask.send_nowait(None)

    def _hurry(self) -> None:
        """Another reload is wanted: the one under way goes on with what is loaded."""
        if self._waiting is not None:
            self._waiting.deadline = min(self._waiting.deadline, self._begun + HURRY_S)

    async def reload(self) -> bool:
        """Read the configuration again; whether it is in force now."""
        log = self._base.log
        async with self._lock:
            with boundary(log, "reload", failed=self._failed) as unit:
                try:
                    await self._reload()
                except EdgedError as error:
                    self._failed(error)
                    log.error("reload failed, going on as before", error=self.error)
                    return False
            if unit.error is not None:
                return False
            self.error = ""
            self.count += 1
            self.succeeded_at = time.time()
            log.info("reloaded", **self._reloaded())
            return True

    def _failed(self, error: Exception) -> None:
        self.refused += 1
        self.error = describe(error)

    def _reloaded(self) -> dict[str, object]:
        """For the log: how many policies are served, and which are not in force yet as they are configured."""
        if self._policies is None:
            return {}
        waiting = [name for name, policy in self._policies.configured().items() if policy.is_waiting]
        served = {"policies": len(self._policies.served())}
        return {**served, "waiting": ", ".join(waiting)} if waiting else dict(served)

    async def _reload(self) -> None:
        base = self._base
        fresh = configuration.load(self._path, waiting=False) if self._path else base.config
        fixed = needs_restart(base.config, fresh)
        if fixed:
            raise ConfigError(f"these keys take effect only after a restart: {', '.join(fixed)}")
        modules = base.modules_of(fresh)
        self._begun = trio.current_time()
        put_into_force = await self._load_policies(fresh, modules)
        if self.controllers is None and fresh.controller and self.begin_controllers is not None:
            self.controllers = self.begin_controllers()
        controllers = await self.controllers.prepare(fresh, modules) if self.controllers is not None else None
        try:
            await self._reload_scheduler(fresh, modules)
        except BaseException:
            if controllers is not None:
                controllers.discard()
            raise
        if controllers is not None:
            await controllers.put_into_force()
        base.config, base.modules = fresh, modules
        put_into_force()

    async def _load_policies(self, fresh: Config, modules: Modules) -> Callable[[], None]:
        """Load those of [admission], or have them wait for what takes long; what it gives serves them. Raises
        ConfigError if one does not load."""
        policies = self._policies
        if policies is None or fresh.admission is None:
            return lambda: None
        # Imported here: a node without admission does not pay for it.
        from edged.daemon import policy_reload

        self._waiting = trio.CancelScope(deadline=self._begun + WAIT_S)
        try:
            loader = self._base.policy_loader(fresh, modules)
            loaded = await policy_reload.loaded(fresh.admission, loader, policies, self._waiting)
        finally:
            self._waiting = None
        return lambda: policy_reload.put_into_force(policies, loaded)

    # --- the scheduler's plugins

    async def _reload_scheduler(self, fresh: Config, modules: Modules) -> None:
        """Have the scheduler change to the configuration, now or, if that takes long, later. Raises EdgedError."""
        scheduling = self.scheduling
        if scheduling is None or fresh.scheduler is None:
            return
        wish, loader = fresh.scheduler, self._base.plugin_loader(fresh, modules)
        until = max(self._begun + WAIT_S, trio.current_time() + SCHEDULER_S)
        self._late.cancel()
        try:
            with trio.move_on_at(until):
                await scheduling.reload(wish, loader)
                scheduling.late = ""
                return
            if self._later is None:
                raise ConfigError("the scheduler's plugins were not loaded in time: reload again")
        except Exception:  # of any kind: the task that was ended above is the only one that would try again
            if scheduling.late:  # as before: the plugins of the configuration in force
                self._begin_later(scheduling)
            raise
        scheduling.late = f"{EARLIER_PLUGINS}, because those of the configuration are still being fetched or compiled"
        self._late_wish = (wish, loader)
        self._begin_later(scheduling)

    def _begin_later(self, scheduling: Scheduling) -> None:
        if self._later is not None and self._late_wish is not None:
            self._late = trio.CancelScope()
            self._later.start_soon(self._reload_scheduler_later, scheduling, *self._late_wish, self._late)

    async def _reload_scheduler_later(
        self, scheduling: Scheduling, wish: SchedulerConfig, loader: PluginLoader, scope: trio.CancelScope
    ) -> None:
        """Until it has the plugins of the configuration, or another reload came."""

        def failed(error: Exception) -> None:
            scheduling.late = f"{EARLIER_PLUGINS}: {describe(error)}"

        pause_s = FIRST_PAUSE_S
        with scope:
            while scheduling.late:
                with boundary(self._base.log, "load", "scheduler's plugins", failed=failed):
                    await scheduling.reload(wish, loader)
                    scheduling.late = ""
                if scheduling.late:
                    await trio.sleep(pause_s)
                    pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


def needs_restart(old: Config, new: Config) -> list[str]:
    """Keys that differ and cannot change while the process runs."""
    changed = [
        name
        for name in ("node", "kubernetes", "engine", "observability")
        if getattr(old, name) != getattr(new, name)
    ]
    if (old.scheduler is None) != (new.scheduler is None):
        changed.append("scheduler")
    elif old.scheduler is not None and new.scheduler is not None:
        changed += [
            f"scheduler.{key}"
            for key in old.scheduler.__slots__
            if key != "plugin" and getattr(old.scheduler, key) != getattr(new.scheduler, key)
        ]
    if old.fabric != new.fabric and any(controller.extensions for controller in old.controller):
        changed.append("fabric")
    if (old.admission is None) != (new.admission is None):
        changed.append("admission")
    elif old.admission is not None and new.admission is not None:
        same = replace(new.admission, policy=old.admission.policy, group=old.admission.group)
        changed += [
            f"admission.{key}" for key in old.admission.__slots__ if getattr(old.admission, key) != getattr(same, key)
        ]
    return changed
