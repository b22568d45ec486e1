"""Prints a simulation as tables that fit the terminal; `-o wide` prints everything.

In a narrow table names are cut where they differ, and reasons stand below it. Called by the command alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import Any, Final

from edged.cli.output import ellipsis, print_table, terminal_width
from edged.cli.simulation.report import USES, Comparison, use
from edged.cli.simulation.short_names import shorten
from edged.scheduling.simulation.simulation import Fate

LONG_TABLE: Final = 200
"""Rows in a table; the rest is counted."""
MOST_REASONS: Final = 5
_WITH_WHY: Final = 110
"""From this width on, a table has room for reasons."""
_WHY: Final = 30
_GAP: Final = 3


def print_tables(comparison: Comparison, output: str, *, everything: bool) -> None:
    width = None if output == "wide" else terminal_width()
    for line in _head(comparison):
        _print(line, width)
    fates = comparison.fates()
    if not everything:
        fates = [fate for fate in fates if comparison.change(fate) != "same" or fate.tried]
    if fates:
        print()
        shown = fates if everything else fates[:LONG_TABLE]
        _print_pods(comparison, shown, output, width)
        _print_rest(len(fates) - len(shown))
        if width is not None and width < _WITH_WHY:
            _print_reasons(comparison, shown, width)
    print()
    nodes = comparison.nodes()
    shown_nodes = nodes if everything or len(nodes) <= LONG_TABLE else sorted(nodes, key=_is_as_before)[:LONG_TABLE]
    _print_nodes(shown_nodes, output, width)
    _print_rest(len(nodes) - len(shown_nodes))


def _head(comparison: Comparison) -> list[str]:
    counts = ", ".join(f"{count} {word}" for word, count in comparison.summary().items() if count)
    lines = [f"{len(comparison.after.nodes)} nodes, {len(comparison.after.fates)} Pods: {counts or 'none'}"]
    lines.append(f"profiles: {comparison.source}")
    lines += [f"change: {change}" for change in comparison.said]
    return lines + [f"note: {note}" for note in comparison.notes]


def _print(line: str, width: int | None) -> None:
    """A paragraph, broken between words where it is longer than the terminal is wide."""
    for part in [line] if width is None else wrap(line, width, subsequent_indent="  ", break_on_hyphens=False) or [""]:
        print(part if part.isprintable() else part.encode("unicode_escape").decode())


def _print_rest(count: int) -> None:
    if count:
        print(f"and {count} more; --all shows them")


def _print_pods(comparison: Comparison, fates: Sequence[Fate], output: str, width: int | None) -> None:
    places = [(str(fate.key), fate.node, comparison.was(fate.key)) for fate in fates]
    if width is not None:
        others = 3 * _GAP + max(len(comparison.change(fate)) for fate in fates)
        places = _fitted(places, width - others - (_WHY + _GAP if width >= _WITH_WHY else 0))
    rows = [(*names, comparison.change(fate), fate.origin, comparison.why(fate))
            for names, fate in zip(places, fates, strict=True)]  # fmt: skip
    hidden = {"BECAUSE OF"} if width is not None and width >= _WITH_WHY else {"BECAUSE OF", "WHY"}
    print_table(("POD", "NODE", "WAS", "CHANGE", "BECAUSE OF", "WHY"), rows, output, only_wide=hidden)


def _fitted(places: Iterable[tuple[str, str, str]], room: int) -> list[tuple[str, str, str]]:
    """(Pod, node, node before) with names that fit into `room` together."""
    found = list(places)
    pods, nodes = [pod for pod, _, _ in found], [node for _, now, was in found for node in (now, was) if node]
    longest_pod, longest_node = max(map(len, pods)), max(map(len, nodes), default=1)
    for_node = min(longest_node, max(room * 2 // 7, (room - longest_pod) // 2))
    for_pod = max(room - 2 * for_node, 8)
    short_pods, short_nodes = _short(pods, for_pod), _short(nodes, max(for_node, 8))
    return [(short_pods[pod], short_nodes.get(now, ""), short_nodes.get(was, "")) for pod, now, was in found]


def _short(names: Iterable[str], room: int) -> dict[str, str]:
    return {name: cut.replace("…", ellipsis()) for name, cut in shorten(names, room).items()}


def _print_reasons(comparison: Comparison, fates: Iterable[Fate], width: int) -> None:
    """Why Pods have no node: each reason once, with its Pods."""
    pods: dict[tuple[str, str], list[str]] = {}
    for fate in fates:
        if not fate.node:
            pods.setdefault((comparison.change(fate), comparison.why(fate)), []).append(str(fate.key))
    if pods:
        print()
    for (word, why), names in list(pods.items())[:MOST_REASONS]:
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        _print(f"{word}: {', '.join(names[:2])}{more}: {why}", width)
    if len(pods) > MOST_REASONS:
        print(f"and {len(pods) - MOST_REASONS} more reasons; -o wide shows them")


def _print_nodes(nodes: Sequence[dict[str, Any]], output: str, width: int | None) -> None:
    arrow = " -> " if width is None else "→" if ellipsis() == "…" else "->"
    uses = [[use(node, key, limit, text).replace(" -> ", arrow) for _, key, limit, text in USES] for node in nodes]
    marks = [" (removed)" if node.get("removed") else " (new)" if node.get("before") == {} else "" for node in nodes]
    names = [str(node["name"]) for node in nodes]
    if width is not None:
        taken = sum(max(len(one[column]) for one in uses) for column in range(len(USES))) + _GAP * len(USES)
        short = _short(names, max(10, width - taken - max(map(len, marks))))
        names = [short[name] for name in names]
    rows = [(name + mark, *one) for name, mark, one in zip(names, marks, uses, strict=True)]
    print_table(("NODE", "PODS", "CPU", "MEMORY"), rows, output)


def _is_as_before(node: dict[str, Any]) -> bool:
    now = {key: value for key, value in node.items() if key != "before"}
    return "before" not in node or node["before"] == now
