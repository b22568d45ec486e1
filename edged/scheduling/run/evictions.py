"""Evicts the victims of preemptions in the background, and knows whose are still under way.

The scheduler's side of framework.Preemption: DefaultPreemption decides (scheduling/plugins), this acts. A
victim gets the condition DisruptionTarget and is deleted; one that only waits in Permit or PreBind is turned
down in memory. The last victim goes after all others, so that the Pod which needs the room can tell from that
one alone whether it is worth another try. Made by scheduling/run/scheduler.py.

A preemption whose evictions fail for whatever reason ends: its Pod is held back for a moment, then tried again.
The condition and the event are kube-scheduler's own words.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import trio

from edged.errors import EdgedError, PeerError
from edged.kube.client import ApiError, NoAnswer
from edged.kube.control.backoff import Backoff
from edged.kube.informers import Informer
from edged.process.boundary import boundary
from edged.scheduling.core.extenders import run_extender_preemption
from edged.scheduling.core.preemption import Candidate, DisruptionBudget, parse_budget
from edged.scheduling.objects.pods import PodInfo
from edged.scheduling.run.pod_events import PodEvents
from edged.scheduling.run.pod_statuses import PodStatuses
from edged.scheduling.run.scheduler_state import Environment, SchedulerState

DELETERS = 16
TRIES = 4
PAUSE_S = 5.0
"""Before a Pod whose victims could not be evicted is tried again."""
LONG_PAUSE_S = 60.0
"""The same, after it failed again and again in the same way."""
GONE = (404, 410)
PASSING = (409, 429, 500, 503)
REPLACED = (409, 422)  # another Pod has this name now: the victim is gone


TurnDown = Callable[[str, str, str], Awaitable[bool]]
"""(uid, plugin, message): take a Pod back that waits in Permit or PreBind, its room included; False: it does not."""


class Evictions:
    """framework.Preemption. `respect` says where PodDisruptionBudgets are; without it there are none."""

    def __init__(
        self,
        environment: Environment,
        state: SchedulerState,
        turn_down: TurnDown,
        statuses: PodStatuses,
        events: PodEvents,
    ) -> None:
        self._environment = environment
        self._pods = environment.pods
        self._writes = environment.writes
        self._log = environment.log
        self._state = state
        self._turn_down = turn_down
        self._statuses = statuses
        self._events = events
        self._budgets_informer: Informer | None = None
        self._running: dict[str, PodInfo | None] = {}  # preemptor -> last victim, once that is being evicted
        self._parsed: tuple[int, tuple[DisruptionBudget, ...]] = (-1, ())
        self._send, self._receive = trio.open_memory_channel[tuple[PodInfo, Candidate, list[PodInfo]]](float("inf"))

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            async for work in self._receive:
                nursery.start_soon(self._evict, *work)

    def respect(self, budgets: Informer) -> None:
        """From now on nothing is preempted before these are known."""
        self._budgets_informer = budgets

    # --- what DefaultPreemption asks

    def problem(self) -> str:
        """Budgets that are not known yet might be violated."""
        if self._budgets_informer is not None and not self._budgets_informer.synced:
            return "PodDisruptionBudgets are not known yet."
        return ""

    def running(self, uid: str) -> bool:
        """False as soon as the last victim is seen to go, whatever the requests are still at."""
        if uid not in self._running:
            return False
        last = self._running[uid]
        if last is None:
            return True
        obj = self._pods.get(last.key)
        return not (obj is None or obj["metadata"].get("deletionTimestamp") or obj["metadata"].get("uid") != last.uid)

    def budgets(self) -> Sequence[DisruptionBudget]:
        informer = self._budgets_informer
        if informer is None:
            return ()
        if self._parsed[0] != informer.generation:
            self._parsed = (informer.generation, tuple(self._readable(informer)))
        return self._parsed[1]

    def _readable(self, informer: Informer) -> Iterator[DisruptionBudget]:
        """A budget that cannot be read protects nothing, and no Pod waits for it."""
        for obj in informer.items():
            try:
                yield parse_budget(obj)
            except EdgedError as error:
                self._log.warning("object cannot be read", kind="PodDisruptionBudget", error=str(error))

    async def ask_extenders(self, pod: PodInfo, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        return await run_extender_preemption(self._state.algorithm.extenders, pod, candidates)

    async def pause(self) -> None:
        await trio.lowlevel.checkpoint()

    def start(self, pod: PodInfo, candidate: Candidate) -> None:
        """Victims that are on their way out already are left to it."""
        self._state.metrics.observe("preemption_victims", len(candidate.victims))
        victims = [victim for victim in candidate.victims if not victim.terminating]
        if victims:
            self._running[pod.uid] = None
            self._send.send_nowait((pod, candidate, victims))

    # --- evicting

    async def _evict(self, pod: PodInfo, candidate: Candidate, victims: list[PodInfo]) -> None:
        queue, in_memory, failed = self._state.queue, False, False
        try:
            with boundary(self._log, "eviction", str(pod.key)) as unit:
                try:
                    in_memory = await self._evict_all(pod, candidate, victims)
                except EdgedError as error:
                    failed = True
                    node = candidate.node_name
                    self._log.warning("preemption failed", pod=str(pod.key), node=node, error=str(error))
            failed = failed or unit.error is not None
            if failed:  # a retry at once would be refused again; the Pod is held back meanwhile
                await trio.sleep(LONG_PAUSE_S if unit.is_stubborn else PAUSE_S)
        finally:
            self._running.pop(pod.uid, None)
        self._state.metrics.count("preemption_goroutines_execution_total", "error" if failed else "success")
        now = trio.current_time()
        if in_memory or failed:  # no deletion wakes the Pod
            queue.activate([pod.uid], now)
        elif victims[-1].uid not in self._state.cache.pods:
            # The last victim went while the Pod was held back. Otherwise its deletion wakes the Pod later.
            queue.let_go(pod.uid, now)

    async def _evict_all(self, pod: PodInfo, candidate: Candidate, victims: list[PodInfo]) -> bool:
        """As `_evict_one` of the last victim. Raises EdgedError."""
        self._clear_nominations(pod, candidate.node_name)
        await self._evict_each(pod, candidate.node_name, victims[:-1])
        self._running[pod.uid] = victims[-1]
        return await self._evict_one(pod, candidate.node_name, victims[-1])

    def _clear_nominations(self, pod: PodInfo, node_name: str) -> None:
        """Less important Pods that wait for the same node had better look elsewhere."""
        for other in self._state.nominator.on(node_name):
            if other.spec.priority < pod.spec.priority:
                self._statuses.put(other, None, "")

    async def _evict_each(self, pod: PodInfo, node_name: str, victims: Sequence[PodInfo]) -> None:
        """Side by side; the first failure ends them all. Raises PeerError."""
        failures: list[PeerError] = []
        limit = trio.CapacityLimiter(DELETERS)
        async with trio.open_nursery() as nursery:

            async def one(victim: PodInfo) -> None:
                async with limit:
                    try:
                        await self._evict_one(pod, node_name, victim)
                    except PeerError as error:
                        failures.append(error)
                        nursery.cancel_scope.cancel()

            for victim in victims:
                nursery.start_soon(one, victim)
        if failures:
            raise failures[0]

    async def _evict_one(self, pod: PodInfo, node_name: str, victim: PodInfo) -> bool:
        """-> whether it took no more than a word. Raises PeerError."""
        note = f"Preempted by pod {pod.uid} on node {node_name}"
        if await self._turn_down(victim.uid, "DefaultPreemption", "preempted"):
            self._events.tell_preempted(victim, pod, note + " (in kube-scheduler memory).")
            return True
        if await self._delete(pod, victim):
            self._events.tell_preempted(victim, pod, note)
        return False

    async def _delete(self, pod: PodInfo, victim: PodInfo) -> bool:
        """False when it was gone before. Raises PeerError."""
        message = f"{pod.scheduler_name}: preempting to accommodate a higher priority pod"
        condition = self._condition(victim, message)
        try:
            if condition is not None:
                await self._retried(lambda: self._writes.patch_status(victim.key, victim.uid, condition, None))
            await self._retried(lambda: self._writes.delete(victim.key, victim.uid))
        except ApiError as error:
            if error.code in GONE or (error.code in REPLACED and self._is_replaced(victim)):
                return False
            raise
        return True

    def _condition(self, victim: PodInfo, message: str) -> dict[str, Any] | None:
        """DisruptionTarget=True; None when the victim has just that. Its time stays while the status does."""
        obj = victim.object()
        conditions = (obj.get("status") or {}).get("conditions") or ()
        present: dict[str, Any] = next((c for c in conditions if c.get("type") == "DisruptionTarget"), {})
        condition: dict[str, Any] = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": message,
            "lastTransitionTime": self._environment.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if generation := obj["metadata"].get("generation"):
            condition["observedGeneration"] = generation
        if present.get("status") == "True" and present.get("lastTransitionTime"):
            condition["lastTransitionTime"] = present["lastTransitionTime"]
        same = all(present.get(field) == condition[field] for field in ("status", "reason", "message"))
        return None if same else condition

    def _is_replaced(self, victim: PodInfo) -> bool:
        obj = self._pods.get(victim.key)
        return obj is None or obj["metadata"].get("uid") != victim.uid

    async def _retried(self, request: Callable[[], Awaitable[None]]) -> None:
        """A few times while the server is away, busy, or says that somebody else was faster. Raises PeerError."""
        backoff = Backoff(self._environment.random.random, base_s=0.01, cap_s=1.0)
        for attempt in range(TRIES):
            try:
                await request()
                return
            except PeerError as error:
                passing = isinstance(error, NoAnswer) or (isinstance(error, ApiError) and error.code in PASSING)
                if not passing or attempt == TRIES - 1:
                    raise
            await trio.sleep(backoff.next())
