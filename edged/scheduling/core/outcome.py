"""The outcome of looking for a node: per node why not, per plugin its scores; and the texts made of it. Pure.

cycle.py and classes.py fill an `Evaluation`; the loop turns it into events and conditions, `why` shows it.
Lists are by position in `names`, since one is made per Pod and node times plugin would be too many objects. Messages of
events and conditions are kube-scheduler's own words: people and tools search for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from edged.errors import cut
from edged.scheduling.core.plugin_status import MOST_MESSAGE_BYTES, MOST_REASON_BYTES, Code, Status
from edged.scheduling.objects.pods import PodInfo

NOT_VISITED = Status(-1, ("not evaluated",))
"""Stands for nodes that were not looked at (enough feasible ones were found, or PreFilter ruled them out)."""
EXTENDER = "Extender"
"""Upstream's name for whoever is no plugin, among the plugins that rejected a Pod."""
NO_NODES_MESSAGE = "no nodes available to schedule pods"


class ScoreRow(NamedTuple):
    """One plugin's scores. `normalized` is None where raw scores need no normalizing, or where each maps by
    itself: then `by_max(raw, maximum)` gives it."""

    weight: int
    raw: Sequence[int]
    normalized: Sequence[int] | None = None
    by_max: Callable[[int, int], int] | None = None
    maximum: int = 0

    def final(self, position: int) -> int:
        """Normalized times weight."""
        if self.normalized is not None:
            return self.weight * self.normalized[position]
        raw = self.raw[position]
        return self.weight * (self.by_max(raw, self.maximum) if self.by_max else raw)


class Evaluation:
    """`statuses[i]`: None where node i is feasible, else why not, or NOT_VISITED.

    `scores` is empty when no scoring was needed (at most one feasible node). `node_name` is the choice, ""
    for none; `absent` speaks for nodes without a status of their own. `narrowing`: plugins that limited the
    nodes by name, `limits` to which. `extended`: an HTTP extender took nodes out.
    """

    __slots__ = (
        "absent", "extended", "feasible", "limits", "names", "narrowing", "node_name", "pod", "post_filter_message",
        "pre_filter_message", "pre_filter_status", "scores", "statuses",
    )  # fmt: skip

    def __init__(self, pod: PodInfo, names: tuple[str, ...]) -> None:
        self.pod = pod
        self.names = names
        self.statuses: Sequence[Status | None] = [NOT_VISITED] * len(names)
        self.feasible: Sequence[int] = ()
        self.scores: dict[str, ScoreRow] = {}
        self.node_name = ""
        self.absent: Status | None = None
        self.narrowing: frozenset[str] = frozenset()
        self.limits: dict[str, frozenset[str]] = {}
        self.extended = False
        self.pre_filter_status: Status | None = None
        self.pre_filter_message = ""
        self.post_filter_message = ""

    # --- reading it

    def status(self, node_name: str) -> Status | None:
        """Why a node is out; None when it is feasible. KeyError/ValueError for unknown names."""
        status = self.statuses[self.names.index(node_name)]
        return self.absent or status if status is NOT_VISITED else status

    def feasible_names(self) -> list[str]:
        return [self.names[i] for i in self.feasible]

    def raw_scores(self) -> dict[str, dict[str, int]]:
        """Plugin -> node -> score as the plugin gave it."""
        return {
            plugin: {self.names[i]: row.raw[i] for i in self.feasible} for plugin, row in self.scores.items()
        }

    def final_scores(self) -> dict[str, dict[str, int]]:
        """Plugin -> node -> normalized score times weight."""
        return {
            plugin: {self.names[i]: row.final(i) for i in self.feasible}
            for plugin, row in self.scores.items()
        }

    def totals(self) -> dict[str, int]:
        """Node -> sum of the final scores."""
        rows = list(self.scores.values())
        return {self.names[i]: sum(row.final(i) for row in rows) for i in self.feasible} if rows else {}

    def explicit(self) -> Iterator[tuple[str, Status]]:
        """(node, status) of the nodes that a Filter turned down."""
        for name, status in zip(self.names, self.statuses, strict=True):
            if status is not None and status is not NOT_VISITED:
                yield name, status

    def node_statuses(self) -> dict[str, Status]:
        """As PostFilter plugins get them."""
        return dict(self.explicit())

    def rejectors(self) -> tuple[frozenset[str], frozenset[str]]:
        """(plugins that rejected the Pod, those among them that answered Pending)."""
        statuses = [s for s in set(self.statuses) if s is not None and s is not NOT_VISITED]
        if self.pre_filter_status is not None:
            statuses.append(self.pre_filter_status)
        pending = {s.plugin for s in statuses if s.code == Code.PENDING and s.plugin}
        names = self.narrowing | {s.plugin for s in statuses if s.plugin}
        if self.extended:
            names |= {EXTENDER}
        return frozenset(names - pending), frozenset(pending)

    def message(self) -> str:
        """The FitError text of events and conditions."""
        total = len(self.names)
        if not total:
            return NO_NODES_MESSAGE
        text = f"0/{total} nodes are available:"
        if self.pre_filter_message:
            text += f" {self.pre_filter_message}."
        else:
            text += histogram(self.statuses, self.absent)
        return cut(f"{text} {self.post_filter_message}" if self.post_filter_message else text, MOST_MESSAGE_BYTES)


def histogram(statuses: Sequence[Status | None], absent: Status | None) -> str:
    """` <count> <reason>, ...` sorted as whole strings, with a final dot; "" when nobody gave a reason."""
    counts: Counter[str] = Counter()
    for status, times in Counter(statuses).items():
        if status is NOT_VISITED or status == NOT_VISITED:
            status = absent
        if status is not None:
            for reason in status.reasons:
                counts[reason] += times
    parts = sorted(f"{count} {cut(reason, MOST_REASON_BYTES)}".encode() for reason, count in counts.items())
    return f" {cut(b', '.join(_few(parts)).decode(), MOST_MESSAGE_BYTES)}." if parts else ""


def _few(parts: Sequence[bytes]) -> Iterator[bytes]:
    """As many as are said; the one that is too much shows that there are more."""
    room = MOST_MESSAGE_BYTES
    for part in parts:
        yield part
        room -= len(part) + 2
        if room < 0:
            return


def fit_error(names: Sequence[str], statuses: Mapping[str, Status], absent: Status) -> str:
    """The FitError text for these verdicts, by node name; `absent` for nodes without one."""
    return f"0/{len(names)} nodes are available:" + histogram([statuses.get(name) or absent for name in names], None)


def single_node_message(status: Status) -> str:
    """The FitError text for a Pod that was turned down after a node had been chosen (Reserve, Permit)."""
    return "0/1 nodes are available:" + histogram([status], None)
