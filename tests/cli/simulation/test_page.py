"""The page of `edged schedule simulate --html` in a real Chromium: drawn, clicked, harmless whatever Pods
are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from edged.cli import main as cli
from edged.cli.simulation.page import embedded
from tests.cli.browser import Browser, chromium
from tests.scheduling.makers import node, pod

LEFT, TOP, ROW = 236, 142, 20  # as page.js has them
NASTY = "</script><script>window.hit=1</script><img src=x onerror=window.hit=2>"


def picture(path: Path, nodes: int, pods: int) -> Path:
    items: list[dict[str, Any]] = []
    for n in range(nodes):
        taints = [{"key": "gpu", "effect": "NoSchedule"}] if n % 4 == 3 else []
        items.append({**node(f"node-{n:03}", cpu=str(4 + n % 3 * 4), taints=taints), "kind": "Node"})
    for n in range(pods):
        where = f"node-{n % nodes:03}" if n % 3 == 0 else ""
        one = pod(f"web-{n:04}", requests={"cpu": f"{100 + n % 7 * 50}m"}, node=where)
        items.append({**one, "kind": "Pod"})
    items.append({**pod(NASTY, labels={"<b>": "&"}, requests={"cpu": "99"}), "kind": "Pod"})
    path.write_bytes(orjson.dumps({"kind": "List", "items": items}))
    return path


def page(folder: Path, nodes: int, pods: int, *options: str) -> Path:
    html = folder / "page.html"
    source = picture(folder / "cluster.json", nodes, pods)
    assert cli.main(["schedule", "simulate", "-f", str(source), "--html", str(html), *options]) == 0
    return html


def place(browser: Browser, pod_text: str, node_name: str) -> tuple[float, float]:
    """Where the cell of a Pod and a node is in the window."""
    found = browser.run(
        "const r = rows.findIndex((p) => p.k.includes(arguments[0])), c = columns.findIndex((i) => data.nodes[i].name "
        "=== arguments[1]); reveal(r, c); draw(); const box = canvas.getBoundingClientRect();"
        "return [box.left - matrix.scrollLeft + c * column + column / 2, box.top - matrix.scrollTop + r * 20 + 8]",
        pod_text, node_name,
    )  # fmt: skip
    return found[0] + LEFT, found[1] + TOP


def colours(browser: Browser) -> int:
    """Different colours in the picture."""
    script = "const { width, height } = canvas, pixels = pen.getImageData(0, 0, width, height).data;"
    return int(browser.run(f"{script} return new Set(new Uint32Array(pixels.buffer)).size"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    return page(folder, 8, 40, "--drain", "node-000", "--add-nodes", "1=node-001")


def test_a_click_tells_each_plugins_part(small: Path, tmp_path: Path) -> None:
    with chromium() as browser:
        browser.open(small)
        assert "9 nodes, 41 Pods" in browser.text("#source")
        assert "node-000 drained" in browser.text("#changes")
        browser.click(*place(browser, "web-0001", "node-001"))
        panel = browser.text("#panel")
        assert panel.startswith("default/web-0001")
        assert "ON NODE-001" in panel
        assert "NodeResourcesFit" in panel
        assert "total" in panel
        browser.click(*place(browser, "web-0001", "node-003"))
        panel = browser.text("#panel")
        assert "filtered out by TaintToleration" in panel
        assert "node(s) had untolerated taint(s)" in panel
        assert colours(browser) > 30
        assert browser.screenshot(tmp_path / "page.png").startswith(b"\x89PNG")
        assert browser.problems() == []


def test_a_pods_name_stays_text(small: Path) -> None:
    with chromium() as browser:
        browser.open(small)
        browser.click(*place(browser, "script", "node-001"))
        assert browser.text("#panel h2") == f"default/{NASTY}"
        assert "Insufficient cpu" in browser.text("#panel")
        assert browser.run("return window.hit === undefined && document.images.length === 0")
        assert browser.run("return document.scripts.length") == 2
        assert browser.problems() == []


def test_searching_keys_and_dark(small: Path) -> None:
    with chromium("--force-dark-mode") as browser:
        browser.open(small)
        browser.run("document.getElementById('pods').focus()")
        browser.keys("web-000")
        assert browser.run("return rows.length") == 10
        browser.run("document.getElementById('nodes').focus()")
        browser.keys("added")
        assert browser.run("return columns.map((i) => data.nodes[i].name)") == ["node-001-added-1"]
        browser.run("matrix.focus()")
        browser.keys("\ue015\ue015")  # down, down
        assert browser.text("#panel h2") == browser.run("return rows[1].k")
        was = browser.run("return document.documentElement.classList.contains('dark')")
        browser.run("document.getElementById('theme').click()")
        assert browser.run("return document.documentElement.classList.contains('dark')") is not was
        assert browser.problems() == []


def test_a_large_cluster_is_bounded_and_quick_to_draw(tmp_path: Path) -> None:
    html = page(tmp_path, 100, 1000)
    assert html.stat().st_size < 8 << 20
    with chromium() as browser:
        browser.open(html)
        assert browser.run("return rows.length") == 1001
        browser.run("matrix.scrollTop = 15000; draw()")
        browser.click(*place(browser, "web-0998", "node-050"))
        assert browser.text("#panel h2") == "default/web-0998"
        assert browser.run("return canvas.height <= innerHeight * 2")  # what is seen is drawn, not all of it
        assert browser.problems() == []


def test_what_is_embedded_ends_nothing() -> None:
    text = embedded({"</script>": "<!--\u2028&"})
    assert not set("<>&\u2028") & set(text)
    assert orjson.loads(text) == {"</script>": "<!--\u2028&"}
