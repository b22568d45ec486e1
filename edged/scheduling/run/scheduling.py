"""The scheduler as part of a process: built from the configuration, run while leading, changed by reloads.

    scheduling = Scheduling(config, node_name, loader, client, informers, log, metrics)
    await scheduling.start(nursery)         # profiles are loaded before anything is scheduled
    await scheduling.reload(config, loader) # other modules and settings of plugins, between two cycles

A scheduler that lacks one of its plugins does not run at all; `error` says why. With leader election each term
has a Scheduler of its own: what a term believed when it lost its lease is worth nothing afterwards.
Called by edged/daemon, which imports it only where [scheduler] is configured.
"""

from __future__ import annotations

import random
import time
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from edged.errors import ConfigError, EdgedError
from edged.kube.client import ApiClient
from edged.kube.informers import Informer, Informers, Prune
from edged.kube.leader_election import LeaderElector
from edged.kube.lean import LeanPool
from edged.kube.values.names import GroupVersionResource, NamespacedName
from edged.kube.writes import PDBS, PODS, EventRecorder, annotate_pod
from edged.scheduling.config.config_sections import LeaderElectionSettings
from edged.scheduling.config.profile_config import SchedulerFile
from edged.scheduling.config.section import SchedulerConfig
from edged.scheduling.core.counters import Metrics
from edged.scheduling.core.profile import Profile
from edged.scheduling.core.retry_times import RetryTimes
from edged.scheduling.run.plugin_loader import Loaded, PluginLoader
from edged.scheduling.run.scheduler import Scheduler
from edged.scheduling.run.scheduler_metrics import scheduler_metrics
from edged.scheduling.run.scheduler_state import BINDERS, Environment, SchedulerSettings
from edged.scheduling.run.scheduler_writes import ApiWrites
from edged.telemetry.logs import Logger

if TYPE_CHECKING:
    from edged.scheduling.run.annotation_writer import Annotator
    from edged.scheduling.run.extender_requests import HttpExtender
    from edged.telemetry.metrics import Registry

NODES = GroupVersionResource("", "v1", "nodes")
OWN_LEASE = "edged-scheduler"


class Scheduling:
    """See the file's docstring. `scheduler` is the one of the present term, None while there is an `error`."""

    def __init__(
        self,
        config: SchedulerConfig,
        node_name: str,
        loader: PluginLoader,
        client: ApiClient,
        informers: Informers,
        log: Logger,
        metrics: Registry,
    ) -> None:
        self.scheduler: Scheduler | None = None
        self.error = ""
        self.elector: LeaderElector | None = None
        self._config = config
        self._node_name = node_name
        self._loader = loader
        self._informers = informers
        self._client = client
        self._log = log
        self._registry = metrics
        self._metrics = Metrics()
        self._pool = LeanPool(client, connections=BINDERS + 3)
        self._recorder = EventRecorder(self._pool, random=random.random, log=log)
        self._settings = SchedulerFile(())
        self._loaded = Loaded()
        self._extenders: list[HttpExtender] = []
        self._acquired: dict[GroupVersionResource, Informer] = {}
        self._annotator: Annotator | None = None

    @property
    def profiles(self) -> tuple[Profile, ...]:
        return self._loaded.profiles

    async def start(self, work: trio.Nursery) -> None:
        """Builds the first scheduler and runs it in `work`; what is wrong with it goes to `error`."""
        try:
            self._settings = self._loader.settings(self._config)
            for path in self._settings.ignored:
                self._log.warning(
                    "setting of the scheduler has no effect", file=self._config.config, setting=path
                )
            self.scheduler = await self._build()
        except EdgedError as error:
            self.error = str(error)
            self._log.error("scheduler not started", error=self.error)
            self._release_informers()
            return
        scheduler_metrics(self._registry, self._metrics, self._gauges)
        election = self._election()
        if election is not None:
            self.elector = self._make_elector(election)
        work.start_soon(self._recorder.run)
        if self._annotator is not None:
            work.start_soon(self._annotator.run)
        work.start_soon(self._run)

    def _gauges(self) -> Any:
        return self.scheduler.answers.gauges() if self.scheduler is not None else {}

    # --- building

    async def _build(self) -> Scheduler:
        """Raises EdgedError."""
        settings = self._settings
        environment = Environment(
            self._acquire(PODS),
            self._acquire(NODES),
            ApiWrites(self._client, self._pool, self._recorder),
            log=self._log,
            leads=lambda: self.elector is None or self.elector.leads(),
            acquire=self._acquire,
        )
        how = SchedulerSettings(
            instance=f"edged-{self._node_name}",
            percentage=settings.percentage,
            times=RetryTimes(settings.initial_backoff_s, settings.max_backoff_s),
        )
        scheduler = Scheduler(environment, how, self._metrics)
        self._extenders = self._make_extenders(settings, scheduler)
        scheduler.ask(self._extenders)
        self._loaded = await self._loader.load(self._config, settings, scheduler.handle)
        scheduler.use(self._loaded.profiles)
        self._respect_budgets(scheduler, self._loaded)
        if self._config.annotate_results:
            scheduler.state.told = self._tell_results().soon
        return scheduler

    def _tell_results(self) -> Annotator:
        """One for all terms: what one has to tell stays true after it."""
        if self._annotator is None:
            from edged.scheduling.run.annotation_writer import Annotator

            self._annotator = Annotator(
                self._acquire(PODS).get,
                partial(annotate_pod, self._client),
                lambda: self.scheduler is not None and self.scheduler.is_busy(),
                self._log,
            )
        return self._annotator

    def _respect_budgets(self, scheduler: Scheduler, loaded: Loaded) -> None:
        """Where nobody preempts nobody needs them."""
        if any(profile.plugin("DefaultPreemption") for profile in loaded.profiles):
            scheduler.preemption.respect(self._acquire(PDBS))

    def _make_extenders(self, settings: SchedulerFile, scheduler: Scheduler) -> list[HttpExtender]:
        if not settings.extenders:
            return []
        from edged.scheduling.run.extender_requests import HttpExtender  # few have any

        try:
            return [HttpExtender(entry, scheduler.handle) for entry in settings.extenders]
        except ConfigError as error:
            raise ConfigError(f"{self._config.config}: {error}") from error

    def _acquire(self, resource: GroupVersionResource, prune: Prune | None = None) -> Informer:
        informer = self._acquired.get(resource)
        if informer is None:
            informer = self._acquired[resource] = self._informers.acquire(resource, prune=prune)
        return informer

    def _release_informers(self) -> None:
        for informer in self._acquired.values():
            self._informers.release(informer)
        self._acquired.clear()

    # --- terms

    def _election(self) -> LeaderElectionSettings | None:
        """The file decides where there is one, as kube-scheduler would."""
        config = self._config
        if config.config:
            return self._settings.election
        return LeaderElectionSettings(name=OWN_LEASE) if config.leader_election else None

    def _make_elector(self, election: LeaderElectionSettings) -> LeaderElector:
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
        if self.elector is None:
            await self._term()
            return
        while True:
            await self.elector.lead(self._term)
            await self._begin_anew()

    async def _term(self) -> None:
        assert self.scheduler is not None
        await self.scheduler.run()

    async def _begin_anew(self) -> None:
        """The term is over: guests of waiting Pods go, and the next term starts from what informers say."""
        self._loaded.close()
        for extender in self._extenders:
            await extender.aclose()
        while True:
            try:
                self.scheduler = await self._build()
                self.error = ""
                return
            except EdgedError as error:
                self.error = str(error)
                self._log.error("scheduler not built again", error=self.error)
                await trio.sleep(30.0)

    # --- reload

    async def reload(self, config: SchedulerConfig, loader: PluginLoader) -> None:
        """Other plugin modules, their settings, and arguments of the profiles; taken whole or not at all.

        Raises EdgedError, and everything stays as it was.
        """
        if self.scheduler is None:
            raise ConfigError(f"the scheduler does not run ({self.error}): restart to try again")
        settings = loader.settings(config)
        fixed = _fixed(self._settings, settings)
        if fixed:
            where = config.config or "[scheduler]"
            raise ConfigError(f"{where}: these take effect only after a restart: {', '.join(fixed)}")
        loaded = await loader.load(config, settings, self.scheduler.handle, self._loaded)
        # From here on nothing waits and nothing fails: the next cycle sees all of it.
        gone = loaded.adopt(self._loaded)
        self._config, self._loader, self._settings, self._loaded = config, loader, settings, loaded
        self._respect_budgets(self.scheduler, loaded)
        self.scheduler.exchange(loaded.profiles)
        for plugin in gone:
            plugin.retire()

    # --- status

    def describe(self) -> dict[str, Any]:
        """For `edged status`."""
        if self.scheduler is None:
            return {"error": self.error} if self.error else {}
        found: dict[str, Any] = {
            "pending": self.scheduler.state.queue.pending(),
            "profiles": [profile.scheduler_name for profile in self.profiles],
        }
        if self.elector is not None:
            found["leader"] = {
                "lease": str(self.elector.name),
                "leads": self.elector.leads(),
                "holder": self.elector.holder,
                "problem": self.elector.problem,
            }
        return found


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
