"""The way back of a Pod whose attempt failed: its node is free again, and the Pod waits for another try.

Every step runs whether or not the others fail, so that no plugin's fault leaves a Pod assumed or out of the queue.
"""

from __future__ import annotations

import re
from typing import Any

import trio

from edged.errors import EdgedError, cut
from edged.kube import writes as api
from edged.process.boundary import boundary, describe
from edged.scheduling.core import binding
from edged.scheduling.core.framework import PostFilterResult
from edged.scheduling.core.outcome import single_node_message
from edged.scheduling.core.plugin_status import MOST_MESSAGE_BYTES, Status
from edged.scheduling.objects.pods import PodInfo
from edged.scheduling.run.attempt import Attempt
from edged.scheduling.run.pod_events import PodEvents
from edged.scheduling.run.pod_statuses import PodStatuses
from edged.scheduling.run.scheduler_state import Environment, SchedulerState

REJECTED, BROKEN = "Unschedulable", "SchedulerError"
"""Reasons of the condition PodScheduled, in kube-scheduler's words."""
_DIGITS = re.compile(r"\d+")
_MOST_ERROR = 1000
"""Characters of an internal error in a Pod's condition."""


class FailedAttempts:
    """Takes failed attempts back."""

    def __init__(
        self, environment: Environment, state: SchedulerState, statuses: PodStatuses, events: PodEvents
    ) -> None:
        self._environment = environment
        self._state = state
        self._statuses = statuses
        self._events = events
        self._log = environment.log

    async def rejected_on_node(self, attempt: Attempt, status: Status) -> None:
        """A node had been chosen, and a later point turned the Pod down."""
        attempt.queued.unschedulable_plugins = frozenset({status.plugin}) if status.plugin else frozenset()
        await self.take_back(attempt, REJECTED, single_node_message(status))

    async def broke(self, attempt: Attempt, error: Exception) -> None:
        """An internal error ended the attempt; it costs the Pod a back-off."""
        attempt.queued.unschedulable_plugins = attempt.queued.pending_plugins = frozenset()
        await self.take_back(attempt, BROKEN, f"internal error: {describe(error)}"[:_MOST_ERROR])

    async def take_back(self, attempt: Attempt, reason: str, message: str) -> None:
        """The Pod fails, wherever its attempt stands."""
        if attempt.over:
            return
        message = cut(message, MOST_MESSAGE_BYTES)
        binds, assumed = attempt.binds, attempt.assumed
        if attempt.record is not None and reason == BROKEN:
            attempt.record.error = message
        freed = await self._undo(attempt)
        self.put_back(attempt, reason, message, PostFilterResult("", True))
        if freed and binds and assumed is not None:
            # This comes last and does not wake the Pod itself, which would otherwise be tried at once, again and again.
            # Before binding begins, no other Pod can have missed the room.
            self._state.queue.assigned_pod_deleted(assumed, trio.current_time())

    async def _undo(self, attempt: Attempt) -> bool:
        """Unreserve and forget, if it came to that; -> whether a node has room again."""
        assumed, attempt.assumed = attempt.assumed, None
        freed = False
        if assumed is not None:
            with self._step(attempt, "unreserve"):
                await binding.run_unreserve(attempt.profile, attempt.state, attempt.pod, attempt.node)
            freed = self._state.cache.is_assumed(assumed.uid)
            with self._step(attempt, "forget"):
                self._state.cache.forget(assumed)
        if attempt.released is not None:
            attempt.released.set()
        await self.end(attempt)
        return freed

    async def end(self, attempt: Attempt) -> None:
        """Plugins hear that the Pod's cycle is over, once."""
        if not attempt.ended:
            attempt.ended = True
            with self._step(attempt, "end of cycle"):
                await binding.end_cycle(attempt.profile, attempt.state, attempt.pod)

    def put_back(self, attempt: Attempt, reason: str, message: str, nomination: PostFilterResult) -> None:
        """Back to the queue, an event and a condition; not for Pods that are gone, assigned or replaced."""
        attempt.over = True
        message = cut(message, MOST_MESSAGE_BYTES)
        attempt.count(self._state.metrics, "unschedulable" if reason == REJECTED else "error")
        if attempt.record is not None:
            with self._step(attempt, "result"):
                self._state.told(attempt.record)
        present, obj = self._present(attempt)
        if present is None:
            self._state.queue.done(attempt.pod.uid)
            self._state.nominator.remove(attempt.pod.uid)
            return
        self._say(attempt, reason, message)
        attempt.queued.pod = present
        self._state.queue.put_back(attempt.queued, present, trio.current_time())
        if nomination.override:
            self._renominate(present, nomination.nominated_node)
        with self._step(attempt, "condition"):
            self._events.tell(present, "Warning", "FailedScheduling", "Scheduling", message)
            condition = api.pod_condition(
                obj or present.object(), reason=reason, message=message, now=self._environment.now()
            )
            self._write(attempt, present, condition, nomination)

    def _say(self, attempt: Attempt, reason: str, message: str) -> None:
        """To the log, once for each reason. Counts in a reason, such as those of nodes, do not make it another one."""
        said = f"{reason}: {_DIGITS.sub('#', message)}"
        if said == attempt.queued.said:
            return
        attempt.queued.said = said
        name, attempts = attempt.profile.scheduler_name, attempt.queued.attempts
        level = "info" if reason == REJECTED else "warning"
        fields = {"pod": str(attempt.pod.key), "scheduler": name, "attempts": attempts, "reason": message}
        self._log.log(level, "pod not bound", fields)

    def _present(self, attempt: Attempt) -> tuple[PodInfo | None, dict[str, Any] | None]:
        """The Pod as it is now, and its object; None when it needs no node any more. A Pod that cannot be read is
        tried again as it was."""
        pod = attempt.pod
        with self._step(attempt, "present state"):
            obj = self._environment.pods.get(pod.key)
            try:
                present = self._state.pod_parser.parse(obj) if obj is not None else None
            except EdgedError:
                return pod, None  # it was logged when the informer told of it
            gone = present is None or present.uid != pod.uid or present.node_name
            return (None, None) if gone else (present, obj)
        return pod, None

    def _renominate(self, pod: PodInfo, node: str) -> None:
        nominator = self._state.nominator
        before = nominator.node_of(pod.uid)
        nominator.remove(pod.uid)
        if node:
            nominator.add(pod, node)
        if before and before != node:
            self._state.queue.nomination_ended(pod, trio.current_time())

    def _write(
        self, attempt: Attempt, pod: PodInfo, condition: dict[str, object] | None, nomination: PostFilterResult
    ) -> None:
        """Into the Pod's status, soon; nothing where it says the same already."""
        # The informer may not have seen a nomination that was written, or is about to be.
        changed = nomination.override and (
            attempt.nominated
            or nomination.nominated_node != pod.nominated_node
            or self._statuses.nominates(pod.uid)
        )
        if condition is not None or changed:
            self._statuses.put(pod, condition, nomination.nominated_node if changed else None)

    def _step(self, attempt: Attempt, step: str) -> boundary:
        return boundary(self._log, "attempt", f"{attempt.pod.key} ({step})")
