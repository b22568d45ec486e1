"""The binding cycle of one Pod: the wait for Permit, PreBind, the Binding itself, PostBind.

Most Pods are bound by one of a few binder tasks, which each profile has of its own: a plugin that takes its time there
holds up no other profile. Pods that wait in Permit, or for PreBind, have a task of their own.
"""

from __future__ import annotations

from collections.abc import Mapping

import trio

from edged.errors import EdgedError, PeerError
from edged.process.boundary import boundary
from edged.scheduling.core import binding
from edged.scheduling.core.binding import Waiting
from edged.scheduling.core.cycle import CycleError
from edged.scheduling.core.extenders import run_extender_bind
from edged.scheduling.core.plugin_status import Status
from edged.scheduling.objects.pods import PodInfo
from edged.scheduling.run.attempt import Attempt
from edged.scheduling.run.failed_attempts import BROKEN, FailedAttempts
from edged.scheduling.run.pod_events import PodEvents
from edged.scheduling.run.scheduler_state import Environment, SchedulerState

BINDING_BACKLOG = 64
"""Pods of a profile chosen but not yet with a binder; then its cycles wait. Bounds what guests hold per Pod."""
RELEASE_S = 10.0
"""How long an eviction waits until a Pod that it turned down has left its node."""
SHOWN_S = 10.0
"""How long a Pod may take to show its node, once an extender says that it has bound it."""
SHOWN_POLL_S = 0.02


class PodBindings:
    """Binds the Pods for which a node was chosen, and knows those that wait in Permit or PreBind."""

    def __init__(
        self, environment: Environment, state: SchedulerState, failures: FailedAttempts, events: PodEvents
    ) -> None:
        self._environment = environment
        self._log = environment.log
        self._state = state
        self._failures = failures
        self._events = events
        self._permitting: dict[str, tuple[Attempt, Waiting]] = {}  # by uid
        self._pre_binding: dict[str, tuple[Attempt, trio.CancelScope]] = {}
        self._to_binders: dict[str, trio.MemorySendChannel[Attempt]] = {}  # by profile
        self.full: set[str] = set()
        """The profiles that have as many chosen Pods as may wait for a binder."""

    def start(self, nursery: trio.Nursery) -> None:
        """The binders of all profiles, until cancelled."""
        for profile in self._state.profiles:
            self._to_binders[profile], backlog = trio.open_memory_channel[Attempt](BINDING_BACKLOG)
            for _ in range(self._state.settings.binders):
                nursery.start_soon(self._binder, profile, backlog)

    def take(self, attempt: Attempt, waits: Mapping[str, float], nursery: trio.Nursery) -> None:
        """From now on the Pod's attempt is in the hands of a task of its own, or of a binder. `waits`: what Permit
        plugins asked for."""
        own_task = not waits and self._will_pre_bind(attempt)  # it may wait for minutes, and a binder must not
        attempt.binds = True
        if waits:
            nursery.start_soon(self._wait_and_bind, attempt, waits)
        elif own_task:
            nursery.start_soon(self._bind, attempt)
        else:
            self._hand_over(attempt)

    def _hand_over(self, attempt: Attempt) -> None:
        """Never waits: no Pod of a profile in `full` is tried."""
        profile = attempt.profile.scheduler_name
        channel = self._to_binders[profile]
        channel.send_nowait(attempt)
        if channel.statistics().current_buffer_used >= BINDING_BACKLOG:
            self.full.add(profile)

    async def _binder(self, profile: str, backlog: trio.MemoryReceiveChannel[Attempt]) -> None:
        async for attempt in backlog:
            if profile in self.full:
                self.full.discard(profile)
                self._state.queue.wake()
            await self._bind(attempt)

    # --- Permit

    def waiting_pod(self, uid: str) -> Waiting | None:
        entry = self._permitting.get(uid)
        return None if entry is None else entry[1]

    def pod_deleted(self, uid: str) -> bool:
        """Whether the Pod waited in Permit; it is taken back then."""
        waiting = self.waiting_pod(uid)
        if waiting is not None:
            waiting.reject("", "removed")
        return waiting is not None

    async def _wait_and_bind(self, attempt: Attempt, waits: Mapping[str, float]) -> None:
        """Holds a Pod back until Permit plugins agree, then binds it in this task."""
        with boundary(self._log, "binding", f"{attempt.pod.key} (permit)") as unit:
            verdict = await self._wait(attempt, waits)
            if verdict is None:
                await self._bind(attempt)
            elif verdict.rejected:
                attempt.note("permit", verdict)
                await self._failures.rejected_on_node(attempt, verdict)
            else:
                await self._failures.take_back(attempt, BROKEN, verdict.message)
        if unit.error is not None:
            await self._failures.broke(attempt, unit.error)

    async def _wait(self, attempt: Attempt, waits: Mapping[str, float]) -> Status | None:
        """Who turned the Pod down; None: all agree."""
        decided = trio.Event()
        waiting = Waiting(attempt.pod, waits, trio.current_time(), decided.set)
        self._permitting[attempt.pod.uid] = attempt, waiting
        try:
            await self._nominate(attempt)
            while not decided.is_set():
                with trio.move_on_at(waiting.next_deadline()):
                    await decided.wait()
                waiting.expire(trio.current_time())
        finally:
            del self._permitting[attempt.pod.uid]
        waited_s = trio.current_time() - waiting.since
        result = "success" if waiting.verdict is None else "unschedulable"
        self._state.metrics.observe("permit_wait_duration_seconds", waited_s, result)
        return waiting.verdict

    async def turn_down(self, uid: str, plugin: str, message: str) -> bool:
        """Takes a Pod back that waits in Permit or PreBind, until its room is free; False when it does not."""
        permitting, pre_binding = self._permitting.get(uid), self._pre_binding.get(uid)
        if permitting is not None:
            attempt, waiting = permitting
            if not waiting.preempt(plugin, message):
                return False
        elif pre_binding is not None:
            attempt, scope = pre_binding
            scope.cancel()
        else:
            return False
        released = attempt.released = attempt.released or trio.Event()
        with trio.move_on_after(RELEASE_S):
            await released.wait()
        return True

    # --- binding

    async def _bind(self, attempt: Attempt) -> None:
        self._state.queue.done(attempt.pod.uid)
        with boundary(self._log, "binding", str(attempt.pod.key)) as unit:
            try:
                rejection = await self._pre_bind_and_bind(attempt)
            except EdgedError as error:
                await self._failures.take_back(attempt, BROKEN, str(error))
                return
            if rejection is not None:
                await self._failures.rejected_on_node(attempt, rejection)
                return
        if unit.error is not None:
            await self._failures.broke(attempt, unit.error)
            return
        await self._bound(attempt)

    async def _pre_bind_and_bind(self, attempt: Attempt) -> Status | None:
        """Who turned the Pod down; None: it is bound. Raises EdgedError."""
        if self._will_pre_bind(attempt):
            await self._nominate(attempt)
            rejection = await self._pre_bind(attempt)
            attempt.note("pre_bind", rejection)
            if rejection is not None:
                return rejection
        rejection = await self._bind_by_extender_or_plugin(attempt)
        attempt.note("bind", rejection)
        return rejection

    def _will_pre_bind(self, attempt: Attempt) -> bool:
        profile = attempt.profile
        if not profile.calls["pre_bind"]:
            return False
        return binding.will_pre_bind(profile, attempt.state, attempt.pod, attempt.node)

    async def _pre_bind(self, attempt: Attempt) -> Status | None:
        """Until done, or until a more important Pod takes the node. Raises CycleError."""
        pod = attempt.pod
        with trio.CancelScope() as scope:
            self._pre_binding[pod.uid] = attempt, scope
            try:
                return await binding.run_pre_bind(attempt.profile, attempt.state, pod, attempt.node)
            finally:
                del self._pre_binding[pod.uid]
        raise CycleError("running PreBind plugins: preempted by DefaultPreemption")

    async def _bind_by_extender_or_plugin(self, attempt: Attempt) -> Status | None:
        """Raises EdgedError."""
        if not self._environment.leads():
            raise PeerError("this scheduler does not lead any more")
        if self._state.cache.labels_of(attempt.node) is None:  # the API server would bind to it all the same
            raise PeerError(f'node "{attempt.node}" is gone')
        if await self._bind_by_extender(attempt):
            return None
        return await binding.run_bind(attempt.profile, attempt.state, attempt.pod, attempt.node)

    async def _bind_by_extender(self, attempt: Attempt) -> bool:
        """Whether one did. What it says is not enough, either way: the Pod has to show the node. Raises EdgedError."""
        pod = attempt.pod
        try:
            if not await run_extender_bind(self._state.algorithm.extenders, pod, attempt.node):
                return False
        except EdgedError as error:
            if self._environment.node_of(pod) != attempt.node:
                raise
            self._log.warning("an extender has bound a pod, and says otherwise", pod=str(pod.key), error=str(error))
            return True
        with trio.move_on_after(SHOWN_S):
            while self._environment.still_waits(pod):
                await trio.sleep(SHOWN_POLL_S)
            self._check_shown(pod, attempt.node)
            return True
        raise PeerError(f"an extender says that it has bound the Pod, which has had no node for {SHOWN_S:.0f} s since")

    def _check_shown(self, pod: PodInfo, node: str) -> None:
        """Raises PeerError unless the Pod is on this node: its plugins have reserved there, and nowhere else."""
        shown = self._environment.node_of(pod)
        if shown is None:
            raise PeerError(f'pod "{pod.key.name}" is gone')
        if shown != node:
            self._log.warning("an extender has bound a pod elsewhere", pod=str(pod.key), node=shown, chosen=node)
            raise PeerError(f'an extender has bound the Pod to node "{shown}", not to "{node}"')

    async def _nominate(self, attempt: Attempt) -> None:
        """Tells others where the Pod goes while Permit or PreBind take their time. Advice: failing costs
        nothing."""
        pod = attempt.pod
        if attempt.nominated or pod.nominated_node == attempt.node:
            return
        attempt.nominated = True
        with boundary(self._log, "write", f"nomination of {pod.key}"):
            try:
                await self._environment.writes.patch_status(pod.key, pod.uid, None, attempt.node)
            except PeerError as error:
                self._log.warning("nominated node not written", pod=str(pod.key), error=str(error))

    async def _bound(self, attempt: Attempt) -> None:
        """The Pod has its node, whatever goes wrong from here on."""
        attempt.over = True
        pod, node = attempt.pod, attempt.node
        with boundary(self._log, "binding", f"{pod.key} (after)"):
            self._events.tell(pod, "Normal", "Scheduled", "Binding", f"Successfully assigned {pod.key} to {node}")
            self._log.info(
                "pod bound", pod=str(pod.key), node=node, scheduler=attempt.profile.scheduler_name,
                attempts=attempt.queued.attempts,
            )  # fmt: skip
            self._observe(attempt)
            await binding.run_post_bind(attempt.profile, attempt.state, pod, node)
        await self._failures.end(attempt)
        if attempt.record is not None:
            with boundary(self._log, "binding", f"{pod.key} (result)"):
                self._state.told(attempt.record)

    def _observe(self, attempt: Attempt) -> None:
        queued, metrics = attempt.queued, self._state.metrics
        attempt.count(metrics, "scheduled")
        metrics.observe("pod_scheduling_attempts", queued.attempts)
        if queued.was_flushed:
            metrics.count("pod_scheduled_after_flush_total")
        if queued.initial_timestamp is not None:
            since_s = trio.current_time() - queued.initial_timestamp
            attempts = str(queued.attempts) if queued.attempts < 15 else "15+"
            metrics.observe("pod_scheduling_sli_duration_seconds", since_s, attempts)
