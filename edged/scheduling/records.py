"""The last attempts, for `edged schedule explain`: per node and plugin, why and how much. Pure, bounded.

A record keeps the Evaluation's lists as they are; names and texts are made when somebody asks.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from edged.names import NamespacedName
from edged.scheduling.evaluation import NOT_VISITED, Evaluation
from edged.scheduling.profile import Profile


@dataclass(slots=True, eq=False)
class Record:
    """One attempt at a Pod. `when_ns`: nanoseconds since 1970. `error`: what broke it off, if anything."""

    evaluation: Evaluation
    profile: Profile
    attempts: int
    when_ns: int
    error: str = ""


class Records:
    """The latest record of each of the last `limit` Pods."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._records: OrderedDict[NamespacedName, Record] = OrderedDict()

    def add(self, record: Record) -> None:
        key = record.evaluation.pod.key
        self._records[key] = record
        self._records.move_to_end(key)
        if len(self._records) > self._limit:
            self._records.popitem(last=False)

    def get(self, pod: NamespacedName) -> Record | None:
        return self._records.get(pod)

    def __len__(self) -> int:
        return len(self._records)

    def why(self, pod: NamespacedName) -> dict[str, Any] | None:
        """The attempt as plain data:

        {"pod", "uid", "scheduler", "attempts", "time_ns", "node" ("" = none), "message" ("" when placed),
         "nodes": {node: {"filter": {plugin: "passed" or the reason}, "score": {plugin: raw},
                          "final": {plugin: normalized x weight}, "total"}}}
        """
        record = self._records.get(pod)
        if record is None:
            return None
        evaluation = record.evaluation
        return {
            "pod": str(pod),
            "uid": evaluation.pod.uid,
            "scheduler": record.profile.scheduler_name,
            "attempts": record.attempts,
            "time_ns": record.when_ns,
            "node": evaluation.node_name,
            "message": record.error or ("" if evaluation.node_name else evaluation.message()),
            "nodes": _nodes(record),
        }


def _nodes(record: Record) -> dict[str, dict[str, Any]]:
    evaluation = record.evaluation
    filters = [call.name for call in record.profile.calls["filter"]]
    feasible = set(evaluation.feasible)
    result: dict[str, dict[str, Any]] = {}
    for position, name in enumerate(evaluation.names):
        node: dict[str, Any] = {"filter": _filters(evaluation, position, filters)}
        result[name] = node
        if position in feasible and evaluation.scores:
            node["score"] = {plugin: row.raw[position] for plugin, row in evaluation.scores.items()}
            node["final"] = {plugin: row.final(position) for plugin, row in evaluation.scores.items()}
            node["total"] = sum(node["final"].values())
    return result


def _filters(evaluation: Evaluation, position: int, filters: list[str]) -> dict[str, str]:
    status = evaluation.statuses[position]
    if status is None:
        return dict.fromkeys(filters, "passed")
    if status is NOT_VISITED:
        absent = evaluation.absent
        return {absent.plugin or "PreFilter": absent.message} if absent else {}
    before = filters[: filters.index(status.plugin)] if status.plugin in filters else []
    return {**dict.fromkeys(before, "passed"), status.plugin: status.message}
