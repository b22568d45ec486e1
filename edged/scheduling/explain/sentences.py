"""Why a Pod went where it is, or what it waits for: a record and the queue's state as plain data. Pure.

`explain` is what the daemon answers to `edged schedule explain POD`; `overview` what it answers without a Pod. The
loop hands in what it knows; simulations use `why_chosen` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from edged.scheduling.core import queued_pod as places
from edged.scheduling.core.cluster_events import WILDCARD, Action, ClusterEvent, EventRegistration
from edged.scheduling.core.outcome import Evaluation
from edged.scheduling.core.queue import SchedulingQueue
from edged.scheduling.core.queued_pod import QueuedPod
from edged.scheduling.explain.records import Earlier, Record

CHANCE: Final = "chance decided between them"
_PLACES: Final = {
    places.ACTIVE: "ready: it is tried as soon as its turn comes",
    places.BACKOFF: "in backoff after a rejection",
    places.ERROR_BACKOFF: "in backoff after an error",
    places.UNSCHEDULABLE: "rejected: it waits for an event that may help",
    places.IN_FLIGHT: "being tried now",
}
_ACTIONS: Final = {
    Action.ADD: "added", Action.DELETE: "deleted", Action.UPDATE_NODE_ALLOCATABLE: "allocatable changed",
    Action.UPDATE_NODE_LABEL: "labels changed", Action.UPDATE_NODE_TAINT: "taints changed",
    Action.UPDATE_NODE_CONDITION: "conditions changed", Action.UPDATE_NODE_ANNOTATION: "annotations changed",
    Action.UPDATE_NODE_DECLARED_FEATURE: "declared features changed", Action.UPDATE_POD_LABEL: "labels changed",
    Action.UPDATE_POD_SCALE_DOWN: "asks for less", Action.UPDATE_POD_TOLERATION: "tolerations changed",
    Action.UPDATE_POD_GATES_ELIMINATED: "last scheduling gate removed",
    Action.UPDATE_POD_GENERATED_CLAIM: "generated claim changed", Action.UPDATE_POD_OTHER: "changed otherwise",
}  # fmt: skip


def explain(
    record: Record | None, state: Mapping[str, object], earlier: Iterable[Earlier] = (), pod: str = ""
) -> dict[str, Any]:
    """`Record.describe` (left out where the Pod was never tried) with three keys more:

    "why": one sentence; "state": `queue_state` or another dict with "place" and "text"; "earlier": the attempts before
    as [{"attempts", "when_ns", "node", "message"}].
    """
    answer: dict[str, Any] = {"pod": pod, "nodes": {}} if record is None else record.describe()
    answer["why"] = "" if record is None else why(record)
    answer["state"] = state
    answer["earlier"] = [attempt._asdict() for attempt in earlier]
    return answer


def overview(records: Iterable[Record]) -> list[dict[str, Any]]:
    """One line per remembered Pod: {"pod", "scheduler", "attempts", "time_ns", "node", "message"}."""
    return [
        {
            "pod": str(record.evaluation.pod.key),
            "scheduler": record.profile.scheduler_name,
            "attempts": record.attempts,
            "time_ns": record.when_ns,
            "node": record.evaluation.node_name if not record.message else "",
            "message": record.message,
        }
        for record in records
    ]


def why(record: Record, tie: str = CHANCE) -> str:
    """What decided an attempt, in a sentence. `tie`: what decides between equally good nodes."""
    evaluation = record.evaluation
    if record.error:
        return f"the attempt broke off: {record.error}"
    if not evaluation.node_name:
        if record.nominated:
            return f"no node passes all filters; room is being made on {record.nominated} by preemption"
        return "no node passes all filters"
    chosen = why_chosen(evaluation, tie)
    if record.turned_down is None:
        return chosen
    point, status = record.turned_down
    return f"{chosen}; then {status.plugin or 'the framework'} turned the Pod down at {point}"


def why_chosen(evaluation: Evaluation, tie: str = CHANCE) -> str:
    """Why this node among the feasible ones: by how much, and by whose scores."""
    names, chosen = evaluation.names, evaluation.node_name
    if len(evaluation.feasible) == 1:
        if evaluation.pod.nominated_node == chosen:
            return f"{chosen} was nominated for the Pod before and passes all filters"
        if len(names) == 1:
            return f"{chosen} is the only node and passes all filters: there was nothing to score"
        return f"{chosen} is the only node that passes all filters: there was nothing to score"
    if not evaluation.scores:
        return f"{chosen} passes all filters, and no plugin scores"
    totals = evaluation.totals()
    others = {name: total for name, total in totals.items() if name != chosen}
    best = max(others.values())
    if best >= totals[chosen]:
        like = [name for name, total in others.items() if total == best]
        shown = ", ".join(like[:3]) + (f" and {len(like) - 3} more" if len(like) > 3 else "")
        return f"{chosen} shares the highest total ({best}) with {shown}; {tie}"
    second = next(name for name, total in others.items() if total == best)
    by = _advantages(evaluation, names.index(chosen), names.index(second))
    return f"{chosen} has the highest total ({totals[chosen]}), {totals[chosen] - best} more than {second}: {by}"


def _advantages(evaluation: Evaluation, chosen: int, second: int) -> str:
    """The plugins whose scores differ between two nodes, the largest difference first."""
    gaps = {plugin: row.final(chosen) - row.final(second) for plugin, row in evaluation.scores.items()}
    told = sorted(((plugin, gap) for plugin, gap in gaps.items() if gap), key=lambda item: -abs(item[1]))
    return ", ".join(f"{plugin} {gap:+d}" for plugin, gap in told[:3])


def queue_state(
    queue: SchedulingQueue, queued: QueuedPod, now: float, events: Mapping[str, Iterable[EventRegistration]]
) -> dict[str, Any]:
    """Where a waiting Pod is, and what will wake it: {"place", "text", "attempts", "since_s", "backoff_s" (until it may
    be tried, 0 = now), "gated_by", "rejected_by", "wakes_on": {plugin: [event in words]}}.

    `events`: plugin -> registrations, as SchedulingQueue.awaited gives them.
    """
    place = "gated" if queued.gated_by else queued.place
    rejectors = sorted(queued.unschedulable_plugins | queued.pending_plugins)
    waits = place in ("gated", places.UNSCHEDULABLE)
    text = f"gated by {queued.gated_by}: it is not tried before that agrees" if queued.gated_by else _PLACES[place]
    backoff_s = max(0.0, queue.times.backoff_end(queued) - now) if place.endswith(places.BACKOFF) else 0.0
    watched = [queued.gated_by] if queued.gated_by else rejectors
    return {
        "place": place,
        "text": text,
        "attempts": queued.attempts,
        "since_s": round(now - queued.timestamp, 1),
        "backoff_s": round(backoff_s, 1),
        "gated_by": queued.gated_by,
        "rejected_by": rejectors,
        "wakes_on": {plugin: _words(events.get(plugin, ())) for plugin in watched} if waits else {},
    }


def _words(registrations: Iterable[EventRegistration]) -> list[str]:
    return list(dict.fromkeys(event_words(registration.event) for registration in registrations))


def event_words(event: ClusterEvent) -> str:
    """`Node added, labels changed`; `anything` for the wildcard."""
    if event.resource == WILDCARD:
        return "anything"
    kind = event.resource.rpartition("/")[2]
    if event.action & Action.ALL == Action.ALL:
        return f"{kind} changed in any way"
    said = [words for bit, words in _ACTIONS.items() if event.action & bit]
    if event.action & Action.UPDATE == Action.UPDATE:
        said = [words for bit, words in _ACTIONS.items() if event.action & bit & ~Action.UPDATE] + ["changed"]
    return f"{kind} {', '.join(dict.fromkeys(said))}"
