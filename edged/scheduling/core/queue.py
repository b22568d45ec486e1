"""The scheduling queue: which Pod is next, and when a rejected Pod is tried again. Pure: time comes in as `now`.

Every waiting Pod is in one of four places:

    active         Ready. Pods are popped in the order of the profile's QueueSort plugin.
    backoff        Rejected, or failed by an error, a moment ago. There are two heaps, because only rejected Pods may
                   be popped early, when nothing is active.
    unschedulable  Rejected, until a cluster event makes another try worthwhile. Gated Pods are here too.
    in flight      Popped. Cluster events that arrive meanwhile are kept until `done`: one of them may be just what
                   the Pod needs when its attempt fails.

What an event means to a Pod is queue_events.py's, how long a Pod waits retry_times.py's. The nominator is kept up to
date here, because a Pod is nominated exactly while it waits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from edged.scheduling.core.cluster_events import Action, ClusterEvent
from edged.scheduling.core.counters import Metrics
from edged.scheduling.core.in_flight import InFlight
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.profile import Profile
from edged.scheduling.core.profile_turns import ProfileTurns
from edged.scheduling.core.queue_events import (
    FORCE_ACTIVATE,
    UNSCHEDULABLE_TIMEOUT,
    UNSCHEDULED_POD_ADD,
    EventInterests,
    Registrations,
    event_label,
    pod_update_events,
)
from edged.scheduling.core.queue_gates import QueueGates
from edged.scheduling.core.queue_heap import QueueHeap, Rank
from edged.scheduling.core.queued_pod import (
    ACTIVE,
    BACKOFF,
    ERROR_BACKOFF,
    IN_FLIGHT,
    UNSCHEDULABLE,
    QueuedPod,
    count_pending,
    count_rejected,
)
from edged.scheduling.core.retry_times import RetryTimes
from edged.scheduling.objects.pods import PodInfo

UNSCHEDULABLE_FLUSH_S: Final = 30.0


def raise_it(pod: PodInfo, error: Exception) -> None:
    raise error


class SchedulingQueue:
    """Moves waiting Pods between the places of the file's docstring.

    It is larger than other classes because every move is here: a Pod is in one place at a time.

    `profiles`: by scheduler name; all must sort alike. `extenders`: there are HTTP extenders.
    """

    def __init__(
        self,
        profiles: Mapping[str, Profile],
        nominator: Nominator | None = None,
        metrics: Metrics | None = None,
        times: RetryTimes | None = None,
        *,
        extenders: bool = False,
    ) -> None:
        self.nominator = Nominator() if nominator is None else nominator  # not `or`: an empty Nominator is false
        self.metrics = metrics or Metrics()
        self.times = times or RetryTimes()
        self.wake: Callable[[], None] = lambda: None
        """Called when a Pod becomes poppable; the loop waits for it."""
        self.plugin_failed: Callable[[PodInfo, Exception], None] = raise_it
        """Called with what a plugin raised when it was asked about a waiting Pod. When it returns, the queue goes on:
        a hint that failed counts as true, a PreEnqueue plugin that failed holds the Pod back."""
        self._pods: dict[str, QueuedPod] = {}  # by uid, in flight included
        self._parked: dict[str, QueuedPod] = {}  # those in unschedulable
        self._turns = ProfileTurns(len(profiles))
        self._active = QueueHeap(ACTIVE, self._pods)
        self._backoff = QueueHeap(BACKOFF, self._pods)
        self._errors = QueueHeap(ERROR_BACKOFF, self._pods)
        self._in_flight = InFlight()
        self._next_flush = 0.0
        self._extenders = extenders
        self.use(profiles)

    def use(self, profiles: Mapping[str, Profile]) -> None:
        """Other profiles under the same names; Pods stay where they are."""
        self._sort_key = next(iter(profiles.values())).sort_key
        self._interests = EventInterests(profiles, self._extenders, self._plugin_failed)
        self._gates = QueueGates(profiles, self._plugin_failed)

    def _plugin_failed(self, pod: PodInfo, error: Exception) -> None:
        self.plugin_failed(pod, error)

    # --- Pods come, change, go

    def add(self, pod: PodInfo, now: float) -> None:
        """A Pod without a node appeared."""
        queued = QueuedPod(pod, now)
        self._pods[pod.uid] = queued
        self.nominator.add(pod)
        self._activate(queued, event_label(UNSCHEDULED_POD_ADD), now)

    def update(self, old: PodInfo | None, pod: PodInfo, now: float) -> None:
        """A waiting Pod changed; one that is not known is added, unless it was popped and done."""
        queued = self._pods.get(pod.uid)
        if queued is None:
            self.add(pod, now)
            return
        old = old or queued.pod
        queued.pod = pod
        if queued.place == IN_FLIGHT:
            for event in pod_update_events(old, pod):
                self._in_flight.record(event, old, pod)
            return
        self.nominator.update(old, pod)
        if queued.place == UNSCHEDULABLE:
            self._update_unschedulable(queued, old, now)
        elif queued.place == ACTIVE:
            self._active.push(self._sort_key(pod, queued.timestamp), queued)

    def _update_unschedulable(self, queued: QueuedPod, old: PodInfo, now: float) -> None:
        for event in pod_update_events(old, queued.pod):
            if self._interests.worth_another_try(queued, event, old, queued.pod)[0]:
                self._requeue(queued, event_label(event), now)
                return

    def delete(self, uid: str) -> None:
        """A waiting Pod is gone, or has a node."""
        self.nominator.remove(uid)
        queued = self._pods.get(uid)
        if queued is not None and queued.place != IN_FLIGHT:
            del self._pods[uid]
            self._parked.pop(uid, None)

    def get(self, uid: str) -> QueuedPod | None:
        return self._pods.get(uid)

    def awaited(self, profile: str) -> Registrations:
        """By whoever may reject its Pods: the events that may help these."""
        return self._interests.of(profile)

    # --- popping

    def pop(self, now: float, held: Collection[str] = ()) -> QueuedPod | None:
        """The next Pod to try, now in flight; None when there is none. `held`: profiles that are to wait."""
        rank = None if not held and self._turns.all_ready(now) else self._rank(now, held)
        queued = self._active.pop(rank)
        if queued is None:
            queued = self._backoff.pop(rank)
            if queued is None:
                return None
            self.metrics.count("queue_incoming_pods_total", "active", "PopFromBackoffQ")
        queued.attempts += 1
        queued.place = IN_FLIGHT
        self._in_flight.start(queued.pod.uid)
        return queued

    def _rank(self, now: float, held: Collection[str]) -> Rank:
        return lambda profile: None if profile in held else self._turns.rests_until(profile, now)

    def took(self, profile: str, seconds: float, now: float) -> None:
        """So long a Pod of the profile held up the others in guests and extenders. See profile_turns.py."""
        self._turns.took(profile, seconds, now)

    def done(self, uid: str) -> None:
        """A popped Pod is neither tried nor bound any more; upstream calls this when binding begins."""
        self._in_flight.finish(uid)
        queued = self._pods.get(uid)
        if queued is not None and queued.place == IN_FLIGHT:
            del self._pods[uid]

    def put_back(self, queued: QueuedPod, pod: PodInfo, now: float) -> None:
        """A popped Pod failed: `unschedulable_plugins` and `pending_plugins` say who rejected it (none: an
        error)."""
        uid = pod.uid
        events = self._in_flight.finish(uid)
        queued.pod = pod
        queued.timestamp = queued.flush_timestamp = now
        queued.was_flushed = False
        rejectors = queued.rejectors
        if rejectors:
            queued.unschedulable_count += 1
            queued.consecutive_errors = 0
        else:
            queued.consecutive_errors += 1
        self._pods[uid] = queued
        self.nominator.add(pod)
        again, at_once = (not rejectors), False
        for event, old, new in events:
            helps, at_once = self._interests.worth_another_try(queued, event, old, new)
            again = again or helps
            if at_once or (again and not queued.pending_plugins):
                break
        if again:
            self._requeue(queued, "ScheduleAttemptFailure", now, at_once)
        else:
            self._park(queued, "ScheduleAttemptFailure")

    # --- cluster events

    def move_all(
        self,
        event: ClusterEvent,
        old: object,
        new: object,
        now: float,
        check: Callable[[QueuedPod], bool] | None = None,
    ) -> None:
        """Something happened: whoever it may help leaves `unschedulable`. `check` limits who is looked at."""
        interested = self._interests.interested(event)
        if not interested:
            return
        self._in_flight.record(event, old, new)
        for queued in list(self._parked.values()):
            if interested.isdisjoint(queued.unschedulable_plugins) and interested.isdisjoint(queued.pending_plugins):
                continue
            if check is None or check(queued):
                again, at_once = self._interests.worth_another_try(queued, event, old, new)
                if again:
                    self._requeue(queued, event_label(event), now, at_once)

    def assigned_pod_added(self, pod: PodInfo, now: float) -> None:
        self.move_all(ClusterEvent("Pod", Action.ADD, "AssignedPodAdd"), None, pod, now)

    def assigned_pod_updated(self, old: PodInfo, pod: PodInfo, now: float) -> None:
        for event in pod_update_events(old, pod):
            self.move_all(event._replace(label="AssignedPodUpdate"), old, pod, now)

    def assigned_pod_deleted(self, pod: PodInfo, now: float) -> None:
        """Also for an assumed Pod whose binding failed; that does not help the Pod itself."""
        event = ClusterEvent("Pod", Action.DELETE, "AssignedPodDelete")
        self.move_all(event, pod, None, now, lambda queued: queued.pod.uid != pod.uid)

    def nomination_ended(self, pod: PodInfo, now: float) -> None:
        """The room that a Pod was promised is free for those that are not more important."""
        event = ClusterEvent("Pod", Action.DELETE, "AssignedPodDelete")
        priority = pod.spec.priority
        self.move_all(
            event, pod, None, now, lambda queued: queued.pod.uid != pod.uid and queued.pod.spec.priority <= priority
        )

    def activate(self, uids: Iterable[str], now: float) -> None:
        """Force Pods into active; those in flight are tried again when they come back, gated ones stay."""
        for uid in uids:
            queued = self._pods.get(uid)
            if queued is None or queued.place == ACTIVE:
                continue
            if queued.place == IN_FLIGHT:
                self._in_flight.record(FORCE_ACTIVATE, None, queued.pod)
            else:
                self._activate(queued, event_label(FORCE_ACTIVATE), now, gates=queued.place == UNSCHEDULABLE)

    def let_go(self, uid: str, now: float) -> None:
        """What held a Pod back is over, and the event that it waits for may have passed. Its backoff counts."""
        queued = self._pods.get(uid)
        if queued is not None and queued.place == UNSCHEDULABLE:
            self._requeue(queued, event_label(FORCE_ACTIVATE), now)

    # --- timers

    def flush(self, now: float) -> None:
        """To be called once a second: ends backoffs, and gives up waiting for events after five minutes."""
        for heap in (self._backoff, self._errors):
            while (queued := heap.peek()) is not None and self.times.backoff_is_over(queued, now):
                heap.pop()
                self._activate(queued, "BackoffComplete", now, gates=False)
        if now >= self._next_flush:
            self._next_flush = now + UNSCHEDULABLE_FLUSH_S
            self._flush_unschedulable(now)

    def _flush_unschedulable(self, now: float) -> None:
        for queued in list(self._parked.values()):
            if now - queued.flush_timestamp > self.times.max_unschedulable_s:
                queued.was_flushed = True
                queued.flush_timestamp = now
                self._requeue(queued, event_label(UNSCHEDULABLE_TIMEOUT), now)

    # --- moving

    def _gate(self, queued: QueuedPod) -> bool:
        """Asks the PreEnqueue plugins; notes who holds the Pod back, among those that rejected it too."""
        queued.gated_by = self._gates.holder(queued.pod)
        if not queued.gated_by:
            return False
        queued.unschedulable_plugins |= {queued.gated_by}
        return True

    def _requeue(self, queued: QueuedPod, label: str, now: float, at_once: bool = False) -> None:
        if not at_once and not self.times.backoff_is_over(queued, now):
            self._to_backoff(queued, label, now)
        else:
            self._activate(queued, label, now)

    def _stays(self, queued: QueuedPod, label: str) -> bool:
        """A PreEnqueue plugin keeps the Pod in unschedulable."""
        if not self._gate(queued):
            self._parked.pop(queued.pod.uid, None)
            return False
        queued.was_flushed = False
        self._park(queued, label, count=queued.place != UNSCHEDULABLE)
        return True

    def _activate(self, queued: QueuedPod, label: str, now: float, gates: bool = True) -> None:
        """`gates` False: PreEnqueue plugins were asked when the Pod went into backoff."""
        if gates and self._stays(queued, label):
            return
        if queued.initial_timestamp is None:
            queued.initial_timestamp = now
        self._active.push(self._sort_key(queued.pod, queued.timestamp), queued)
        self.metrics.count("queue_incoming_pods_total", "active", label)
        self.wake()

    def _to_backoff(self, queued: QueuedPod, label: str, now: float) -> None:
        if self._stays(queued, label):
            return
        is_error = queued.consecutive_errors > 0
        key = (self.times.backoff_end(queued), self._sort_key(queued.pod, queued.timestamp))
        (self._errors if is_error else self._backoff).push(key, queued)
        self.metrics.count("queue_incoming_pods_total", "backoff", label)
        if not is_error:
            self.wake()

    def _park(self, queued: QueuedPod, label: str, count: bool = True) -> None:
        queued.place = UNSCHEDULABLE
        queued.entry = 0
        self._parked[queued.pod.uid] = queued
        if count:
            self.metrics.count(
                "queue_incoming_pods_total", "gated" if queued.gated_by else "unschedulable", label
            )

    # --- for metrics and status

    def pending(self) -> dict[str, int]:
        """Number of Pods per queue as the metric `pending_pods` names them; Pods in flight are in none."""
        return count_pending(self._pods.values())

    def rejected_by(self) -> dict[tuple[str, ...], int]:
        """(plugin, scheduler name) -> number of waiting Pods that the plugin rejected."""
        return count_rejected(self._pods.values())

    def __len__(self) -> int:
        return len(self._pods)
