"""The page of `edged schedule simulate --html` in a real Chromium: drawn, clicked, harmless whatever Pods
are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from edged.cli import main as cli
from edged.cli.simulation.page import embedded
from edged.cli.simulation.report import CHANGES
from tests.cli.browser import Browser, chromium
from tests.scheduling.makers import node, pod

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
        "return [box.left + LEFT - matrix.scrollLeft + c * column + column / 2,"
        "box.top + TOP - matrix.scrollTop + r * ROW + 8]",
        pod_text, node_name,
    )  # fmt: skip
    return found[0], found[1]


def colours(browser: Browser) -> int:
    """Different colours in the picture."""
    script = "const { width, height } = canvas, pixels = pen.getImageData(0, 0, width, height).data;"
    return int(browser.run(f"{script} return new Set(new Uint32Array(pixels.buffer)).size"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    return page(folder, 8, 40, "--drain", "node-000", "--add-nodes", "1=node-001")


def owned(name: str, kind: str = "ReplicaSet", **fields: Any) -> dict[str, Any]:
    one = pod(name, namespace="shop", **fields)
    one["metadata"]["ownerReferences"] = [{"kind": kind, "name": f"{name.split('-')[0]}-5d8", "controller": True}]
    return {**one, "kind": "Pod"}


@pytest.fixture(scope="module")
def every_mark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pods of every word, nodes that are new, removed, drained and full, names that are long and alike."""
    folder = tmp_path_factory.mktemp("marks")
    names = [f"edge-node-{n}.workshop.example.lan" for n in range(9)]
    tainted = [{"key": "gpu", "effect": "NoSchedule"}]
    items = [{**node(name, cpu="2" if n < 6 else "4", taints=tainted if n == 8 else []), "kind": "Node"}
             for n, name in enumerate(names)]  # fmt: skip
    items += [owned(f"web-5d8c7b9f6-{n:02}x7k", node=names[n % 7], requests={"cpu": "300m"}) for n in range(21)]
    items += [owned(f"agent-{n}", "DaemonSet", node=names[n], requests={"cpu": "50m"}) for n in range(3)]
    items += [owned(f"batch-job-number-{n}-of-the-night", requests={"cpu": "400m"}) for n in range(6)]
    items += [owned("huge", requests={"cpu": "32"}), owned("selects-nothing", nodeSelector={"disk": "nvme"})]
    there = {"key": "gpu", "operator": "Exists"}
    items.append(owned("victim", node=names[8], requests={"cpu": "4"}, tolerations=[there]))
    pinned = {"nodeSelector": {"gpu": "yes"}, "tolerations": [there]}
    items.append(owned("important", requests={"cpu": "4"}, priority=100, **pinned))
    items[8]["metadata"]["labels"] = {"gpu": "yes"}
    source, html = folder / "cluster.json", folder / "page.html"
    source.write_bytes(orjson.dumps({"kind": "List", "items": items}))
    changes = ["--drain", names[3], "--remove-node", names[1], "--add-nodes", f"2={names[0]}", "--scale", "shop/web=24"]
    assert cli.main(["schedule", "simulate", "-f", str(source), "--html", str(html), *changes]) == 0
    return html


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


ALL_MARKS = """
const found = new Set();
for (const pod of data.pods) {
  data.nodes.forEach((_, node) => marksOf(pod, node).forEach((mark) => found.add(
    mark === "out" ? `out ${data.reasons[detailOf(pod).v[node] - 1][0]}` : mark)));
  if (nameColour(pod) !== "front") found.add(`pod ${nameColour(pod)}`);
}
for (const node of data.nodes) if (nodeColour(node) !== "front") found.add(`node ${nodeColour(node)}`);
const legend = [...document.querySelectorAll("#legend [data-kind]")].map((entry) => entry.dataset.kind);
return [[...found].sort(), legend];
"""
CELL_COLOURS = """
const seen = new Set(), known = new Set(), colours = (pen, x, y, w, h) => {
  const pixels = pen.getImageData(x, y, w, h).data, found = [];
  for (let i = 0; i < pixels.length; i += 4) found.push(pixels.slice(i, i + 3).join());
  return found;
};
for (const entry of document.querySelectorAll("#legend [data-kind] canvas")) {
  const pen = entry.getContext("2d");
  colours(pen, 0, 0, entry.width, entry.height).forEach((colour) => known.add(colour));
}
rows.forEach((pod, r) => columns.forEach((node, c) => {
  if (marksOf(pod, node).includes("total")) return;
  reveal(r, c);
  draw();
  const x = LEFT + c * column - matrix.scrollLeft, y = TOP + r * ROW - matrix.scrollTop;
  const marks = marksOf(pod, node), inset = 5;
  if (!marks.includes("dot")) seen.add(colours(pen, x + inset, y + inset, 1, 1)[0]);
  if (marks.includes("goes")) seen.add(colours(pen, x + 1, y + 8, 1, 1)[0]);
}));
return [...seen].filter((colour) => !known.has(colour));
"""


def test_the_legend_names_every_mark(every_mark: Path) -> None:
    with chromium() as browser:
        browser.open(every_mark)
        found, legend = browser.run(ALL_MARKS)
        assert set(found) <= set(legend)
        assert {"total", "still", "dot", "goes", "stays", "was", "pod bad", "pod was", "node bad"} <= set(found)
        assert {"before", "load", "picked"} <= set(legend)
        assert len(legend) == len(set(legend))
        assert browser.problems() == []
        assert browser.run(CELL_COLOURS) == []
        browser.run("document.getElementById('theme').click()")
        assert browser.run(CELL_COLOURS) == []


def test_a_legend_holds_nothing_that_is_not_drawn(tmp_path: Path) -> None:
    with chromium() as browser:
        browser.open(page(tmp_path, 4, 0))
        found, legend = browser.run(ALL_MARKS)
        assert set(legend) - set(found) == {"picked", "load"}


def test_only_pods_that_move_or_are_placed_have_the_frame(every_mark: Path) -> None:
    with chromium() as browser:
        browser.open(every_mark)
        framed = browser.run(
            "return data.pods.filter((pod) => pod.n >= 0 && marksOf(pod, pod.n).includes('goes')).map((pod) => pod.c)"
        )
        assert {"moved", "new", "elsewhere"} <= set(framed) <= {"moved", "new", "elsewhere", "placed"}
        stay = browser.run("return data.pods.filter((pod) => pod.c === 'same').map((pod) => marksOf(pod, pod.n))")
        assert {"stays", "still"} == {mark for marks in stay for mark in marks} - {"total", "pass"}


@pytest.mark.parametrize("width", [400, 1280])
def test_names_can_be_told_apart(every_mark: Path, width: int) -> None:
    with chromium() as browser:
        browser.resize(width, 900)
        browser.open(every_mark)
        labels = browser.run("return labels.nodes")
        assert len(set(labels)) == len(labels) == 11
        assert sorted(label[:2] for label in labels if label[1] == " ") == ["+ ", "+ ", "\N{MINUS SIGN} "]
        pods = browser.run("return [...labels.pods.values()]")
        assert len(set(pods)) == len(pods)
        assert browser.run("return LEFT / innerWidth") <= 0.3


def test_shortening(every_mark: Path) -> None:
    with chromium() as browser:
        browser.open(every_mark)

        def shorten(room: int, *texts: str) -> list[str]:
            found: list[str] = browser.run("return shorten(arguments[1], arguments[0])", room, texts)
            return found

        assert shorten(9, "short", "also") == ["short", "also"]
        for texts in (
            [f"edge-{n}.a-long-domain.example.lan" for n in range(12)],
            ["edge-1.lan-added-1", "edge-1.lan-added-2", "edge-1.lan", "edge-2.lan-added-1"],
            [f"{a}-in-the-middle-{b}-of-a-name-{c}" for a in "ab" for b in "cd" for c in "ef"],
        ):
            cut = shorten(11, *texts)
            assert len(set(cut)) == len(texts)
            assert max(map(len, cut)) <= 11


def test_a_small_window(every_mark: Path, tmp_path: Path) -> None:
    """400 pixels: nothing runs out of the page, the picture is in sight, what is out of sight is named."""
    many = page(tmp_path, 60, 40, "--add-nodes", "3=node-001")
    with chromium() as browser:
        browser.resize(400, 800)
        for html in (every_mark, many):
            browser.open(html)
            assert browser.run("return innerWidth") == 400
            assert browser.run("return document.documentElement.scrollWidth") <= 400
            assert browser.run("return document.getElementById('matrix').getBoundingClientRect().top") < 280
            added = browser.run(
                "return columns.map((i, c) => [data.nodes[i].added, LEFT + (c + 1) * column]).filter((pair) => pair[0])"
            )
            assert added
            assert all(right <= 400 for _, right in added)
            browser.run("document.querySelector('summary').click()")
            assert browser.run("return document.documentElement.scrollWidth") <= 400
            assert "stays here" in browser.text("#legend")
        browser.run("document.getElementById('order').value = 'name'; select()")
        assert browser.text("#further").endswith("more nodes, 3 new →")
        for _ in range(9):
            browser.run("document.getElementById('further').click(); draw()")
        assert browser.run("return document.getElementById('further').hidden")


CONTRAST = """
const light = (colour) => {
  const linear = (part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = colour.map((part) => linear(part / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const parts = (text) => text.match(/[0-9.]+/g).map(Number);
const ratio = (a, b) => {
  const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
};
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const found = parts(getComputedStyle(at).backgroundColor);
    if (found.length === 3 || found[3] === 1) return found.slice(0, 3);
  }
  return [255, 255, 255];
};
const hex = (name) => [1, 3, 5].map((i) => parseInt(theme[name].slice(i, i + 2), 16)), poor = [];
for (const element of document.querySelectorAll("body *")) {
  if (["SCRIPT", "NOSCRIPT", "CANVAS"].includes(element.tagName) || !element.innerText?.trim()) continue;
  let opacity = 1;
  for (let at = element; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
  const found = opacity * ratio(parts(getComputedStyle(element).color).slice(0, 3), behind(element));
  if (found < 4.5) poor.push([element.outerHTML.slice(0, 80), found]);
}
for (const name of ["front", "soft", "bad", "was", "accent"]) for (const back of ["back", "card", "hover"]) {
  const found = ratio(hex(name), hex(back));
  if (found < 4.5) poor.push([`${name} on ${back}`, found]);
}
for (const hue of theme.hues) {
  const found = ratio([1, 3, 5].map((i) => parseInt(hue.slice(i, i + 2), 16)), hex("out"));
  if (found < 3) poor.push([`cross ${hue}`, found]);
}
return poor;
"""


@pytest.mark.parametrize("dark", [False, True])
def test_texts_can_be_read_in_both_schemes(every_mark: Path, dark: bool) -> None:
    with chromium() as browser:
        browser.open(every_mark)
        browser.run("setTheme(arguments[0]); document.querySelector('#words button').click()", dark)
        for row in (0, 4):
            browser.run("pick(rows[arguments[0]], 0)", row)
            assert browser.run(CONTRAST) == []


def test_one_word_for_each_thing(every_mark: Path) -> None:
    with chromium() as browser:
        browser.open(every_mark)
        assert browser.run("return data.words") == CHANGES
        assert browser.text("#source").startswith("10 nodes, 38 Pods: ")  # as the table says: without the removed one
        buttons = browser.run("return [...document.querySelectorAll('#words button')].map((one) => one.innerText)")
        told = [text.split()[1] for text in buttons]
        counted = browser.text("#source").split(": ", 1)[1].split(".")[0]
        assert [word for word in CHANGES if f" {word}" in counted] == told
        assert {"pending", "evicted", "moved", "new", "elsewhere", "same"} <= set(told)
        browser.run("pick(data.pods.find((pod) => pod.c === 'elsewhere'), 0)")
        assert f"elsewhere: {CHANGES['elsewhere']}" in browser.text("#panel")


def test_what_is_embedded_ends_nothing() -> None:
    text = embedded({"</script>": "<!--\u2028&"})
    assert not set("<>&\u2028") & set(text)
    assert orjson.loads(text) == {"</script>": "<!--\u2028&"}
