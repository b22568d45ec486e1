"""The scheduler as part of a process: built from the configuration, run while leading, changed by reloads.

    scheduling = Scheduling(config, node_name, loader, client, informers, log, metrics)
    await scheduling.start(nursery)         # profiles are loaded before anything is scheduled
    await scheduling.reload(config, loader) # other modules and settings of plugins, between two cycles

A scheduler that lacks one of its plugins does not run at all; `error` says why, and it is tried again. With leader
election each term has a Scheduler of its own: what a term believed when it lost its lease is worth nothing afterwards.
Called by edged/daemon, which imports it only where [scheduler] is configured.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import trio

from edged.errors import ConfigError, EdgedError
from edged.kube.client import ApiClient
from edged.kube.informers import Informers
from edged.kube.leader_election import LeaderElector
from edged.kube.values.names import NamespacedName
from edged.process.boundary import boundary, describe
from edged.scheduling.config.config_sections import LeaderElectionSettings
from edged.scheduling.config.profile_config import SchedulerFile
from edged.scheduling.config.section import SchedulerConfig
from edged.scheduling.core.counters import Metrics
from edged.scheduling.core.profile import Profile
from edged.scheduling.run.plugin_loader import Described, PluginLoader
from edged.scheduling.run.scheduler import Scheduler
from edged.scheduling.run.scheduler_builder import SchedulerBuilder, Term
from edged.scheduling.run.scheduler_metrics import Gauges, scheduler_metrics
from edged.telemetry.logs import Logger

if TYPE_CHECKING:
    from edged.telemetry.metrics import MetricRegistry

OWN_LEASE = "edged-scheduler"
START_S = 60.0
"""So long a start waits for plugins; admission and systemd wait for it."""
GIVE_UP_S = 5.0
PAUSE_S = 30.0
"""Before a scheduler that could not be built, or that broke, is built again."""


class Scheduling:
    """Runs the scheduler of the present term. `error` says why there is none, or is "". `late`: why its plugins are not
    those of the configuration yet, or ""."""

    def __init__(
        self,
        config: SchedulerConfig,
        node_name: str,
        loader: PluginLoader,
        client: ApiClient,
        informers: Informers,
        log: Logger,
        metrics: MetricRegistry,
    ) -> None:
        self.error = ""
        self.late = ""
        self.elector: LeaderElector | None = None
        self._config = config
        self._node_name = node_name
        self._loader = loader
        self._client = client
        self._log = log
        self._metric_registry = metrics
        self._metrics = Metrics()
        self._builder = SchedulerBuilder(node_name, client, informers, log, self._metrics, self._leads)
        self._settings = SchedulerFile(())
        self._term: Term | None = None
        self._is_building = False
        self._changed = trio.Event()
        """What the first scheduler is built from is another one."""

    @property
    def scheduler(self) -> Scheduler | None:
        """The one of the present term, or of the last while the next is being built; None where there was none."""
        return None if self._term is None else self._term.scheduler

    @property
    def profiles(self) -> tuple[Profile, ...]:
        return () if self._term is None else self._term.loaded.profiles

    async def start(self, work: trio.Nursery) -> None:
        """Builds the first scheduler and runs it in `work`. What is wrong with it goes to `error`; then it is tried
        again later, since a registry that was away may be back."""
        with trio.move_on_after(START_S) as scope:
            await self._build_first()
        if self._term is not None:
            self._begin(work)
            return
        if scope.cancelled_caught:
            self._builder.release()
            self.error = "its plugins are still being fetched or compiled"
        work.start_soon(self._start_later, work, 0.0 if scope.cancelled_caught else PAUSE_S)

    async def _start_later(self, work: trio.Nursery, pause_s: float) -> None:
        while self._term is None:
            with trio.move_on_after(pause_s):
                await self._changed.wait()
            pause_s, self._changed = PAUSE_S, trio.Event()
            await self._build_until_changed()
            if self._term is not None and self._changed.is_set():  # it was built from what is not wanted any more
                term, self._term = self._term, None
                await term.close(self._log)
        self._begin(work)

    async def _build_until_changed(self) -> None:
        """As `_build_first`. A reload that comes meanwhile does not wait long for what nobody wants any more."""

        async def give_up(scope: trio.CancelScope) -> None:
            await self._changed.wait()
            await trio.sleep(GIVE_UP_S)
            scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(give_up, nursery.cancel_scope)
            await self._build_first()
            nursery.cancel_scope.cancel()
        if self._term is None:
            self._builder.release()

    async def _build_first(self) -> None:
        with boundary(self._log, "load", "scheduler", failed=self._failed):
            try:
                self._settings = self._loader.settings(self._config)
                for path in self._settings.ignored:
                    file = self._config.config
                    self._log.warning("setting of the scheduler has no effect", file=file, setting=path)
                self._term = await self._builder.build(self._config, self._settings, self._loader)
                self._say_loaded(self._term.loaded.describe())
            except EdgedError as error:
                self._failed(error)
                self._log.error("scheduler not started", error=self.error, again_in_s=PAUSE_S)
        if self._term is None:
            self._builder.release()
        else:
            self.error = ""

    def _begin(self, work: trio.Nursery) -> None:
        scheduler_metrics(self._metric_registry, self._metrics, self._gauges)
        self.elector = self._make_elector()
        work.start_soon(self._builder.recorder.run)
        if self._builder.annotator is not None:
            work.start_soon(self._builder.annotator.run)
        work.start_soon(self._run)

    def _failed(self, error: Exception) -> None:
        self.error = describe(error)

    def _gauges(self) -> Gauges:
        return self.scheduler.answers.gauges() if self.scheduler is not None else {}

    # --- terms

    def _leads(self) -> bool:
        return self.elector is None or self.elector.leads()

    def _election(self) -> LeaderElectionSettings | None:
        """The file decides where there is one, as kube-scheduler would."""
        if self._config.config:
            return self._settings.election
        return LeaderElectionSettings(name=OWN_LEASE) if self._config.leader_election else None

    def _make_elector(self) -> LeaderElector | None:
        election = self._election()
        if election is None:
            return None
        return LeaderElector(
            self._client,
            NamespacedName(election.namespace, election.name),
            f"{self._node_name}_{uuid.uuid4()}",
            election.times,
            random=random.random,
            clock=time.time_ns,
            log=self._log,
        )

    async def _run(self) -> None:
        """One term after the other. Without leader election the first ends only when its scheduler breaks."""
        while True:
            with boundary(self._log, "term", "scheduler", failed=self._failed) as unit:
                if self.elector is None:
                    await self._run_term()
                else:
                    await self.elector.lead(self._run_term)
            if unit.error is not None:
                await trio.sleep(PAUSE_S)
            await self._begin_anew()

    async def _run_term(self) -> None:
        if self._term is not None:
            await self._term.scheduler.run()

    async def _begin_anew(self) -> None:
        """The term is over: the next one starts from what informers say."""
        if self._term is not None:
            await self._term.close(self._log)
        while not await self._rebuilt():
            await trio.sleep(PAUSE_S)

    async def _rebuilt(self) -> bool:
        self._is_building = True
        try:
            with boundary(self._log, "load", "scheduler", failed=self._failed):
                try:
                    self._term = await self._builder.build(self._config, self._settings, self._loader)
                    self._say_loaded(self._term.loaded.describe())
                    self.error = ""
                    return True
                except EdgedError as error:
                    self._failed(error)
                    self._log.error("scheduler not built again", error=self.error)
            return False
        finally:
            self._is_building = False

    # --- reload

    async def reload(self, config: SchedulerConfig, loader: PluginLoader) -> None:
        """Other plugin modules, their settings, and arguments of the profiles; taken whole or not at all.

        Where there is no scheduler yet, it is tried with these at once. Raises EdgedError, and everything stays as it
        was.
        """
        term = self._term
        if term is None:
            self._config, self._loader = config, loader
            self._changed.set()
            return
        settings = loader.settings(config)
        fixed = _fixed(self._settings, settings)
        if fixed:
            where = config.config or "[scheduler]"
            raise ConfigError(f"{where}: these take effect only after a restart: {', '.join(fixed)}")
        loaded = await loader.load(config, settings, term.scheduler.handle, term.loaded)
        if self._term is not term or self._is_building:
            loaded.discard(term.loaded)
            raise ConfigError("another term of the scheduler began meanwhile: reload again")
        # From here on nothing waits or fails, so the next cycle sees the whole change.
        before = term.loaded.describe()
        gone = loaded.adopt(term.loaded)
        self._config, self._loader, self._settings = config, loader, settings
        self._term = replace(term, loaded=loaded)
        self._builder.respect_budgets(term.scheduler, loaded)
        term.scheduler.exchange(loaded.profiles)
        for plugin in gone:
            plugin.retire()
        self._say_loaded(loaded.describe(), before)

    def _say_loaded(self, plugins: Sequence[Described], before: Sequence[Described] = ()) -> None:
        """To the log: guests that are new or another version, and those that are gone."""
        for plugin in plugins:
            if plugin not in before:
                profiles, points = ", ".join(plugin["profiles"]), ", ".join(plugin["points"])
                name, digest = plugin["plugin"], plugin["digest"]
                self._log.info("plugin loaded", plugin=name, profiles=profiles, points=points, digest=digest)
        kept = {plugin["plugin"] for plugin in plugins}
        for plugin in before:
            if plugin["plugin"] not in kept:
                self._log.info("plugin removed", plugin=plugin["plugin"])

    # --- status

    def describe(self) -> dict[str, Any]:
        """For `edged status`."""
        if self.scheduler is None:
            return {"error": self.error} if self.error else {}
        state: dict[str, Any] = {
            "pending": self.scheduler.state.queue.pending(),
            "profiles": [profile.scheduler_name for profile in self.profiles],
            "plugins": self._term.loaded.describe() if self._term is not None else [],
        }
        if self.error:
            state["error"] = self.error
        if self.elector is not None:
            state["leader"] = {
                "lease": str(self.elector.name),
                "leads": self.elector.leads(),
                "holder": self.elector.holder,
                "problem": self.elector.problem,
            }
        return state


def _fixed(old: SchedulerFile, new: SchedulerFile) -> list[str]:
    """What differs and cannot change while the scheduler runs."""
    changed = [
        name
        for name, before, after in (
            ("percentageOfNodesToScore", old.percentage, new.percentage),
            ("podInitialBackoffSeconds", old.initial_backoff_s, new.initial_backoff_s),
            ("podMaxBackoffSeconds", old.max_backoff_s, new.max_backoff_s),
            ("leaderElection", old.election, new.election),
            ("extenders", old.extenders, new.extenders),
        )
        if before != after
    ]
    if [p.scheduler_name for p in old.profiles] != [p.scheduler_name for p in new.profiles]:
        changed.append("the names of profiles")
    return changed
