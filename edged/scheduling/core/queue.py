"""The scheduling queue: which Pod is next, and when a rejected Pod is tried again. Pure: time comes in as
`now`.

Every waiting Pod is in one of four places:

    active         ready; popped in the order of the profile's QueueSort plugin
    backoff        rejected (or failed by an error) a moment ago; two heaps, since only rejected Pods may be
    popped
                   early, when nothing is active
    unschedulable  rejected, until a cluster event makes another try worthwhile; here are the gated Pods too
    in flight      popped; cluster events that arrive meanwhile are kept until `done`, so that a Pod that
    fails
                   after the event which would have saved it is not forgotten in `unschedulable`

Heap entries are dropped lazily: an entry counts only while its number is the Pod's current one. The nominator
is kept up to date here, because a Pod is nominated exactly while it waits.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from edged.scheduling.core.counters import Metrics
from edged.scheduling.core.framework import WILDCARD, Action, ClusterEvent, Code, EventRegistration, Status
from edged.scheduling.core.nominator import Nominator
from edged.scheduling.core.outcome import EXTENDER
from edged.scheduling.core.profile import Profile
from edged.scheduling.objects.pods import PodInfo

ACTIVE = "active"
BACKOFF = "backoff"
ERROR_BACKOFF = "error_backoff"
UNSCHEDULABLE = "unschedulable"
IN_FLIGHT = "in_flight"
INITIAL_BACKOFF_S: Final = 1.0
MAX_BACKOFF_S: Final = 10.0
MAX_UNSCHEDULABLE_S: Final = 300.0
UNSCHEDULABLE_FLUSH_S: Final = 30.0
UNSCHEDULED_POD_ADD = ClusterEvent("Pod", Action.ADD, "UnscheduledPodAdd")
UNSCHEDULABLE_TIMEOUT = ClusterEvent("*", Action.ALL, "UnschedulableTimeout")
FORCE_ACTIVATE = ClusterEvent("*", Action.ALL, "ForceActivate")

_NAMES: Final = {
    Action.ADD: "Add", Action.DELETE: "Delete", Action.UPDATE_NODE_ALLOCATABLE: "AllocatableChange",
    Action.UPDATE_NODE_LABEL: "LabelChange", Action.UPDATE_NODE_TAINT: "TaintChange",
    Action.UPDATE_NODE_CONDITION: "ConditionChange", Action.UPDATE_NODE_ANNOTATION: "AnnotationChange",
    Action.UPDATE_NODE_DECLARED_FEATURE: "DeclaredFeatureChange", Action.UPDATE_POD_LABEL: "LabelChange",
    Action.UPDATE_POD_SCALE_DOWN: "ScaleDown", Action.UPDATE_POD_TOLERATION: "TolerationChange",
    Action.UPDATE_POD_GATES_ELIMINATED: "SchedulingGatesEliminated",
}  # fmt: skip


def event_label(event: ClusterEvent) -> str:
    """The event's name in metrics: `NodeAdd`, `AssignedPodDelete`, `UnschedulableTimeout`."""
    if event.label:
        return event.label
    return event.resource.rpartition("/")[2] + _NAMES.get(Action(event.action), "Update")


class QueuedPod:
    """A Pod in the queue, with what the queue remembers of its past. Times are seconds as `now` gives
    them."""

    __slots__ = (
        "attempts", "consecutive_errors", "entry", "flush_timestamp", "gated_by", "initial_timestamp",
        "pending_plugins", "place", "pod", "timestamp", "unschedulable_count", "unschedulable_plugins",
        "was_flushed",
    )  # fmt: skip

    def __init__(self, pod: PodInfo, now: float) -> None:
        self.pod = pod
        self.timestamp = now  # of the last move into the queue
        self.initial_timestamp: float | None = None  # of the first time it was not gated
        self.attempts = 0
        self.unschedulable_count = 0
        self.consecutive_errors = 0
        self.unschedulable_plugins: frozenset[str] = frozenset()
        self.pending_plugins: frozenset[str] = frozenset()
        self.gated_by = ""
        self.was_flushed = False
        self.flush_timestamp = now  # of the last time it was flushed, or put into the queue
        self.place = ""
        self.entry = 0  # number of its live heap entry


class SchedulingQueue:
    """See the file's docstring. `profiles`: by scheduler name; all must sort alike. `extenders`: there are HTTP
    extenders."""

    def __init__(
        self,
        profiles: Mapping[str, Profile],
        nominator: Nominator | None = None,
        metrics: Metrics | None = None,
        *,
        initial_backoff_s: float = INITIAL_BACKOFF_S,
        max_backoff_s: float = MAX_BACKOFF_S,
        max_unschedulable_s: float = MAX_UNSCHEDULABLE_S,
        extenders: bool = False,
    ) -> None:
        self.nominator = Nominator() if nominator is None else nominator  # an empty one is false
        self.metrics = metrics or Metrics()
        self.wake: Callable[[], None] = lambda: None
        """Called when a Pod becomes poppable; the loop waits for it."""
        self._profiles = profiles
        self._sort_key = next(iter(profiles.values())).sort_key
        self._events: dict[str, dict[str, tuple[EventRegistration, ...]]] = {}
        # Whom an extender turned down may be helped by anything.
        anything = (EventRegistration(ClusterEvent(WILDCARD, Action.ALL)),)
        self._extender_events = {EXTENDER: anything} if extenders else {}
        self._interests: dict[tuple[str, int], frozenset[str]] = {}
        self.use(profiles)
        self._initial_backoff_s = initial_backoff_s
        self._max_backoff_s = max_backoff_s
        self._max_unschedulable_s = max_unschedulable_s
        self._pods: dict[str, QueuedPod] = {}  # by uid, in flight included
        self._parked: dict[str, QueuedPod] = {}  # those in unschedulable
        self._active: list[tuple[Any, int, str]] = []
        self._backoff: list[tuple[Any, int, str]] = []
        self._errors: list[tuple[Any, int, str]] = []
        self._entries = 0
        self._in_flight = InFlight()
        self._next_flush = 0.0

    def use(self, profiles: Mapping[str, Profile]) -> None:
        """Other profiles under the same names; Pods stay where they are."""
        self._profiles = profiles
        self._sort_key = next(iter(profiles.values())).sort_key
        self._events = {name: {**self._extender_events, **profile.events()} for name, profile in profiles.items()}
        self._interests.clear()

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
            self._push(self._active, self._sort_key(pod, queued.timestamp), queued)

    def _update_unschedulable(self, queued: QueuedPod, old: PodInfo, now: float) -> None:
        for event in pod_update_events(old, queued.pod):
            if self._worth_another_try(queued, event, old, queued.pod)[0]:
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

    # --- popping

    def pop(self, now: float) -> QueuedPod | None:
        """The next Pod to try, now in flight; None when there is none."""
        queued = self._take(self._active, ACTIVE)
        if queued is None:
            queued = self._take(self._backoff, BACKOFF)
            if queued is None:
                return None
            self.metrics.count("queue_incoming_pods_total", "active", "PopFromBackoffQ")
        queued.attempts += 1
        queued.place = IN_FLIGHT
        self._in_flight.start(queued.pod.uid)
        return queued

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
        rejectors = queued.unschedulable_plugins | queued.pending_plugins
        if rejectors:
            queued.unschedulable_count += 1
            queued.consecutive_errors = 0
        else:
            queued.consecutive_errors += 1
        self._pods[uid] = queued
        self.nominator.add(pod)
        again, at_once = (not rejectors), False
        for event, old, new in events:
            found, at_once = self._worth_another_try(queued, event, old, new)
            again = again or found
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
        old: Any,
        new: Any,
        now: float,
        check: Callable[[QueuedPod], bool] | None = None,
    ) -> None:
        """Something happened: whoever it may help leaves `unschedulable`. `check` limits who is looked at."""
        interested = self._interested(event)
        if not interested:
            return
        self._in_flight.record(event, old, new)
        for queued in list(self._parked.values()):
            if interested.isdisjoint(queued.unschedulable_plugins) and interested.isdisjoint(queued.pending_plugins):
                continue
            if check is None or check(queued):
                again, at_once = self._worth_another_try(queued, event, old, new)
                if again:
                    self._requeue(queued, event_label(event), now, at_once)

    def _interested(self, event: ClusterEvent) -> frozenset[str]:
        """The plugins of all profiles that wait for such an event."""
        key = (event.resource, event.action)
        found = self._interests.get(key)
        if found is None:
            found = self._interests[key] = frozenset(
                plugin
                for events in self._events.values()
                for plugin, registrations in events.items()
                if any(event.matches(registration.event) for registration in registrations)
            )
        return found

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

    def _worth_another_try(
        self, queued: QueuedPod, event: ClusterEvent, old: Any, new: Any
    ) -> tuple[bool, bool]:
        """(try again, without backoff). A wildcard event that names a Pod is for that one only."""
        if event.resource == WILDCARD:
            return new is None or new.uid == queued.pod.uid, False
        registered = self._events.get(queued.pod.scheduler_name, {})
        if queued.gated_by and not any(
            event.matches(registration.event) for registration in registered.get(queued.gated_by, ())
        ):
            return False, False
        again = False
        for plugin in queued.unschedulable_plugins | queued.pending_plugins:
            if any(
                event.matches(registration.event) and _hint(registration, queued.pod, old, new)
                for registration in registered.get(plugin, ())
            ):
                if plugin in queued.pending_plugins:
                    return True, True
                again = True
        return again, False

    # --- timers

    def flush(self, now: float) -> None:
        """To be called once a second: ends backoffs, and gives up waiting for events after five minutes."""
        for heap, place in ((self._backoff, BACKOFF), (self._errors, ERROR_BACKOFF)):
            while (queued := self._peek(heap, place)) is not None and self._backoff_is_over(queued, now):
                heapq.heappop(heap)
                self._activate(queued, "BackoffComplete", now, gates=False)
        if now >= self._next_flush:
            self._next_flush = now + UNSCHEDULABLE_FLUSH_S
            self._flush_unschedulable(now)

    def _flush_unschedulable(self, now: float) -> None:
        for queued in list(self._parked.values()):
            if now - queued.flush_timestamp > self._max_unschedulable_s:
                queued.was_flushed = True
                queued.flush_timestamp = now
                self._requeue(queued, event_label(UNSCHEDULABLE_TIMEOUT), now)

    def backoff_end(self, queued: QueuedPod) -> float:
        """When the Pod may be tried again, in whole seconds."""
        count = queued.consecutive_errors or queued.unschedulable_count
        if count == 0 or self._max_backoff_s <= 0:
            return queued.timestamp
        doublings = min(count - 1, 62)  # more would only overflow
        duration = min(self._initial_backoff_s * 2**doublings, self._max_backoff_s)
        return float(math.floor(queued.timestamp + duration))

    def _backoff_is_over(self, queued: QueuedPod, now: float) -> bool:
        return self.backoff_end(queued) <= math.floor(now)

    # --- moving

    def _gate(self, queued: QueuedPod) -> bool:
        """Asks the PreEnqueue plugins; notes who holds the Pod back, among those that rejected it too."""
        status = pre_enqueue(self._profiles[queued.pod.scheduler_name], queued.pod)
        queued.gated_by = status.plugin if status else ""
        if status is None:
            return False
        queued.unschedulable_plugins |= {status.plugin}
        return True

    def _requeue(self, queued: QueuedPod, label: str, now: float, at_once: bool = False) -> None:
        if not at_once and not self._backoff_is_over(queued, now):
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
        queued.place = ACTIVE
        if queued.initial_timestamp is None:
            queued.initial_timestamp = now
        self._push(self._active, self._sort_key(queued.pod, queued.timestamp), queued)
        self.metrics.count("queue_incoming_pods_total", "active", label)
        self.wake()

    def _to_backoff(self, queued: QueuedPod, label: str, now: float) -> None:
        if self._stays(queued, label):
            return
        is_error = queued.consecutive_errors > 0
        queued.place = ERROR_BACKOFF if is_error else BACKOFF
        key = (self.backoff_end(queued), self._sort_key(queued.pod, queued.timestamp))
        self._push(self._errors if is_error else self._backoff, key, queued)
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

    # --- heaps

    def _push(self, heap: list[tuple[Any, int, str]], key: Any, queued: QueuedPod) -> None:
        self._entries += 1
        queued.entry = self._entries
        heapq.heappush(heap, (key, queued.entry, queued.pod.uid))

    def _peek(self, heap: list[tuple[Any, int, str]], place: str) -> QueuedPod | None:
        while heap:
            _, entry, uid = heap[0]
            queued = self._pods.get(uid)
            if queued is not None and queued.entry == entry and queued.place == place:
                return queued
            heapq.heappop(heap)
        return None

    def _take(self, heap: list[tuple[Any, int, str]], place: str) -> QueuedPod | None:
        queued = self._peek(heap, place)
        if queued is not None:
            heapq.heappop(heap)
        return queued

    # --- for metrics and status

    def pending(self) -> dict[str, int]:
        """Number of Pods per queue as the metric `pending_pods` names them; in flight ones are in none."""
        counts = {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 0}
        names = {
            ACTIVE: "active",
            BACKOFF: "backoff",
            ERROR_BACKOFF: "backoff",
            UNSCHEDULABLE: "unschedulable",
        }
        for queued in self._pods.values():
            if queued.place in names:
                counts["gated" if queued.gated_by else names[queued.place]] += 1
        return counts

    def rejected_by(self) -> dict[tuple[str, ...], int]:
        """(plugin, scheduler name) -> number of waiting Pods that the plugin rejected."""
        counts: Counter[tuple[str, ...]] = Counter()
        for queued in self._pods.values():
            plugins = {queued.gated_by} if queued.gated_by else queued.unschedulable_plugins
            for plugin in plugins if queued.place != IN_FLIGHT else ():
                counts[(plugin, queued.pod.scheduler_name)] += 1
        return dict(counts)

    def __len__(self) -> int:
        return len(self._pods)


class InFlight:
    """Cluster events since each popped Pod left the queue. One shared list; every Pod remembers where it
    began."""

    def __init__(self) -> None:
        self._began: dict[str, int] = {}  # in rising order
        self._events: list[tuple[ClusterEvent, Any, Any]] = []
        self._dropped = 0

    def start(self, uid: str) -> None:
        self._began[uid] = self._dropped + len(self._events)

    def record(self, event: ClusterEvent, old: Any, new: Any) -> None:
        if self._began:
            self._events.append((event, old, new))

    def finish(self, uid: str) -> Sequence[tuple[ClusterEvent, Any, Any]]:
        """The events since `start`; they are dropped once no other Pod needs them."""
        began = self._began.pop(uid, None)
        if began is None:
            return ()
        events = self._events[began - self._dropped :]
        self._trim()
        return events

    def _trim(self) -> None:
        oldest = next(iter(self._began.values()), self._dropped + len(self._events))
        if oldest > self._dropped:
            del self._events[: oldest - self._dropped]
            self._dropped = oldest

    def __len__(self) -> int:
        return len(self._events)


def _hint(registration: EventRegistration, pod: PodInfo, old: Any, new: Any) -> bool:
    return registration.hint is None or registration.hint(pod, old, new)


def pre_enqueue(profile: Profile, pod: PodInfo) -> Status | None:
    """Who keeps the Pod out of the queue; None: nobody."""
    for call in profile.calls["pre_enqueue"]:
        status: Status | None = call.method(pod)
        if status is not None and status.code != Code.SUCCESS:
            return status.by(call.name)
    return None


def pod_update_events(old: PodInfo, new: PodInfo) -> list[ClusterEvent]:
    """What an update of a Pod means to plugins; the generic update when it means nothing in particular, and
    nothing at all when only the status changed (as it does by our own patch)."""
    alike = old.spec is new.spec and old.labels is new.labels
    if alike and old.annotations_hash == new.annotations_hash:
        return []
    actions = []
    if old.labels != new.labels:
        actions.append(Action.UPDATE_POD_LABEL)
    before, after = old.spec.requests, new.spec.requests
    if any(after.get(resource, 0) < amount for resource, amount in before.items()):
        actions.append(Action.UPDATE_POD_SCALE_DOWN)
    if old.spec.gates and not new.spec.gates:
        actions.append(Action.UPDATE_POD_GATES_ELIMINATED)
    if len(old.spec.tolerations) != len(new.spec.tolerations):
        actions.append(Action.UPDATE_POD_TOLERATION)
    return [ClusterEvent("Pod", action) for action in actions or [Action.UPDATE_POD_OTHER]]
