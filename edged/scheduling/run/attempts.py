"""The scheduling cycle of one Pod: from the queue to a node that all plugins agree with up to Permit.

What a cycle is stands in scheduling/core (pure). Here is what a cycle waits for: objects that plugins need, guests.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import trio

from edged.errors import EdgedError
from edged.process.boundary import boundary
from edged.scheduling.core import binding
from edged.scheduling.core.classes import Classes
from edged.scheduling.core.cycle import CycleError
from edged.scheduling.core.extenders import Extender
from edged.scheduling.core.framework import CycleState, PostFilterResult
from edged.scheduling.core.outcome import Evaluation
from edged.scheduling.core.queued_pod import QueuedPod
from edged.scheduling.core.what_if import post_filter
from edged.scheduling.explain.records import Record
from edged.scheduling.objects.pods import PodInfo
from edged.scheduling.run.attempt import Attempt
from edged.scheduling.run.failed_attempts import BROKEN, REJECTED, FailedAttempts
from edged.scheduling.run.object_feed import ObjectFeed
from edged.scheduling.run.pod_bindings import PodBindings
from edged.scheduling.run.pod_events import PodEvents
from edged.scheduling.run.scheduler_state import Environment, SchedulerState


class PodAttempts:
    """Takes popped Pods through the scheduling cycle, one at a time."""

    def __init__(
        self,
        environment: Environment,
        state: SchedulerState,
        objects: ObjectFeed,
        bindings: PodBindings,
        failures: FailedAttempts,
        events: PodEvents,
    ) -> None:
        self._environment = environment
        self._state = state
        self._objects = objects
        self._bindings = bindings
        self._failures = failures
        self._events = events
        self._classes = Classes(state.algorithm)

    async def attempt(self, queued: QueuedPod, nursery: trio.Nursery) -> None:
        """The cycle of one Pod; its binding goes on in `nursery`, or with a binder."""
        profile, extenders = self._state.profiles[queued.pod.scheduler_name], self._state.algorithm.extenders
        attempt = Attempt(queued, queued.pod, profile, CycleState(), time.perf_counter())
        waited_before_s = _waited_s(extenders)
        try:
            await self._attempt(attempt, nursery)
        finally:
            # Neither what edged computes itself nor the API server counts: no profile is to blame for those.
            seconds = attempt.state.spent.wall_s + _waited_s(extenders) - waited_before_s
            self._state.queue.took(profile.scheduler_name, seconds, trio.current_time())

    async def _attempt(self, attempt: Attempt, nursery: trio.Nursery) -> None:
        pod = attempt.pod
        with boundary(self._environment.log, "attempt", str(pod.key)) as unit:
            if self._is_pointless(pod):
                self._state.queue.done(pod.uid)
                return
            try:
                waits = await self._choose(attempt)
            except EdgedError as error:  # a plugin broke, or the Pod got a node while a guest computed
                if attempt.assumed is None:
                    self._remember(attempt, Evaluation(pod, ()), str(error))
                await self._failures.take_back(attempt, BROKEN, str(error))
                return
            if waits is not None:
                self._bindings.take(attempt, waits, nursery)
        if unit.error is not None:
            if attempt.record is None:
                with boundary(self._environment.log, "attempt", f"{pod.key} (record)"):
                    self._remember(attempt, Evaluation(pod, ()))
            await self._failures.broke(attempt, unit.error)

    def _is_pointless(self, pod: PodInfo) -> bool:
        if pod.terminating:
            note = f"skip schedule deleting pod: {pod.key}"
            self._events.tell(pod, "Warning", "FailedScheduling", "Scheduling", note)
            return True
        return pod.uid in self._state.cache.pods

    async def _choose(self, attempt: Attempt) -> dict[str, float] | None:
        """Everything up to Permit; -> the plugins that wait, None when the Pod was rejected. Raises
        CycleError."""
        state = self._state
        attempt.queued.unschedulable_plugins = attempt.queued.pending_plugins = frozenset()
        state.cache.update_snapshot(state.snapshot)
        if await self._learn(attempt):
            state.cache.update_snapshot(state.snapshot)
        evaluation = await self._classes.schedule(attempt.profile, attempt.state, attempt.pod)
        elapsed_s = time.perf_counter() - attempt.started
        state.metrics.observe("scheduling_algorithm_duration_seconds", elapsed_s)
        self._remember(attempt, evaluation)
        if not evaluation.node_name:
            await self._no_node(attempt, evaluation)
            return None
        return await self._reserve(attempt, evaluation.node_name)

    async def _learn(self, attempt: Attempt) -> bool:
        """Gets the objects that the Pod's cycle needs; whether that took a while. Raises CycleError."""
        pod, profile, ready = attempt.pod, attempt.profile, self._state.objects.ready
        needed = [kind for needs in profile.needs for kind in needs(pod) if kind not in ready]
        wished = [kind for wishes in profile.wishes for kind in wishes(pod) if kind not in ready]
        if not needed and not wished:
            return False
        missing = await self._objects.fetch((*needed, *wished))
        for kind, problem in missing.items():
            if kind in needed:
                raise CycleError(f"the Pod's node depends on {kind} objects, which are not known: {problem}")
        return True

    async def _no_node(self, attempt: Attempt, evaluation: Evaluation) -> None:
        result = PostFilterResult("", True)
        # The Pod may be gone by now, or have a node: then no other Pod is evicted for it.
        preempts = evaluation.names and attempt.profile.calls["post_filter"]
        if preempts and self._environment.still_waits(attempt.pod):
            self._state.metrics.count("preemption_attempts_total")
            result = await post_filter(self._state.algorithm, attempt.profile, attempt.state, evaluation)
            if attempt.record is not None and result.override:
                attempt.record.nominated = result.nominated_node
        queued = attempt.queued
        queued.unschedulable_plugins, queued.pending_plugins = evaluation.rejectors()
        await self._failures.end(attempt)
        self._failures.put_back(attempt, REJECTED, evaluation.message(), result)

    async def _reserve(self, attempt: Attempt, node: str) -> dict[str, float] | None:
        """Assumes the Pod on the node, then Reserve and Permit; as `_choose`."""
        pod, profile, state, nominator = attempt.pod, attempt.profile, attempt.state, self._state.nominator
        attempt.node = node
        attempt.assumed = self._state.cache.assume(pod, node)
        nominated = nominator.node_of(pod.uid)
        nominator.remove(pod.uid)
        if nominated and nominated != node:
            self._state.queue.nomination_ended(pod, trio.current_time())
        waits: dict[str, float] = {}
        rejection = await binding.run_reserve(profile, state, pod, node)
        attempt.note("reserve", rejection)
        if rejection is None and profile.calls["permit"]:
            rejection, waits = await binding.run_permit(profile, state, pod, node)
            attempt.note("permit", rejection, waits)
        if rejection is not None:
            await self._failures.rejected_on_node(attempt, rejection)
            return None
        return waits

    def _remember(self, attempt: Attempt, evaluation: Evaluation, error: str = "") -> None:
        attempts, clock = attempt.queued.attempts, self._environment.clock
        attempt.record = Record.of(evaluation, attempt.profile, attempt.state, attempts, clock(), error)
        self._state.records.add(attempt.record)


def _waited_s(extenders: Sequence[Extender]) -> float:
    return sum(extender.waited_s for extender in extenders)
