"""A configuration that is read again while the process runs: taken as a whole, or not at all."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from edged import config as configuration
from edged.config import Config
from edged.daemon.base import Base
from edged.daemon.served_policies import ServedPolicies
from edged.errors import ConfigError, EdgedError
from edged.process import systemd
from edged.process.boundary import boundary, describe

if TYPE_CHECKING:
    from edged.admission.host.policy import PolicySet
    from edged.registry.modules import Modules
    from edged.scheduling.run.scheduling import Scheduling


class Reload:
    """Puts the file's present content into force; whatever is wrong with it leaves the last good one as it is.

    `path` None (tests): the configuration in force is loaded again. `scheduling` is None while no scheduler is
    configured. `error` says why the last reload was refused, or is "". `succeeded_at`: Unix time at which the
    configuration in force was read; `count` and `refused`: how many reloads ended which way.
    """

    def __init__(self, base: Base, policies: ServedPolicies, path: str | None) -> None:
        self.count = 0
        self.refused = 0
        self.error = ""
        self.succeeded_at = time.time()
        self.scheduling: Scheduling | None = None
        self._base = base
        self._policies = policies
        self._path = path
        self._lock = trio.Lock()

    async def on_hangup(self, hangups: AsyncIterator[int], notify: systemd.Notifier) -> None:
        """One reload for each SIGHUP, those included that came while the process was starting."""
        async for _ in hangups:
            with boundary(self._base.log, "reload"):
                notify.reloading()
                await self.reload()
            notify.ready()  # the daemon shows the state of protection by itself, when it changes

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
            log.info("reloaded", policies=len(self._policies.served()))
            return True

    def _failed(self, error: Exception) -> None:
        self.refused += 1
        self.error = describe(error)

    async def _reload(self) -> None:
        base = self._base
        fresh = configuration.load(self._path, waiting=False) if self._path else base.config
        fixed = needs_restart(base.config, fresh)
        if fixed:
            raise ConfigError(f"these keys take effect only after a restart: {', '.join(fixed)}")
        modules = base.modules_of(fresh)
        policies = await self._loaded(fresh, modules)
        if self.scheduling is not None and self.scheduling.scheduler is not None and fresh.scheduler is not None:
            await self.scheduling.reload(fresh.scheduler, base.plugin_loader(fresh, modules))
        base.config, base.modules = fresh, modules
        if policies is not None:
            self._policies.configure(policies)
            if self._policies.resources is not None:
                self._policies.resources.reload()

    async def _loaded(self, fresh: Config, modules: Modules) -> PolicySet | None:
        """The policies of [admission], all of which load; None without that table. Raises ConfigError."""
        if fresh.admission is None:
            return None
        loader = self._base.policy_loader(fresh, modules)
        policies = await loader.load((*fresh.admission.policy, *fresh.admission.group), self._policies.served())
        broken = [f"{policy.name}: {policy.error}" for policy in policies.values() if policy.error]
        if broken:
            raise ConfigError("policies do not load: " + "; ".join(broken))
        return policies


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
    if (old.admission is None) != (new.admission is None):
        changed.append("admission")
    elif old.admission is not None and new.admission is not None:
        same = replace(new.admission, policy=old.admission.policy, group=old.admission.group)
        changed += [
            f"admission.{key}" for key in old.admission.__slots__ if getattr(old.admission, key) != getattr(same, key)
        ]
    return changed
