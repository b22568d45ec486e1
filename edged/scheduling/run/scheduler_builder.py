"""Makes a scheduler out of the configuration: its profiles and their guests, extenders, informers, writers."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from edged.errors import ConfigError
from edged.kube.client import ApiClient
from edged.kube.informers import Informer, Informers, Prune
from edged.kube.lean import LeanPool
from edged.kube.values.names import GroupVersionResource
from edged.kube.writes import PDBS, PODS, EventRecorder, annotate_pod
from edged.process.boundary import boundary
from edged.scheduling.config.profile_config import SchedulerFile
from edged.scheduling.config.section import SchedulerConfig
from edged.scheduling.core.counters import Metrics
from edged.scheduling.core.retry_times import RetryTimes
from edged.scheduling.run.plugin_loader import Loaded, PluginLoader
from edged.scheduling.run.scheduler import Scheduler
from edged.scheduling.run.scheduler_state import BINDERS, Environment, SchedulerSettings
from edged.scheduling.run.scheduler_writes import ApiWrites
from edged.telemetry.logs import Logger

if TYPE_CHECKING:
    from edged.scheduling.run.annotation_writer import Annotator
    from edged.scheduling.run.extender_requests import HttpExtender

NODES = GroupVersionResource("", "v1", "nodes")


@dataclass(frozen=True, slots=True)
class Term:
    """A scheduler and what was made for it. With leader election there is one per time of leading."""

    scheduler: Scheduler
    loaded: Loaded
    extenders: tuple[HttpExtender, ...]

    async def close(self, log: Logger) -> None:
        """The scheduler does not run any more: guests of waiting Pods go, and connections to extenders."""
        with boundary(log, "load", "guests of the last term"):
            self.loaded.close()
        for extender in self.extenders:
            with boundary(log, "connection", extender.name):
                await extender.aclose()


class SchedulerBuilder:
    """Builds one scheduler after the other; informers and writers are the same for all of them."""

    def __init__(
        self,
        node_name: str,
        client: ApiClient,
        informers: Informers,
        log: Logger,
        metrics: Metrics,
        leads: Callable[[], bool],
    ) -> None:
        self._node_name = node_name
        self._client = client
        self._informers = informers
        self._log = log
        self._metrics = metrics
        self._leads = leads
        self._pool = LeanPool(client, connections=BINDERS + 3)
        self.recorder = EventRecorder(self._pool, random=random.random, log=log)
        self.annotator: Annotator | None = None
        """Writes results onto Pods, where that is wanted. One for all terms: what one has to tell stays true."""
        self._newest: Scheduler | None = None
        self._acquired: dict[GroupVersionResource, Informer] = {}

    async def build(self, config: SchedulerConfig, settings: SchedulerFile, loader: PluginLoader) -> Term:
        """Raises EdgedError."""
        scheduler = self._bare(settings)
        extenders = self._extenders(config, settings, scheduler)
        scheduler.ask(extenders)
        try:
            loaded = await loader.load(config, settings, scheduler.handle)
        except BaseException:
            await Term(scheduler, Loaded(), extenders).close(self._log)
            raise
        scheduler.use(loaded.profiles)
        self.respect_budgets(scheduler, loaded)
        if config.annotate_results:
            scheduler.state.told = self._made_annotator().soon
        self._newest = scheduler
        return Term(scheduler, loaded, extenders)

    def respect_budgets(self, scheduler: Scheduler, loaded: Loaded) -> None:
        """Where nobody preempts, nobody needs them."""
        if any(profile.plugin("DefaultPreemption") for profile in loaded.profiles):
            scheduler.preemption.respect(self._acquire(PDBS))

    def release(self) -> None:
        """No scheduler needs the informers any more."""
        for informer in self._acquired.values():
            self._informers.release(informer)
        self._acquired.clear()

    def _bare(self, settings: SchedulerFile) -> Scheduler:
        environment = Environment(
            self._acquire(PODS),
            self._acquire(NODES),
            ApiWrites(self._client, self._pool, self.recorder),
            log=self._log,
            leads=self._leads,
            acquire=self._acquire,
        )
        how = SchedulerSettings(
            instance=f"edged-{self._node_name}",
            percentage=settings.percentage,
            times=RetryTimes(settings.initial_backoff_s, settings.max_backoff_s),
        )
        return Scheduler(environment, how, self._metrics)

    def _extenders(
        self, config: SchedulerConfig, settings: SchedulerFile, scheduler: Scheduler
    ) -> tuple[HttpExtender, ...]:
        if not settings.extenders:
            return ()
        from edged.scheduling.run.extender_requests import HttpExtender  # few have any

        try:
            return tuple(HttpExtender(entry, scheduler.handle) for entry in settings.extenders)
        except ConfigError as error:
            raise ConfigError(f"{config.config}: {error}") from error

    def _made_annotator(self) -> Annotator:
        if self.annotator is None:
            from edged.scheduling.run.annotation_writer import Annotator

            patch = partial(annotate_pod, self._client)
            self.annotator = Annotator(self._acquire(PODS).get, patch, self._is_busy, self._log)
        return self.annotator

    def _is_busy(self) -> bool:
        return self._newest is not None and self._newest.is_busy()

    def _acquire(self, resource: GroupVersionResource, prune: Prune | None = None) -> Informer:
        informer = self._acquired.get(resource)
        if informer is None:
            informer = self._acquired[resource] = self._informers.acquire(resource, prune=prune)
        return informer
