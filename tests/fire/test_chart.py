"""The chart is well-formed, shows each series at its scale, and keeps peaks when there are many samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.fire.chart import POINTS, ROW, ceiling, drawn, main, thinned

SVG = "{http://www.w3.org/2000/svg}"


def figures(count: int = 100) -> dict[str, Any]:
    series = {name: [50.0] * count for name in ("rss_mib", "pss_mib", "files", "threads", "tasks")}
    series["tasks"] = [None, *[40] * (count - 1)]  # type: ignore[list-item]
    series["at_s"] = [float(number) for number in range(count)]
    return {"series": series, "seconds": 600.0, "reviews": 12345, "reloads": 150, "pods": 1800, "audits": 30}


def test_every_series_is_a_line() -> None:
    tree = ElementTree.fromstring(drawn(figures()))
    lines = tree.findall(f"{SVG}polyline")
    assert [len(str(line.get("points")).split()) for line in lines] == [100, 100, 100, 100, 99]
    texts = [text.text for text in tree.findall(f"{SVG}text")]
    assert "12,345 reviews, 150 reloads, 1800 Pods, 30 audits in 10 minutes" in texts
    assert {"open files", "threads", "RSS", "PSS"} <= set(texts)


def test_many_samples_are_thinned_and_peaks_stay() -> None:
    values: list[float | None] = [1.0] * 14400
    values[7777] = 9.0
    found = thinned(list(range(14400)), values)
    assert len(found) <= POINTS and max(value for _, value in found) == 9.0


@pytest.mark.parametrize(("value", "end"), [(0, 1), (1, 1), (41, 50), (59.5, 60), (101, 150), (999, 1000)])
def test_axes_end_at_round_numbers(value: float, end: float) -> None:
    assert ceiling(value) == end


def test_the_command_reads_what_the_fire_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written, svg = tmp_path / "fire.json", tmp_path / "fire.svg"
    written.write_text(json.dumps({"rows": [{"name": ROW, "figures": figures()}]}))
    assert main([str(written), str(svg)]) == 0
    assert ElementTree.parse(svg).getroot().tag == f"{SVG}svg"
    written.write_text(json.dumps({"rows": []}))
    with pytest.raises(SystemExit):
        main([str(written), str(svg)])
    assert f"no result of the row {ROW}" in capsys.readouterr().err
