"""What the scheduler answers when it is asked: why a Pod is where it is, and the metrics that are states."""

from __future__ import annotations

from typing import Any

import trio

from edged.kube.values.names import NamespacedName
from edged.scheduling.explain.records import Record
from edged.scheduling.explain.sentences import explain, overview, queue_state
from edged.scheduling.run.pod_bindings import PodBindings
from edged.scheduling.run.scheduler_state import Environment, SchedulerState


class Answers:
    """Reads the scheduler's state for the status socket and the metrics endpoint."""

    def __init__(self, environment: Environment, state: SchedulerState, bindings: PodBindings) -> None:
        self._pods = environment.pods
        self._state = state
        self._bindings = bindings

    def why(self, pod: NamespacedName) -> dict[str, Any] | None:
        """What the last attempt at a Pod found and what it waits for (scheduling/explain/sentences.py); None: nothing
        is known of such a Pod."""
        records = self._state.records
        record, obj = records.get(pod), self._pods.get(pod)
        if record is None and obj is None:
            return None
        state = self._state_of(record, obj)
        return explain(record, state, records.earlier(pod), str(pod))

    def remembered(self) -> list[dict[str, Any]]:
        """One line per Pod that `why` remembers an attempt at, the most recent first."""
        return overview(self._state.records.latest())

    def _state_of(self, record: Record | None, obj: dict[str, Any] | None) -> dict[str, Any]:
        if obj is None:
            return {"place": "gone", "text": "the Pod does not exist any more"}
        uid = obj["metadata"].get("uid", "")
        if record is not None and record.evaluation.pod.uid != uid:
            return {"place": "replaced", "text": "another Pod has this name now; this is the attempt at the one before"}
        waiting = self._bindings.waiting_pod(uid)
        if waiting is not None:
            left = waiting.left(trio.current_time())
            return {"place": "permit", "text": "has a node; Permit plugins hold it back", "waits_for": left}
        node, scheduler = obj["spec"].get("nodeName", ""), obj["spec"].get("schedulerName", "default-scheduler")
        if node:
            return {"place": "bound", "text": f"runs on {node}", "node": node}
        return self._state_without_node(uid, scheduler)

    def _state_without_node(self, uid: str, scheduler: str) -> dict[str, Any]:
        queue, cache, profiles = self._state.queue, self._state.cache, self._state.profiles
        queued = queue.get(uid)
        if queued is not None:
            return queue_state(queue, queued, trio.current_time(), queue.awaited(queued.pod.scheduler_name))
        if uid in cache.pods:
            return {"place": "binding", "text": f"being bound to {cache.pods[uid].node_name}"}
        if scheduler not in profiles:
            ours = ", ".join(profiles)
            return {"place": "foreign", "text": f"it is for scheduler {scheduler!r}; this one has the names {ours}"}
        return {"place": "done", "text": "not in the queue: it has ended, or is being deleted"}

    def gauges(self) -> dict[str, dict[tuple[str, ...], int]]:
        """Metrics that are states: name -> labels -> value."""
        state = self._state
        pending: dict[tuple[str, ...], int] = {(queue,): count for queue, count in state.queue.pending().items()}
        sizes: dict[tuple[str, ...], int] = {
            ("assumed_pods",): len(state.cache.assumed),
            ("nodes",): len(state.snapshot.nodes),
            ("pods",): len(state.cache.pods),
        }
        return {"pending_pods": pending, "cache_size": sizes, "unschedulable_pods": state.queue.rejected_by()}
