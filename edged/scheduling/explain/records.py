"""The last attempts, for `edged schedule explain` and annotations: per node and plugin, why and how much. Pure.

A record keeps the Evaluation's lists as they are; names and texts are made when somebody asks (sentences.py,
result_annotations.py). What is kept is bounded twice: in Pods, and in cells (one per node and plugin, and for the
texts of reasons), since a record of a large cluster is large.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from edged.kube.values.names import NamespacedName
from edged.scheduling.core.framework import CycleState
from edged.scheduling.core.outcome import NOT_VISITED, Evaluation
from edged.scheduling.core.plugin_status import Status
from edged.scheduling.core.profile import Profile

CELLS = 500_000
"""About 8 bytes each: 4 MiB."""
_CELL_BYTES = 8
EARLIER = 8


class Earlier(NamedTuple):
    """What is left of an attempt when a newer one takes its place."""

    attempts: int
    when_ns: int
    node: str
    message: str


@dataclass(slots=True, eq=False)
class Record:
    """One attempt at a Pod. `when_ns`: nanoseconds since 1970. `error`: what broke it off, if anything.

    `passed`: the points after the choice of a node that agreed, in order; `turned_down`: who did not, and where.
    `waits`: Permit plugins that asked to wait -> seconds. `nominated`, `victims`: what preemption made of it.
    """

    evaluation: Evaluation
    profile: Profile
    attempts: int
    when_ns: int
    error: str = ""
    skip_filter: frozenset[str] = frozenset()
    skip_score: frozenset[str] = frozenset()
    passed: list[str] = field(default_factory=list)
    turned_down: tuple[str, Status] | None = None
    waits: Mapping[str, float] = field(default_factory=dict)
    nominated: str = ""
    text_cells: int = 0

    @classmethod
    def of(
        cls, evaluation: Evaluation, profile: Profile, state: CycleState, attempts: int, when_ns: int, error: str = ""
    ) -> Record:
        """`state` is that of the cycle; the record keeps only which plugins skipped."""
        return cls(
            evaluation, profile, attempts, when_ns, error, frozenset(state.skip_filter), frozenset(state.skip_score),
            text_cells=_characters(evaluation) // _CELL_BYTES,
        )  # fmt: skip

    def at(self, point: str, rejection: Status | None) -> None:
        """One of Reserve, Permit, PreBind, Bind has answered."""
        if rejection is None:
            self.passed.append(point)
        else:
            self.turned_down = point, rejection

    @property
    def message(self) -> str:
        """Why the Pod got no node; "" when it did."""
        if self.error:
            return self.error
        if self.turned_down is not None:
            return self.turned_down[1].message
        return "" if self.evaluation.node_name else self.evaluation.message()

    @property
    def cells(self) -> int:
        return len(self.evaluation.names) * (1 + len(self.evaluation.scores)) + self.text_cells

    def summary(self) -> Earlier:
        return Earlier(self.attempts, self.when_ns, self.evaluation.node_name, self.message)

    def describe(self) -> dict[str, Any]:
        """The attempt as plain data:

        {"pod", "uid", "scheduler", "attempts", "time_ns", "node" ("" = none), "message" ("" when placed),
         "nominated" (node that preemption makes room on), "nodes": {node: {"filter": {plugin: "passed" or the reason},
         "score": {plugin: raw}, "final": {plugin: normalized x weight}, "total"}}}
        """
        return {
            "pod": str(self.evaluation.pod.key),
            "uid": self.evaluation.pod.uid,
            "scheduler": self.profile.scheduler_name,
            "attempts": self.attempts,
            "time_ns": self.when_ns,
            "node": self.evaluation.node_name,
            "message": self.message,
            "nominated": self.nominated,
            "nodes": nodes_of(self),
        }


def _characters(evaluation: Evaluation) -> int:
    """Of the reasons: a guest or an extender may have another one for each node."""
    total, before = 0, None
    for status in evaluation.statuses:
        if status is not None and status is not before:
            total += sum(map(len, status.reasons))
            before = status
    return total


class Records:
    """The latest record of each of the last `limit` Pods, fewer where records are large; of their earlier attempts
    a line each."""

    def __init__(self, limit: int, cells: int = CELLS) -> None:
        self._limit = limit
        self._cells_limit = cells
        self._cells = 0
        self._records: OrderedDict[NamespacedName, Record] = OrderedDict()
        self._earlier: dict[NamespacedName, deque[Earlier]] = {}

    def add(self, record: Record) -> None:
        key = record.evaluation.pod.key
        before = self._records.pop(key, None)
        if before is not None:
            self._cells -= before.cells
            if before.evaluation.pod.uid == record.evaluation.pod.uid:
                self._earlier.setdefault(key, deque(maxlen=EARLIER)).append(before.summary())
            else:
                self._earlier.pop(key, None)
        self._records[key] = record
        self._cells += record.cells
        while len(self._records) > self._limit or (self._cells > self._cells_limit and len(self._records) > 1):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        key, record = self._records.popitem(last=False)
        self._cells -= record.cells
        self._earlier.pop(key, None)

    def get(self, pod: NamespacedName) -> Record | None:
        return self._records.get(pod)

    def earlier(self, pod: NamespacedName) -> list[Earlier]:
        """The attempts before the latest, the oldest first."""
        return list(self._earlier.get(pod, ()))

    def latest(self) -> list[Record]:
        """All, the most recent first."""
        return list(reversed(self._records.values()))

    def __len__(self) -> int:
        return len(self._records)

    def why(self, pod: NamespacedName) -> dict[str, Any] | None:
        """The latest attempt at a Pod as plain data, see `Record.describe`."""
        record = self._records.get(pod)
        return None if record is None else record.describe()


def nodes_of(record: Record) -> dict[str, dict[str, Any]]:
    """`nodes` of `Record.describe`. Filters that skipped this Pod say nothing."""
    evaluation = record.evaluation
    filters = [call.name for call in record.profile.calls["filter"] if call.name not in record.skip_filter]
    feasible = set(evaluation.feasible)
    result: dict[str, dict[str, Any]] = {}
    for position, name in enumerate(evaluation.names):
        node: dict[str, Any] = {"filter": filters_at(evaluation, position, filters)}
        result[name] = node
        if position in feasible and evaluation.scores:
            node["score"] = {plugin: row.raw[position] for plugin, row in evaluation.scores.items()}
            node["final"] = {plugin: row.final(position) for plugin, row in evaluation.scores.items()}
            node["total"] = sum(node["final"].values())
    return result


def filters_at(evaluation: Evaluation, position: int, filters: list[str]) -> dict[str, str]:
    """The answers of the filters about one node, up to the first that turned it down."""
    status = evaluation.statuses[position]
    if status is None:
        return dict.fromkeys(filters, "passed")
    if status is NOT_VISITED:
        absent = evaluation.absent
        return {absent.plugin or "PreFilter": absent.message} if absent else {}
    before = filters[: filters.index(status.plugin)] if status.plugin in filters else []
    return {**dict.fromkeys(before, "passed"), status.plugin: status.message}
