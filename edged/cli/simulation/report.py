"""A simulation as plain data for programs. tables.py prints it for people, page.py makes the page.

A Comparison holds both outcomes, before and after the changes; without changes they are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from edged.kube.values.names import NamespacedName
from edged.scheduling.explain.records import nodes_of
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.pod_objects import node_of
from edged.scheduling.simulation.simulation import Fate, Outcome, offline_summary

CHANGES: Final = {
    "pending": "has no node: none passes all filters",
    "evicted": "lost its node to a more important Pod, and found no other",
    "moved": "runs, and goes to another node",
    "placed": "was waiting, and gets a node",
    "new": "was made by a change, and gets a node",
    "elsewhere": "was waiting, and gets another node than without the changes",
    "same": "has the same node with and without the changes",
}
"""What may become of a Pod, in the order of tables: the one word for it everywhere, and what it means."""


class Comparison:
    """`said`: the changes in words; `source`: where the profiles are from; `notes`: what else is to be known."""

    def __init__(
        self,
        state: ClusterState,
        before: Outcome,
        after: Outcome,
        said: Sequence[str],
        notes: Sequence[str],
        source: str,
    ) -> None:
        self.state, self.before, self.after = state, before, after
        self.said, self.source = list(said), source
        self.notes = list(notes)
        if after.strays:
            names = ", ".join(sorted(after.strays))
            self.notes.append(f"Pods of other schedulers ({names}) were placed as if they were this one's")
        if after.left_out:
            self.notes.append(f"of {after.left_out} Pods only the outcome is kept, their details would be too large")

    # --- one Pod

    def was(self, key: NamespacedName) -> str:
        """Where it runs in the picture, else where it would have gone without the changes; "" for nowhere."""
        pod = self.state.pods.get(key)
        runs = node_of(pod) if pod is not None else ""
        fate = self.before.fates.get(key)
        return runs or (fate.node if fate is not None and self.said else "")

    def change(self, fate: Fate) -> str:
        """The word of CHANGES for the effect of the changes (or of the simulation itself) on a Pod."""
        was = self.was(fate.key)
        if fate.evicted_by and not fate.node:
            return "evicted"
        if not fate.node:
            return "pending"
        if fate.key not in self.before.fates:
            return "new"
        if not was:
            return "placed"
        if was == fate.node:
            return "same"
        pod = self.state.pods.get(fate.key)
        return "moved" if pod is not None and node_of(pod) else "elsewhere"

    def why(self, fate: Fate) -> str:
        if not fate.node:
            told = fate.message or "not tried"
            return f"evicted for {fate.evicted_by}; {told}" if fate.evicted_by else told
        return fate.why or ("runs there" if not fate.tried else "")

    def waiting(self) -> list[Fate]:
        return [fate for fate in self.after.fates.values() if not fate.node]

    def fates(self) -> list[Fate]:
        """Those that changed first, then by name."""
        order = list(CHANGES)
        return sorted(self.after.fates.values(), key=lambda fate: (order.index(self.change(fate)), fate.key))

    def gone(self) -> list[NamespacedName]:
        return sorted(key for key in self.before.fates if key not in self.after.fates)

    # --- as data

    def describe(self, *, details: bool = False) -> dict[str, Any]:
        """{"changes", "notes", "profiles_from", "summary": {word: Pods}, "nodes": [...], "pods": [...], "gone": [...]};
        the keys are in docs/scheduling.md."""
        return {
            "changes": self.said,
            "notes": self.notes,
            "profiles_from": self.source,
            "summary": self.summary(),
            "nodes": self.nodes(),
            "pods": [self._pod(fate, details) for fate in self.fates()],
            "gone": [str(key) for key in self.gone()],
        }

    def summary(self) -> dict[str, int]:
        counts = dict.fromkeys(CHANGES, 0)
        for fate in self.after.fates.values():
            counts[self.change(fate)] += 1
        return {**counts, "gone": len(self.gone())}

    def nodes(self) -> list[dict[str, Any]]:
        """offline_summary of the nodes, with "before" where there are changes ({} for new ones), removed ones last."""
        before = {node["name"]: node for node in offline_summary(self.before.nodes)}
        nodes = offline_summary(self.after.nodes)
        if not self.said:
            return nodes
        found = [{**node, "before": before.get(node["name"], {})} for node in nodes]
        left = {node["name"] for node in nodes}
        return found + [
            {"name": name, "removed": True, "before": node} for name, node in before.items() if name not in left
        ]

    def _pod(self, fate: Fate, details: bool) -> dict[str, Any]:
        found: dict[str, Any] = {
            "pod": str(fate.key),
            "node": fate.node,
            "was": self.was(fate.key),
            "change": self.change(fate),
            "why": self.why(fate),
        }
        if fate.origin:
            found["origin"] = fate.origin
        if fate.nominated:
            found["nominated"] = fate.nominated
        if fate.evicted_by:
            found["evicted_by"] = fate.evicted_by
        if details and fate.record is not None:
            found["nodes"] = nodes_of(fate.record)
        return found


def use_words(node: dict[str, object]) -> list[str]:
    """`pods 3/110`, `cpu 1 -> 2/4`, `memory ...` of an entry of `Comparison.nodes`."""
    return [f"{name} {use(node, key, limit, text)}" for name, key, limit, text in USES]


def use(node: dict[str, Any], key: str, limit: str, text: Callable[[int], str]) -> str:
    """`3.2/4`, with what it was before in front where that differs."""
    before = node.get("before") or {}
    if node.get("removed"):
        return f"{text(before[key])}/{text(before[limit])} -> gone"
    now = f"{text(node[key])}/{text(node[limit])}"
    return f"{text(before[key])} -> {now}" if before and before[key] != node[key] else now


def _cpu(milli: int) -> str:
    return f"{milli / 1000:.3f}".rstrip("0").rstrip(".")


def _memory(amount: int) -> str:
    if amount >= 1 << 30:
        return f"{amount / (1 << 30):.1f}".removesuffix(".0") + "Gi"
    return f"{amount / (1 << 20):.0f}Mi" if amount else "0"


USES: Final = (
    ("pods", "pods", "pods_limit", str),
    ("cpu", "cpu_milli", "cpu_limit_milli", _cpu),
    ("memory", "memory", "memory_limit", _memory),
)
