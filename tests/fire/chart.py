"""Draws what the mixed load did to a daemon: memory, files, threads and tasks over time, as an SVG.

    python -m tests.fire --rows mixed-load --json fire.json
    python -m tests.fire.chart fire.json docs/mixed-load.svg
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

ROW = "mixed-load"
WIDTH, LEFT, RIGHT = 760, 60, 20
PANEL, GAP, TOP, BOTTOM = 110, 34, 64, 40
POINTS = 600
"""A series is thinned to about so many points; each keeps the largest of what it stands for."""
LINES = {"rss_mib": "#1f5fa8", "pss_mib": "#8a5aa8", "files": "#2f7d4f", "threads": "#b3541e", "tasks": "#8a6d00"}
PANELS: tuple[tuple[str, dict[str, str]], ...] = (
    ("memory, MiB", {"rss_mib": "RSS", "pss_mib": "PSS"}),
    ("open files", {"files": ""}),
    ("threads", {"threads": ""}),
    ("tasks of the event loop", {"tasks": ""}),
)


def thinned(at_s: Sequence[float], values: Sequence[float | None]) -> list[tuple[float, float]]:
    """Pairs of time and value, without the values that are missing."""
    pairs = [(at, value) for at, value in zip(at_s, values, strict=True) if value is not None]
    step = max(1, math.ceil(len(pairs) / POINTS))
    groups = [pairs[start : start + step] for start in range(0, len(pairs), step)]
    return [(group[0][0], max(value for _, value in group)) for group in groups]


def ceiling(value: float) -> float:
    """The next round number, for the upper end of an axis."""
    size = 10.0 ** math.floor(math.log10(max(value, 1)))
    return next(size * factor for factor in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if size * factor >= value)


def drawn(figures: dict[str, Any]) -> str:
    """The SVG of a row's figures."""
    series = figures["series"]
    end = max(series["at_s"])
    height = TOP + len(PANELS) * (PANEL + GAP) + BOTTOM
    head = (
        f"{figures['reviews']:,} reviews, {figures['reloads']} reloads, {figures['pods']} Pods, "
        f"{figures['audits']} audits in {figures['seconds'] / 60:.0f} minutes"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {_FONT}>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(LEFT, 24, "edged under mixed load", 'font-size="16" font-weight="bold"'),
        _text(LEFT, 42, head),
    ]
    for number, (title, names) in enumerate(PANELS):
        parts += _panel(series, title, names, TOP + GAP / 2 + number * (PANEL + GAP), end)
    for part in range(6):
        minutes = end * part / 5 / 60
        parts.append(_text(_x(end * part / 5, end), height - 22, f"{minutes:.{0 if end > 600 else 1}f}", _ANCHOR))
    parts.append(_text(WIDTH / 2, height - 6, "minutes", _ANCHOR))
    return "\n".join([*parts, "</svg>", ""])


_ANCHOR = 'text-anchor="middle"'
_FONT = 'font-family="sans-serif" font-size="12"'


def _panel(series: dict[str, list[Any]], title: str, names: dict[str, str], top: float, end: float) -> list[str]:
    lines = {name: thinned(series["at_s"], series[name]) for name in names}
    most = ceiling(max((value for line in lines.values() for _, value in line), default=1))
    bottom = top + PANEL
    parts = [_text(LEFT, top - 5, title, 'font-weight="bold"')]
    for part in range(3):
        y = bottom - PANEL * part / 2
        parts.append(f'<line x1="{LEFT}" y1="{y:g}" x2="{WIDTH - RIGHT}" y2="{y:g}" stroke="#d0d0d0"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{most * part / 2:g}", 'text-anchor="end"'))
    for place, (name, line) in enumerate(lines.items()):
        points = " ".join(f"{_x(at, end):.1f},{bottom - PANEL * value / most:.1f}" for at, value in line)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{LINES[name]}" stroke-width="1.5"/>')
        if names[name]:
            x = LEFT + 110 + 50 * place
            parts.append(_text(x, top - 5, names[name], f'fill="{LINES[name]}" font-weight="bold"'))
    return parts


def _x(at_s: float, end: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * at_s / max(end, 1e-9)


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" {attributes}>{escape(text)}</text>'


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fire.chart", description="Draw the mixed load as an SVG.")
    parser.add_argument("json", type=Path, help="what make fire wrote")
    parser.add_argument("svg", type=Path)
    options = parser.parse_args(arguments)
    rows = {row["name"]: row for row in json.loads(options.json.read_text())["rows"]}
    if "series" not in rows.get(ROW, {}).get("figures", {}):
        parser.error(f"{options.json} has no result of the row {ROW}")
    options.svg.write_text(drawn(rows[ROW]["figures"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
