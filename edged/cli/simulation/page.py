"""Writes a simulation as one HTML page that loads nothing and sends nothing.

Markup, style and script are files beside this one; the data goes in as JSON in which no character can end its
element, and a policy in the page allows exactly this style and this script. Called by the command alone.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any, Final

from edged.cli import new_files
from edged.cli.simulation.report import CHANGES, Comparison, use_words
from edged.errors import ConfigError
from edged.json_text import Fragment, dumps
from edged.scheduling.core.outcome import NOT_VISITED, Evaluation
from edged.scheduling.explain.records import Record
from edged.scheduling.simulation.simulation import Fate

_PAGE = "a page of `edged schedule simulate`"
_TITLE = b"<title>edged: where Pods go</title>"  # as page.html has it
MOST_DETAIL_BYTES: Final = 16 << 20
"""Limit for the results and scores of all Pods. Above it, further (unchanged) Pods keep their outcome only."""


def write_page(comparison: Comparison, path: Path, *, force: bool = False) -> None:
    """Raises ConfigError."""
    try:
        new_files.write(path, page(comparison).encode(), force=force, ours=_is_page, what=_PAGE)
    except ConfigError as error:
        raise ConfigError(f"--html {error}") from error


def check_page(path: Path, *, force: bool = False) -> None:
    """Such a page may be written over, as people simulate again and again; no other file. Raises ConfigError."""
    new_files.check(path, force=force, ours=_is_page, what=_PAGE)


def _is_page(content: bytes) -> bool:
    return content.startswith(b"<!doctype html>") and _TITLE in content[:10_000]


def page(comparison: Comparison) -> str:
    """The page as text."""
    folder = resources.files("edged.cli.simulation")
    texts = ((folder / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "picture.js", "page.js"))
    html, style, *scripts = texts
    script = "".join(scripts)
    allowed = {"default-src": "none", "style-src": _digest(style), "script-src": _digest(script), "base-uri": "none"}
    policy = "; ".join(f"{what} '{which}'" for what, which in allowed.items())
    parts = {"csp": policy, "style": style, "script": script, "data": embedded(PageData(comparison).build())}
    for name, text in parts.items():
        before, _, after = html.partition("{{" + name + "}}")
        html = before + text + after
    return html


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def embedded(data: object) -> str:
    """JSON for a script element. No name of a Pod can end or start an element."""
    text = dumps(data).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


class PageData:
    """What page.js reads. Texts that repeat are numbers into lists.

    pods: k name, n node and w node before (positions; -1 none), c change, y why, o origin, e evicted by, t 1 if it was
    tried, d position in `details`. details: f position in `filters`, v per node 0 = feasible, -1 = not visited, else
    1 + position in `reasons`; p scoring plugins (positions in `plugins`), r and n per plugin the raw and the counting
    scores of the feasible nodes in order, one number where all are alike; n null where it is r.
    """

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        self._reasons: dict[tuple[str, str], int] = {}
        self._plugins: dict[str, int] = {}
        self._filters: dict[tuple[str, ...], int] = {}
        self._details: dict[bytes, int] = {}
        self._bytes = 0
        self._left_out = 0

    def build(self) -> dict[str, Any]:
        comparison = self._comparison
        nodes = [_node(node, bool(comparison.said)) for node in comparison.nodes()]
        places = {node["name"]: position for position, node in enumerate(nodes)}
        pods = [self._pod(fate, places) for fate in comparison.fates()]
        notes = list(comparison.notes)
        if self._left_out:
            notes.append(f"details of {self._left_out} Pods are left out: the page would be too large")
        return {
            "changes": comparison.said,
            "notes": notes,
            "source": comparison.source,
            "summary": comparison.summary(),
            "words": CHANGES,
            "nodes": nodes,
            "pods": pods,
            "plugins": list(self._plugins),
            "filters": list(self._filters),
            "reasons": list(self._reasons),
            "against": list(dict.fromkeys(plugin for plugin, _ in self._reasons)),
            "details": [Fragment(detail) for detail in self._details],
        }

    def _pod(self, fate: Fate, places: dict[str, int]) -> dict[str, Any]:
        comparison = self._comparison
        pod: dict[str, Any] = {"k": str(fate.key), "n": places.get(fate.node, -1), "c": comparison.change(fate)}
        was, why = comparison.was(fate.key), comparison.why(fate)
        if was in places:
            pod["w"] = places[was]
        pod |= {key: text for key, text in (("y", why), ("o", fate.origin), ("e", fate.evicted_by)) if text}
        if fate.tried:
            pod["t"] = 1
        if fate.record is not None:
            detail = self._detail(fate.record, places)
            if detail is not None:
                pod["d"] = detail
        return pod

    def _detail(self, record: Record, places: dict[str, int]) -> int | None:
        encoded = dumps(self._describe(record, places))
        known = self._details.get(encoded)
        if known is None:
            if self._bytes + len(encoded) > MOST_DETAIL_BYTES:
                self._left_out += 1
                return None
            self._bytes += len(encoded)
            known = self._details[encoded] = len(self._details)
        return known

    def _describe(self, record: Record, places: dict[str, int]) -> dict[str, Any]:
        evaluation = record.evaluation
        verdicts = [-1] * len(places)
        for position, name in enumerate(evaluation.names):
            verdicts[places[name]] = self._verdict(evaluation, position)
        order = sorted(evaluation.feasible, key=lambda position: places[evaluation.names[position]])
        raws, finals, plugins = [], [], []
        for plugin, row in evaluation.scores.items():
            plugins.append(self._plugins.setdefault(plugin, len(self._plugins)))
            raw, final = [row.raw[i] for i in order], [row.final(i) for i in order]
            raws.append(_short(raw))
            finals.append(None if raw == final else _short(final))
        filters = tuple(c.name for c in record.profile.calls["filter"] if c.name not in record.skip_filter)
        number = self._filters.setdefault(filters, len(self._filters))
        return {"f": number, "v": verdicts, "p": plugins, "r": raws, "n": finals}

    def _verdict(self, evaluation: Evaluation, position: int) -> int:
        status = evaluation.statuses[position]
        if status is None:
            return 0
        if status is NOT_VISITED:
            status = evaluation.absent
            if status is None:
                return -1
        key = (status.plugin or "PreFilter", status.message)
        return 1 + self._reasons.setdefault(key, len(self._reasons))


def _short(scores: list[int]) -> list[int] | int:
    return scores[0] if scores and scores.count(scores[0]) == len(scores) else scores


def _node(node: dict[str, Any], compares: bool) -> dict[str, Any]:
    """{"name", "removed", "added", "use": lines, "cpu", "memory", "cpu_before", "memory_before": shares or null}."""
    before, removed = node.get("before") or {}, bool(node.get("removed"))
    now = {} if removed else node
    found: dict[str, Any] = {"name": node["name"], "use": use_words(node)}
    for short, key, limit in (("cpu", "cpu_milli", "cpu_limit_milli"), ("memory", "memory", "memory_limit")):
        found[short] = _share(now, key, limit)
        found[f"{short}_before"] = _share(before, key, limit)
    if removed:
        found["removed"] = True
    elif compares and not before:
        found["added"] = True
    return found


def _share(node: dict[str, Any], key: str, limit: str) -> float | None:
    return round(node[key] / node[limit], 3) if node.get(limit) else None
