"""Schedules Pods: informers feed cache and queue, one cycle at a time chooses a node, workers bind.

    scheduler = Scheduler(pods, nodes, writes)      # also the Handle that plugins are built with
    scheduler.use([profile, ...])                   # built by scheduling/core/profile.py
    await nursery.start(scheduler.run)              # returns when the informers are synced

What a cycle is, and what changes of objects mean, is in edged/scheduling (pure). Here is what waits: for a
Pod, for a guest, for Permit, for the API server. `why` and `metrics` are for the status socket and the
metrics endpoint.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

import trio

from edged.errors import EdgedError, PeerError
from edged.kube import writes as api
from edged.kube.client import ApiClient
from edged.kube.informers import Change, Informer
from edged.kube.lean import LeanPool
from edged.kube.values.names import NamespacedName
from edged.kube.values.quantity import QuantityError
from edged.scheduling.core import binding
from edged.scheduling.core.cache import Cache
from edged.scheduling.core.classes import Classes
from edged.scheduling.core.counters import Metrics
from edged.scheduling.core.cycle import Algorithm, CycleError
from edged.scheduling.core.extenders import Extender, run_extender_bind
from edged.scheduling.core.framework import Action, ClusterEvent, CycleState, PostFilterResult, Status
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.outcome import Evaluation, single_node_message
from edged.scheduling.core.profile import Profile
from edged.scheduling.core.queue import QueuedPod, SchedulingQueue
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.core.tracker import Tracker
from edged.scheduling.core.what_if import post_filter
from edged.scheduling.explain.records import Record, Records
from edged.scheduling.explain.sentences import explain, overview, queue_state
from edged.scheduling.objects.nodes import NodeParser
from edged.scheduling.objects.other_objects import EVENT_RESOURCES, Objects
from edged.scheduling.objects.pods import PodInfo, PodParser
from edged.scheduling.run.evictions import Evictions
from edged.scheduling.run.object_feed import RESOURCES, Acquire, ObjectFeed
from edged.scheduling.run.pod_statuses import PodStatuses
from edged.telemetry.logs import Logger

BINDERS = 8
BINDING_BACKLOG = 64
"""Pods chosen but not yet with a binder; then cycles wait. Bounds what guests hold per Pod."""
STATUS_WRITERS = 2
RELEASE_S = 10.0
LONGEST_BREAK_S = 30.0
"""How long cycles wait for Nodes and Pods to be watched again, both, or one once the other is."""
CURRENT_POLL_S = 0.02
REJECTED, BROKEN = "Unschedulable", "SchedulerError"


class Writes(Protocol):
    """What the scheduler writes. `ApiWrites` does it for real; tests bring their own."""

    async def bind(self, pod: NamespacedName, uid: str, node: str) -> None:
        """Raises PeerError."""

    async def patch_status(
        self, pod: NamespacedName, uid: str, condition: dict[str, Any] | None, nominated_node: str | None
    ) -> None:
        """Raises PeerError."""

    async def delete(self, pod: NamespacedName, uid: str) -> None:
        """Raises PeerError."""

    async def patch(self, kind: str, key: NamespacedName, body: dict[str, Any]) -> dict[str, Any]:
        """Merge-patch an object of a kind in RESOURCES; the new object. Raises PeerError."""

    def record(self, event: dict[str, Any]) -> None:
        """Never waits, never fails."""


class ApiWrites:
    """Writes over lean connections (bindings, events) and the ordinary client (status)."""

    def __init__(self, client: ApiClient, pool: LeanPool, recorder: api.EventRecorder) -> None:
        self._client = client
        self._pool = pool
        self._recorder = recorder

    async def bind(self, pod: NamespacedName, uid: str, node: str) -> None:
        await api.bind(self._pool, pod, uid, node)

    async def patch_status(
        self, pod: NamespacedName, uid: str, condition: dict[str, Any] | None, nominated_node: str | None
    ) -> None:
        await api.patch_pod_status(self._client, pod, uid, condition=condition, nominated_node=nominated_node)

    async def delete(self, pod: NamespacedName, uid: str) -> None:
        await api.delete(self._client, api.PODS, pod.name, pod.namespace, uid=uid)

    async def patch(self, kind: str, key: NamespacedName, body: dict[str, Any]) -> dict[str, Any]:
        return await api.patch(self._client, RESOURCES[kind], key.name, body, key.namespace or None)

    def record(self, event: dict[str, Any]) -> None:
        self._recorder.record(event)


@dataclass(slots=True, eq=False)
class Attempt:
    """One Pod's way from the queue to its binding. `node` is "" until one is chosen; `nominated`: the Pod's
    status names it already."""

    queued: QueuedPod
    pod: PodInfo
    profile: Profile
    state: CycleState
    started: float
    node: str = ""
    assumed: PodInfo | None = None
    nominated: bool = False
    binds: bool = False
    record: Record | None = None


class Scheduler:
    """See the file's docstring. `clock` gives wall time as nanoseconds since 1970, for events and
    conditions."""

    def __init__(
        self,
        pods: Informer,
        nodes: Informer,
        writes: Writes,
        *,
        log: Logger | None = None,
        random: Random | None = None,
        instance: str = "edged",
        clock: Callable[[], int] = time.time_ns,
        binders: int = BINDERS,
        records: int = 128,
        percentage: int | None = None,
        backoff_s: tuple[float, float] = (1.0, 10.0),
        metrics: Metrics | None = None,
        leads: Callable[[], bool] = lambda: True,
        acquire: Acquire | None = None,
    ) -> None:
        self.metrics = metrics or Metrics()
        self.snapshot = Snapshot()
        self.objects = Objects()
        self.cache = Cache()
        self.nominator = Nominator()
        self.records = Records(records)
        self.queue: SchedulingQueue
        self._pods_informer, self._nodes_informer = pods, nodes
        self._writes = writes
        self._log = log or Logger()
        self._instance = instance
        self._clock = clock
        self._binders = binders
        self._backoff_s = backoff_s
        self._profiles: dict[str, Profile] = {}
        random = random or Random()
        self._algorithm = Algorithm(self.snapshot, self.nominator, random.randrange, percentage)
        self.preemption = Evictions(
            pods, writes, self, self.nominator, metrics=self.metrics, random=random.random, log=self._log
        )
        self._feed = ObjectFeed(self.objects, acquire, self._on_object, self._log)
        self._object_changed = trio.Event()
        self._leads = leads
        self._pre_binding: dict[str, trio.CancelScope] = {}
        self.told: Callable[[Record], None] = lambda record: None
        """Called when an attempt is over, with how it went. Must not wait."""
        self._released: dict[str, trio.Event] = {}
        self._classes = Classes(self._algorithm)
        self._pod_parser = PodParser(pods.get)
        self._node_parser = NodeParser(nodes.get)
        self._tracker: Tracker
        self._waiting: dict[str, binding.Waiting] = {}
        self._wake = trio.Event()
        self._broken = ((True, True), 0.0)  # whether Nodes and Pods were current at the last look, and since when
        send, self._to_bind = trio.open_memory_channel[Attempt](BINDING_BACKLOG)
        self._bind_soon = send
        self._statuses = PodStatuses(writes, self._log)

    def use(self, profiles: Iterable[Profile]) -> None:
        """The profiles to run; once, before `run`."""
        self._profiles = {profile.scheduler_name: profile for profile in profiles}
        initial, longest = self._backoff_s
        self.queue = SchedulingQueue(
            self._profiles,
            self.nominator,
            self.metrics,
            initial_backoff_s=initial,
            max_backoff_s=longest,
            extenders=bool(self._algorithm.extenders),
        )
        self.queue.wake = lambda: self._wake.set()
        self._tracker = Tracker(
            self.cache, self.queue, self._pod_parser, self._node_parser, self._profiles, self._pod_deleted
        )

    def ask(self, extenders: Sequence[Extender]) -> None:
        """HTTP extenders to consult; before `use`."""
        self._algorithm.extenders = self.preemption.extenders = extenders

    def exchange(self, profiles: Iterable[Profile]) -> None:
        """Other profiles of the same names from the next cycle on; Pods under way end with the old ones."""
        self._profiles = {profile.scheduler_name: profile for profile in profiles}
        self.queue.use(self._profiles)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled. Cycles begin when both informers have told everything they know."""
        assert self._profiles, "use() comes first"
        handlers = ((self._nodes_informer, self._on_node), (self._pods_informer, self._on_pod))
        try:
            for informer, handler in handlers:
                await informer.wait_synced()
                await informer.add_handler(handler).wait_replayed()
            async with trio.open_nursery() as nursery:
                for _ in range(self._binders):
                    nursery.start_soon(self._bind_worker)
                for _ in range(STATUS_WRITERS):
                    nursery.start_soon(self._statuses.work)
                nursery.start_soon(self._tick)
                nursery.start_soon(self.preemption.run)
                task_status.started()
                await self._cycles(nursery)
        finally:
            for informer, handler in handlers:
                informer.remove_handler(handler)
            self._feed.close()

    # --- what informers say

    def _on_pod(self, change: Change) -> None:
        now = trio.current_time()
        try:
            if change.type == "deleted":
                self._tracker.pod_gone(change.object, now)
            else:
                self._tracker.pod_is(change.object, now)
        except QuantityError as error:
            self._log.warning("pod cannot be read", pod=str(change.key), error=str(error))

    def _on_node(self, change: Change) -> None:
        now = trio.current_time()
        try:
            if change.type == "deleted":
                self._tracker.node_gone(change.object, now)
            else:
                self._tracker.node_is(change.object, now)
        except QuantityError as error:
            self._log.warning("node cannot be read", node=change.key.name, error=str(error))

    def _on_object(self, kind: str, change: str, old: Any, new: Any) -> None:
        self._object_changed.set()
        self._object_changed = trio.Event()
        resource = EVENT_RESOURCES.get(kind)
        if resource is not None:
            action = Action.DELETE if new is None else Action.ADD if old is None else Action.UPDATE
            self.queue.move_all(ClusterEvent(resource, action), old, new, trio.current_time())

    def _pod_deleted(self, uid: str) -> bool:
        waiting = self._waiting.get(uid)
        if waiting is not None:
            waiting.reject("", "removed")
        return waiting is not None

    async def _tick(self) -> None:
        """Ends backoffs, on the second."""
        while True:
            now = trio.current_time()
            await trio.sleep(1.0 - now % 1.0)
            self.queue.flush(trio.current_time())

    # --- cycles

    async def _cycles(self, nursery: trio.Nursery) -> None:
        while True:
            await self._wait_current()
            queued = self.queue.pop(trio.current_time())
            if queued is None:
                await self._wake.wait()
                self._wake = trio.Event()
            else:
                await self._attempt(queued, nursery)
                await trio.lowlevel.checkpoint()

    def _is_current(self) -> bool:
        return self._nodes_informer.current and self._pods_informer.current

    async def _wait_current(self) -> None:
        """After a break Nodes and Pods do not come back at the same moment: Pods of now would be placed on Nodes of
        then. What stays broken is not waited for over and over: a change of it is."""
        while not self._is_current():
            now = trio.current_time()
            seen = (self._nodes_informer.current, self._pods_informer.current)
            if seen != self._broken[0]:
                self._broken = (seen, now)
            elif now - self._broken[1] > LONGEST_BREAK_S:
                return
            await trio.sleep(CURRENT_POLL_S)
        self._broken = ((True, True), 0.0)

    async def _attempt(self, queued: QueuedPod, nursery: trio.Nursery) -> None:
        pod = queued.pod
        profile = self._profiles[pod.scheduler_name]
        if self._is_pointless(pod):
            self.queue.done(pod.uid)
            return
        attempt = Attempt(queued, pod, profile, CycleState(), time.perf_counter())
        try:
            waits = await self._choose(attempt)
        except EdgedError as error:  # a plugin, or a Pod that got a node while a guest was thinking
            if attempt.assumed is None:
                self._remember(attempt, Evaluation(pod, ()), str(error))
            await self._take_back(attempt, BROKEN, str(error))
            return
        if waits is None:
            return
        attempt.binds = True
        if waits:
            nursery.start_soon(self._wait_and_bind, attempt, waits)
        elif self._will_pre_bind(attempt):
            nursery.start_soon(self._bind, attempt)  # it may wait for minutes: not in a worker's place
        else:
            await self._bind_soon.send(attempt)

    def _will_pre_bind(self, attempt: Attempt) -> bool:
        profile = attempt.profile
        if not profile.calls["pre_bind"]:
            return False
        return binding.will_pre_bind(profile, attempt.state, attempt.pod, attempt.node)

    def _is_pointless(self, pod: PodInfo) -> bool:
        if pod.terminating:
            self._record_event(
                pod, "Warning", "FailedScheduling", "Scheduling", f"skip schedule deleting pod: {pod.key}"
            )
            return True
        return pod.uid in self.cache.pods

    async def _choose(self, attempt: Attempt) -> dict[str, float] | None:
        """Everything up to Permit; -> the plugins that wait, None when the Pod was rejected. Raises
        CycleError."""
        attempt.queued.unschedulable_plugins = attempt.queued.pending_plugins = frozenset()
        self.cache.update_snapshot(self.snapshot)
        if await self._learn(attempt):
            self.cache.update_snapshot(self.snapshot)
        evaluation = await self._classes.schedule(attempt.profile, attempt.state, attempt.pod)
        elapsed_s = time.perf_counter() - attempt.started
        self.metrics.observe("scheduling_algorithm_duration_seconds", elapsed_s)
        self._remember(attempt, evaluation)
        if not evaluation.node_name:
            await self._no_node(attempt, evaluation)
            return None
        return await self._reserve(attempt, evaluation.node_name)

    async def _learn(self, attempt: Attempt) -> bool:
        """Gets the objects that the Pod's cycle needs; whether that took a while. Raises CycleError."""
        pod, profile, ready = attempt.pod, attempt.profile, self.objects.ready
        needed = [kind for needs in profile.needs for kind in needs(pod) if kind not in ready]
        wished = [kind for wishes in profile.wishes for kind in wishes(pod) if kind not in ready]
        if not needed and not wished:
            return False
        missing = await self._feed.fetch((*needed, *wished))
        for kind, problem in missing.items():
            if kind in needed:
                raise CycleError(f"the Pod's node depends on {kind} objects, which are not known: {problem}")
        return True

    async def _no_node(self, attempt: Attempt, evaluation: Evaluation) -> None:
        result = PostFilterResult("", True)
        if evaluation.names and attempt.profile.calls["post_filter"] and self._still_waits(attempt.pod):
            self.metrics.count("preemption_attempts_total")
            result = await post_filter(self._algorithm, attempt.profile, attempt.state, evaluation)
            if attempt.record is not None and result.override:
                attempt.record.nominated = result.nominated_node
        queued = attempt.queued
        queued.unschedulable_plugins, queued.pending_plugins = evaluation.rejectors()
        await self._end(attempt)
        await self._failed(attempt, REJECTED, evaluation.message(), result)

    def _still_waits(self, pod: PodInfo) -> bool:
        """Nobody is to make room for a Pod that has gone, or has a node, by now."""
        obj = self._pods_informer.get(pod.key)
        return obj is not None and obj["metadata"].get("uid") == pod.uid and not obj["spec"].get("nodeName")

    async def _reserve(self, attempt: Attempt, node: str) -> dict[str, float] | None:
        pod, profile, state = attempt.pod, attempt.profile, attempt.state
        attempt.node = node
        attempt.assumed = self.cache.assume(pod, node)
        nominated = self.nominator.node_of(pod.uid)
        self.nominator.remove(pod.uid)
        if nominated and nominated != node:
            self.queue.nomination_ended(pod, trio.current_time())
        waits: dict[str, float] = {}
        rejection = await binding.run_reserve(profile, state, pod, node)
        self._note(attempt, "reserve", rejection)
        if rejection is None and profile.calls["permit"]:
            rejection, waits = await binding.run_permit(profile, state, pod, node)
            self._note(attempt, "permit", rejection, waits)
        if rejection is not None:
            await self._rejected_on_node(attempt, rejection)
            return None
        return waits

    # --- binding

    async def _wait_and_bind(self, attempt: Attempt, waits: Mapping[str, float]) -> None:
        """Holds a Pod back until Permit plugins agree, then binds it in this task."""
        decided = trio.Event()
        waiting = binding.Waiting(attempt.pod, waits, trio.current_time(), decided.set)
        self._waiting[attempt.pod.uid] = waiting
        try:
            await self._nominate(attempt)
            while not decided.is_set():
                with trio.move_on_at(waiting.next_deadline()):
                    await decided.wait()
                waiting.expire(trio.current_time())
        finally:
            del self._waiting[attempt.pod.uid]
        waited_s = trio.current_time() - waiting.since
        verdict = waiting.verdict
        result = "success" if verdict is None else "unschedulable"
        self.metrics.observe("permit_wait_duration_seconds", waited_s, result)
        if verdict is None:
            await self._bind(attempt)
        elif verdict.rejected:
            self._note(attempt, "permit", verdict)
            await self._rejected_on_node(attempt, verdict)
        else:
            await self._take_back(attempt, BROKEN, verdict.message)

    async def _bind_worker(self) -> None:
        async for attempt in self._to_bind:
            await self._bind(attempt)

    async def _bind(self, attempt: Attempt) -> None:
        pod = attempt.pod
        self.queue.done(pod.uid)
        try:
            if self._will_pre_bind(attempt):
                await self._nominate(attempt)
                rejection = await self._pre_bind(attempt)
                self._note(attempt, "pre_bind", rejection)
                if rejection is not None:
                    await self._rejected_on_node(attempt, rejection)
                    return
            rejection = await self._bind_somehow(attempt)
            self._note(attempt, "bind", rejection)
        except EdgedError as error:
            await self._take_back(attempt, BROKEN, str(error))
            return
        if rejection is not None:
            await self._rejected_on_node(attempt, rejection)
            return
        await self._bound(attempt)

    async def _bind_somehow(self, attempt: Attempt) -> Status | None:
        """By an extender or a plugin. Raises EdgedError."""
        if not self._leads():
            raise PeerError("this scheduler does not lead any more")
        if await run_extender_bind(self._algorithm.extenders, attempt.pod, attempt.node):
            return None
        return await binding.run_bind(attempt.profile, attempt.state, attempt.pod, attempt.node)

    async def _pre_bind(self, attempt: Attempt) -> Status | None:
        """Until done, or until a more important Pod takes the node. Raises CycleError."""
        pod = attempt.pod
        with trio.CancelScope() as scope:
            self._pre_binding[pod.uid] = scope
            try:
                return await binding.run_pre_bind(attempt.profile, attempt.state, pod, attempt.node)
            finally:
                del self._pre_binding[pod.uid]
        raise CycleError("running PreBind plugins: preempted by DefaultPreemption")

    async def _nominate(self, attempt: Attempt) -> None:
        """Tells others where the Pod goes while Permit or PreBind take their time. Advice: failing costs
        nothing."""
        pod = attempt.pod
        if attempt.nominated or pod.nominated_node == attempt.node:
            return
        attempt.nominated = True
        try:
            await self._writes.patch_status(pod.key, pod.uid, None, attempt.node)
        except PeerError as error:
            self._log.warning("nominated node not written", pod=str(pod.key), error=str(error))

    async def _bound(self, attempt: Attempt) -> None:
        pod, node = attempt.pod, attempt.node
        note = f"Successfully assigned {pod.key} to {node}"
        self._record_event(pod, "Normal", "Scheduled", "Binding", note)
        self._count(attempt, "scheduled")
        queued, metrics = attempt.queued, self.metrics
        metrics.observe("pod_scheduling_attempts", queued.attempts)
        if queued.was_flushed:
            metrics.count("pod_scheduled_after_flush_total")
        if queued.initial_timestamp is not None:
            since_s = trio.current_time() - queued.initial_timestamp
            attempts = str(queued.attempts) if queued.attempts < 15 else "15+"
            metrics.observe("pod_scheduling_sli_duration_seconds", since_s, attempts)
        await binding.run_post_bind(attempt.profile, attempt.state, pod, node)
        await self._end(attempt)
        if attempt.record is not None:
            self.told(attempt.record)

    # --- failure

    async def _rejected_on_node(self, attempt: Attempt, status: Status) -> None:
        """A node had been chosen, and a later point turned the Pod down."""
        plugins = frozenset({status.plugin}) if status.plugin else frozenset()
        attempt.queued.unschedulable_plugins = plugins
        await self._take_back(attempt, REJECTED, single_node_message(status))

    async def _take_back(self, attempt: Attempt, reason: str, message: str) -> None:
        """The Pod fails after a node was chosen."""
        binds, assumed = attempt.binds, attempt.assumed
        if attempt.record is not None and reason == BROKEN:
            attempt.record.error = message
        freed = await self._undo(attempt)
        await self._failed(attempt, reason, message, PostFilterResult("", True))
        if freed and binds and assumed is not None:
            # Last, and not for the Pod itself: it would be tried again at once, for ever. Before binding
            # begins no other Pod can have missed the room.
            self.queue.assigned_pod_deleted(assumed, trio.current_time())

    async def _undo(self, attempt: Attempt) -> bool:
        """Unreserve and forget, if it came to that; -> whether a node has room again."""
        assumed, attempt.assumed = attempt.assumed, None
        freed = False
        if assumed is not None:
            await binding.run_unreserve(attempt.profile, attempt.state, attempt.pod, attempt.node)
            freed = self.cache.is_assumed(assumed.uid)
            self.cache.forget(assumed)
        released = self._released.pop(attempt.pod.uid, None)
        if released is not None:
            released.set()
        await self._end(attempt)
        return freed

    async def _end(self, attempt: Attempt) -> None:
        await binding.end_cycle(attempt.profile, attempt.state, attempt.pod)

    async def _failed(
        self, attempt: Attempt, reason: str, message: str, nomination: PostFilterResult
    ) -> None:
        """Back to the queue, an event and a condition; not for Pods that are gone, assigned or replaced."""
        self._count(attempt, "unschedulable" if reason == REJECTED else "error")
        if attempt.record is not None:
            self.told(attempt.record)
        pod = attempt.pod
        obj = self._pods_informer.get(pod.key)
        present = self._parse(obj)
        if obj is None or present is None or present.uid != pod.uid or present.node_name:
            self.queue.done(pod.uid)
            self.nominator.remove(pod.uid)
            return
        now = trio.current_time()
        attempt.queued.pod = present
        self.queue.put_back(attempt.queued, present, now)
        if nomination.override:
            self._renominate(present, nomination.nominated_node)
        self._record_event(present, "Warning", "FailedScheduling", "Scheduling", message)
        condition = api.pod_condition(obj, reason=reason, message=message, now=_wall(self._clock()))
        # The informer may not have seen a nomination that was written, or is about to be.
        changed = nomination.override and (
            attempt.nominated
            or nomination.nominated_node != present.nominated_node
            or self._statuses.nominates(present.uid)
        )
        if condition is not None or changed:
            self._statuses.put(present, condition, nomination.nominated_node if changed else None)

    def _parse(self, obj: dict[str, Any] | None) -> PodInfo | None:
        try:
            return self._pod_parser.parse(obj) if obj is not None else None
        except QuantityError:
            return None  # said when the informer told of it

    def _renominate(self, pod: PodInfo, node: str) -> None:
        before = self.nominator.node_of(pod.uid)
        self.nominator.remove(pod.uid)
        if node:
            self.nominator.add(pod, node)
        if before and before != node:
            self.queue.nomination_ended(pod, trio.current_time())

    # --- the Handle

    async def bind(self, pod: PodInfo, node_name: str) -> None:
        """Raises PeerError."""
        await self._writes.bind(pod.key, pod.uid, node_name)

    async def patch(self, kind: str, key: NamespacedName, body: dict[str, Any]) -> dict[str, Any]:
        """Raises PeerError."""
        return await self._writes.patch(kind, key, body)

    async def settle(self, pod: PodInfo, done: Callable[[], bool], timeout_s: float) -> bool:
        """Raises CycleError, and what `done` raises."""
        with trio.move_on_after(timeout_s):
            while True:
                changed = self._object_changed
                if not self._still_waits(pod):
                    raise CycleError(f'pod does not exist any more: pod "{pod.key.name}" not found')
                if done():
                    return True
                with trio.move_on_after(1.0):  # nodes and the Pod itself change without a word here
                    await changed.wait()
        return False

    def waiting_pod(self, uid: str) -> binding.Waiting | None:
        return self._waiting.get(uid)

    # --- what evictions need

    async def turn_down(self, uid: str, plugin: str, message: str) -> bool:
        """Takes a Pod back that waits in Permit or PreBind, until its room is free; False when it does not."""
        waiting, scope = self._waiting.get(uid), self._pre_binding.get(uid)
        if waiting is not None:
            if not waiting.preempt(plugin, message):
                return False
        elif scope is not None:
            scope.cancel()
        else:
            return False
        released = self._released.setdefault(uid, trio.Event())
        with trio.move_on_after(RELEASE_S):
            await released.wait()
        return True

    def activate(self, uid: str) -> None:
        self.queue.activate([uid], trio.current_time())

    def counts(self, uid: str) -> bool:
        return uid in self.cache.pods

    def clear_nomination(self, pod: PodInfo) -> None:
        self._statuses.put(pod, None, "")

    def let_go(self, uid: str) -> None:
        self.queue.let_go(uid, trio.current_time())

    def condition_time(self) -> str:
        return _wall(self._clock()).strftime("%Y-%m-%dT%H:%M:%SZ")

    def tell_preempted(self, victim: PodInfo, preemptor: PodInfo, note: str) -> None:
        self.record_event(
            victim.reference(), type="Normal", reason="Preempted", action="Preempting", note=note,
            related=preemptor.reference(), controller=preemptor.scheduler_name,
        )  # fmt: skip

    def record_event(
        self,
        regarding: dict[str, Any],
        *,
        type: str,
        reason: str,
        action: str,
        note: str,
        related: dict[str, Any] | None = None,
        controller: str = "",
    ) -> None:
        """What a plugin wants told. Types other than Normal and Warning are refused by the API server:
        dropped."""
        if type not in ("Normal", "Warning") or not regarding.get("name"):
            return
        told = {"metadata": {"name": regarding["name"], "namespace": regarding.get("namespace") or "default"}}
        event = api.pod_event(
            told,
            type="Normal" if type == "Normal" else "Warning",
            reason=reason,
            action=action,
            note=note,
            controller=controller or next(iter(self._profiles)),
            instance=self._instance,
            now_ns=self._clock(),
        )
        event["regarding"] = {key: value for key, value in regarding.items() if value}
        if related is not None and any(related.values()):
            event["related"] = {key: value for key, value in related.items() if value}
        self._writes.record(event)

    def _record_event(self, pod: PodInfo, type: str, reason: str, action: str, note: str) -> None:
        self.record_event(
            pod.reference(), type=type, reason=reason, action=action, note=note, controller=pod.scheduler_name
        )

    # --- being asked

    def why(self, pod: NamespacedName) -> dict[str, Any] | None:
        """What the last attempt at a Pod found and what it waits for (scheduling/explain/sentences.py); None: nothing
        is known of such a Pod."""
        record, obj = self.records.get(pod), self._pods_informer.get(pod)
        if record is None and obj is None:
            return None
        state = self._state_of(record, obj)
        return explain(record, state, self.records.earlier(pod), str(pod))

    def remembered(self) -> list[dict[str, Any]]:
        """One line per Pod that `why` remembers an attempt at, the most recent first."""
        return overview(self.records.latest())

    def _state_of(self, record: Record | None, obj: dict[str, Any] | None) -> dict[str, Any]:
        if obj is None:
            return {"place": "gone", "text": "the Pod does not exist any more"}
        uid = obj["metadata"].get("uid", "")
        if record is not None and record.evaluation.pod.uid != uid:
            return {"place": "replaced", "text": "another Pod has this name now; this is the attempt at the one before"}
        waiting = self._waiting.get(uid)
        if waiting is not None:
            left = waiting.left(trio.current_time())
            return {"place": "permit", "text": "has a node; Permit plugins hold it back", "waits_for": left}
        node, scheduler = obj["spec"].get("nodeName", ""), obj["spec"].get("schedulerName", "default-scheduler")
        if node:
            return {"place": "bound", "text": f"runs on {node}", "node": node}
        queued = self.queue.get(uid)
        if queued is not None:
            events = self._profiles[queued.pod.scheduler_name].events()
            return queue_state(self.queue, queued, trio.current_time(), events)
        if uid in self.cache.pods:
            return {"place": "binding", "text": f"being bound to {self.cache.pods[uid].node_name}"}
        if scheduler not in self._profiles:
            ours = ", ".join(self._profiles)
            return {"place": "foreign", "text": f"it is for scheduler {scheduler!r}; this one has the names {ours}"}
        return {"place": "done", "text": "not in the queue: it has ended, or is being deleted"}

    def _remember(self, attempt: Attempt, evaluation: Evaluation, error: str = "") -> None:
        attempt.record = Record.of(
            evaluation, attempt.profile, attempt.state, attempt.queued.attempts, self._clock(), error
        )
        self.records.add(attempt.record)

    def _note(
        self, attempt: Attempt, point: str, rejection: Status | None, waits: Mapping[str, float] | None = None
    ) -> None:
        if attempt.record is not None:
            attempt.record.at(point, rejection)
            attempt.record.waits = waits or attempt.record.waits

    def is_busy(self) -> bool:
        """Some Pod waits for its turn."""
        return self.queue.pending()["active"] > 0

    def gauges(self) -> dict[str, dict[tuple[str, ...], int]]:
        """Metrics that are states: name -> labels -> value."""
        pending: dict[tuple[str, ...], int] = {
            (queue,): count for queue, count in self.queue.pending().items()
        }
        sizes: dict[tuple[str, ...], int] = {
            ("assumed_pods",): len(self.cache.assumed),
            ("nodes",): len(self.snapshot.nodes),
            ("pods",): len(self.cache.pods),
        }
        return {"pending_pods": pending, "cache_size": sizes, "unschedulable_pods": self.queue.rejected_by()}

    def _count(self, attempt: Attempt, result: str) -> None:
        profile = attempt.profile.scheduler_name
        self.metrics.count("schedule_attempts_total", result, profile)
        elapsed_s = time.perf_counter() - attempt.started
        self.metrics.observe("scheduling_attempt_duration_seconds", elapsed_s, result, profile)


def _wall(now_ns: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(now_ns / 1e9, datetime.UTC)
