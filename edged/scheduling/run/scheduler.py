"""Schedules Pods: informers feed cache and queue, one cycle at a time chooses a node, binders bind.

    scheduler = Scheduler(Environment(pods, nodes, writes), SchedulerSettings())
    scheduler.use([profile, ...])                   # built by scheduling/core/profile.py with `scheduler.handle`
    await nursery.start(scheduler.run)              # returns when the informers are synced

What a cycle is, and what changes of objects mean, is in scheduling/core (pure). The other files of this folder are the
parts that wait: cluster_feed.py for informers, attempts.py for guests, pod_bindings.py for Permit and the API
server.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import trio

from edged.kube.values.names import NamespacedName
from edged.process.boundary import boundary
from edged.scheduling.core.counters import Metrics
from edged.scheduling.core.extenders import Extender
from edged.scheduling.core.profile import Profile
from edged.scheduling.run.attempts import PodAttempts
from edged.scheduling.run.cluster_feed import ClusterFeed
from edged.scheduling.run.evictions import Evictions
from edged.scheduling.run.failed_attempts import FailedAttempts
from edged.scheduling.run.plugin_handle import PluginHandle
from edged.scheduling.run.pod_bindings import PodBindings
from edged.scheduling.run.pod_events import PodEvents
from edged.scheduling.run.pod_statuses import PodStatuses
from edged.scheduling.run.scheduler_answers import Answers
from edged.scheduling.run.scheduler_state import Environment, SchedulerSettings, SchedulerState
from edged.scheduling.run.watch_breaks import WatchBreaks

STATUS_WRITERS = 2
PAUSE_AFTER_ERROR_S = 1.0


class Scheduler:
    """Joins the parts of one scheduler, and runs its loops."""

    def __init__(
        self, environment: Environment, settings: SchedulerSettings | None = None, metrics: Metrics | None = None
    ) -> None:
        state = SchedulerState(environment, settings or SchedulerSettings(), metrics or Metrics())
        events = PodEvents(environment, state)
        statuses = PodStatuses(environment.writes, environment.log)
        failures = FailedAttempts(environment, state, statuses, events)
        bindings = PodBindings(environment, state, failures, events)
        feed = ClusterFeed(environment, state, bindings.pod_deleted)
        self.state = state
        self.preemption = Evictions(environment, state, bindings.turn_down, statuses, events)
        self.handle = PluginHandle(environment, state, feed, bindings, self.preemption, events)
        self.answers = Answers(environment, state, bindings)
        self._attempts = PodAttempts(environment, state, feed.objects, bindings, failures, events)
        self._bindings = bindings
        self._feed = feed
        self._statuses = statuses
        self._watched = {"Nodes": environment.nodes, "Pods": environment.pods}
        self._breaks = WatchBreaks(environment.nodes, environment.pods)
        self._log = environment.log
        self._wake = trio.Event()

    @property
    def is_synced(self) -> bool:
        """Whether all Nodes and Pods were read once."""
        return all(informer.synced for informer in self._watched.values())

    @property
    def problem(self) -> str:
        """Why Nodes or Pods cannot be watched at the moment, "" when they can."""
        problems = (f"{kind}: {informer.problem}" for kind, informer in self._watched.items() if informer.problem)
        return next(problems, "")

    def ask(self, extenders: Sequence[Extender]) -> None:
        """HTTP extenders to consult; before `use`."""
        self.state.algorithm.extenders = extenders

    def use(self, profiles: Iterable[Profile]) -> None:
        """The profiles to run; once, before `run`."""
        self.state.use({profile.scheduler_name: profile for profile in profiles})
        self.state.queue.wake = lambda: self._wake.set()

    def exchange(self, profiles: Iterable[Profile]) -> None:
        """Other profiles of the same names from the next cycle on; Pods under way end with the old ones."""
        self.state.exchange({profile.scheduler_name: profile for profile in profiles})

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled. Cycles begin when both informers have told everything they know."""
        if not self.state.profiles:
            raise RuntimeError("use() comes first")
        try:
            await self._feed.start()
            async with trio.open_nursery() as nursery:
                self._bindings.start(nursery)
                for _ in range(STATUS_WRITERS):
                    nursery.start_soon(self._statuses.work)
                nursery.start_soon(self._tick)
                nursery.start_soon(self.preemption.run)
                task_status.started()
                self._log.info("scheduling", profiles=", ".join(self.state.profiles))
                await self._cycles(nursery)
        finally:
            self._feed.close()

    async def _cycles(self, nursery: trio.Nursery) -> None:
        while True:
            with boundary(self._log, "loop", "scheduling cycles") as unit:
                await self._breaks.wait()
                queued = self.state.queue.pop(trio.current_time(), self._bindings.full)
                if queued is None:
                    await self._wake.wait()
                    self._wake = trio.Event()
                else:
                    await self._attempts.attempt(queued, nursery)
                    await trio.lowlevel.checkpoint()
            if unit.error is not None:
                await trio.sleep(PAUSE_AFTER_ERROR_S)

    async def _tick(self) -> None:
        """Ends backoffs, on the second."""
        while True:
            now = trio.current_time()
            await trio.sleep(1.0 - now % 1.0)
            with boundary(self._log, "loop", "backoffs"):
                self.state.queue.flush(trio.current_time())

    # --- being asked

    def is_busy(self) -> bool:
        """Some Pod waits for its turn."""
        return self.state.queue.pending()["active"] > 0

    def why(self, pod: NamespacedName) -> dict[str, Any] | None:
        """See Answers."""
        return self.answers.why(pod)

    def remembered(self) -> list[dict[str, Any]]:
        """See Answers."""
        return self.answers.remembered()
