"use strict";
// What the picture shows (data, search, order), the pointer and the keys, the panel beside it. picture.js draws.
// Everything that comes from the cluster reaches the document as text, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const make = (tag, text, className) => {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  if (className) element.className = className;
  return element;
};
const WORDS = Object.keys(data.words);
const matrix = $("matrix");
let shown = new Set(WORDS), rows = [], columns = [], picked = null;

// --- what the data says

const detailOf = (pod) => (pod.d === undefined ? null : data.details[pod.d]);

/** Everything known of one Pod on one node: {state, plugin, reason, total, parts: [{plugin, raw, final}]}. */
function cellOf(pod, node) {
  const detail = detailOf(pod);
  if (!detail) return { state: "unknown" };
  const verdict = detail.v[node];
  if (verdict < 0 || verdict === undefined) return { state: "unvisited" };
  if (verdict > 0) {
    const [plugin, reason] = data.reasons[verdict - 1];
    return { state: "out", plugin, reason };
  }
  const place = detail.rank[node];
  const parts = detail.p.map((plugin, i) => {
    const raw = pickAt(detail.r[i], place);
    return { plugin: data.plugins[plugin], raw, final: detail.n[i] === null ? raw : pickAt(detail.n[i], place) };
  });
  return { state: "in", parts, total: parts.reduce((sum, part) => sum + part.final, 0), scored: parts.length > 0 };
}
const pickAt = (values, place) => (typeof values === "number" ? values : values[place]);

/** Adds to each detail: which feasible node is the how-manieth, totals, their range. */
function prepare() {
  for (const detail of data.details) {
    let count = 0;
    detail.rank = detail.v.map((verdict) => (verdict === 0 ? count++ : -1));
    detail.totals = detail.rank.map((place) => {
      if (place < 0 || !detail.p.length) return null;
      return detail.p.reduce((sum, _, i) => sum + pickAt(detail.n[i] === null ? detail.r[i] : detail.n[i], place), 0);
    });
    const known = detail.totals.filter((total) => total !== null);
    detail.low = Math.min(...known);
    detail.high = Math.max(...known);
  }
  const scored = data.details.filter((detail) => detail.p.length);
  data.low = scored.reduce((low, detail) => Math.min(low, detail.low), Infinity);
  data.high = scored.reduce((high, detail) => Math.max(high, detail.high), -Infinity);
  data.pods.forEach((pod) => {
    pod.text = [pod.k, pod.y, pod.o, pod.c, pod.e].join(" ").toLowerCase();
  });
}

/** Without the nodes that a change removed. */
const there = (nodes) => [...nodes].filter((i) => !data.nodes[i].removed);

// --- choosing

function select() {
  const wanted = $("pods").value.toLowerCase().split(/\s+/).filter(Boolean), names = $("nodes").value.toLowerCase();
  rows = data.pods.filter((pod) => shown.has(pod.c) && wanted.every((word) => pod.text.includes(word)));
  const order = $("order").value;
  if (order === "name") rows.sort((a, b) => (a.k < b.k ? -1 : 1));
  if (order === "node") rows.sort((a, b) => (a.n < 0 ? 1e9 : a.n) - (b.n < 0 ? 1e9 : b.n) || (a.k < b.k ? -1 : 1));
  columns = data.nodes.map((_, i) => i).filter((i) => data.nodes[i].name.toLowerCase().includes(names));
  const rank = (node) => (node.added ? 0 : node.removed ? 1 : 2);
  if (order === "change") columns.sort((a, b) => rank(data.nodes[a]) - rank(data.nodes[b]) || a - b);
  $("empty").hidden = rows.length > 0 && columns.length > 0;
  layout();
}

// --- the pointer and the keys

function at(event) {
  const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
  const r = Math.floor((y - TOP + matrix.scrollTop) / ROW), c = Math.floor((x - LEFT + matrix.scrollLeft) / column);
  const pod = y >= TOP ? rows[r] : undefined, node = x >= LEFT ? columns[c] : undefined;
  return { pod, node };
}

function hover(event) {
  const { pod, node } = at(event), tip = $("tip");
  if (pod === undefined && node === undefined) { tip.hidden = true; return; }
  tip.textContent = pod === undefined ? nodeText(data.nodes[node]) : node === undefined ? podText(pod) : cellText(pod, node);
  tip.hidden = false;
  const x = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
  const y = event.clientY + 18 + tip.offsetHeight > window.innerHeight ? event.clientY - tip.offsetHeight - 10 : event.clientY + 18;
  tip.style.left = `${x}px`;
  tip.style.top = `${y}px`;
}

const podText = (pod) => `${pod.k}\n${pod.c}${pod.n >= 0 ? `: ${data.nodes[pod.n].name}` : ""}\n${pod.y}`;
const nodeText = (node) => [node.name, ...node.use].join("\n");
function cellText(pod, node) {
  const cell = cellOf(pod, node), head = `${pod.k} on ${data.nodes[node].name}`;
  if (cell.state === "out") return `${head}\nfiltered out by ${cell.plugin}: ${cell.reason}`;
  if (cell.state === "in") return `${head}\n${cell.scored ? `total ${cell.total}` : MARKS.pass}`;
  return `${head}\n${noResult(pod, node)}`;
}

/** Why there is neither a total nor a reason. */
function noResult(pod, node) {
  if (detailOf(pod)) return "not evaluated: enough nodes were found, or the Pod is limited to others";
  if (pod.t) return "no details are kept for this Pod";
  return pod.n === node ? MARKS.still : "not tried";
}

function pick(pod, node) {
  picked = { pod, node };
  tell();
  redraw();
}

function move(event) {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  if (event.key === "Escape") { picked = null; tell(); redraw(); return; }
  if (!step || !rows.length || !columns.length) return;
  event.preventDefault();
  const r = picked ? rows.indexOf(picked.pod) : -1, c = picked ? columns.indexOf(picked.node) : 0;
  const row = Math.max(0, Math.min(rows.length - 1, r + step[0])), col = Math.max(0, Math.min(columns.length - 1, c + step[1]));
  reveal(row, col);
  pick(rows[row], columns[col]);
}

function reveal(row, col) {
  const top = row * ROW, left = col * column, high = matrix.clientHeight - TOP, wide = matrix.clientWidth - LEFT;
  if (top < matrix.scrollTop) matrix.scrollTop = top;
  if (top + ROW > matrix.scrollTop + high) matrix.scrollTop = top + ROW - high;
  if (left < matrix.scrollLeft) matrix.scrollLeft = left;
  if (left + column > matrix.scrollLeft + wide) matrix.scrollLeft = left + column - wide;
}

// --- beside the picture

function tell() {
  const panel = $("panel");
  panel.replaceChildren();
  if (!picked) {
    panel.append(make("h2", "Nothing selected"), make("p", "Click a cell to see each plugin's part in its total, a Pod's name to see "
      + "its best nodes. Arrow keys move.", "soft"));
    tellNodes(panel);
    return;
  }
  const { pod, node } = picked;
  panel.append(make("h2", pod.k));
  const place = pod.n >= 0 ? `on ${data.nodes[pod.n].name}` : "on no node";
  panel.append(make("p", place, pod.n >= 0 ? "" : "bad"), make("p", `${pod.c}: ${data.words[pod.c]}`, "soft"));
  if (pod.w !== undefined && pod.w !== pod.n) panel.append(make("p", `was: ${data.nodes[pod.w].name}`, "soft"));
  if (pod.y) panel.append(make("p", pod.y));
  if (pod.o) panel.append(make("p", `because of: ${pod.o}`, "soft"));
  if (pod.e) panel.append(make("p", `evicted for ${pod.e}`, "bad"));
  if (node !== undefined) tellCell(panel, pod, node);
  tellRow(panel, pod, node);
}

function tellCell(panel, pod, node) {
  const cell = cellOf(pod, node);
  panel.append(make("h3", `on ${data.nodes[node].name}`));
  if (cell.state === "out") {
    panel.append(make("p", `filtered out by ${cell.plugin}`, "bad"), make("p", cell.reason));
    return;
  }
  if (cell.state !== "in") {
    panel.append(make("p", noResult(pod, node), "soft"));
    return;
  }
  panel.append(make("p", `passes ${data.filters[detailOf(pod).f].join(", ")}`, "soft"));
  if (!cell.scored) { panel.append(make("p", "not scored: it was the only node that passes, or no plugin scores", "soft")); return; }
  const other = pod.n >= 0 && pod.n !== node ? cellOf(pod, pod.n) : null, compared = other && other.state === "in";
  const table = make("table"), head = make("tr");
  head.append(make("th", "plugin"), make("th", "raw", "n"), make("th", "score", "n"));
  if (compared) head.append(make("th", `at ${labels.nodes[pod.n]}`, "n"));
  table.append(head);
  const most = Math.max(1, ...cell.parts.map((part) => part.final));
  cell.parts.forEach((part, i) => {
    const line = make("tr"), name = make("td", part.plugin), bar = make("span", "", "bar");
    bar.style.width = `${Math.max(0, (100 * part.final) / most)}%`;
    name.append(bar);
    line.append(name, make("td", part.raw, "n"), make("td", part.final, "n"));
    if (compared) line.append(make("td", `${other.parts[i].final} (${signed(part.final - other.parts[i].final)})`, "n"));
    table.append(line);
  });
  const sum = make("tr", null, "total");
  sum.append(make("td", "total"), make("td", ""), make("td", cell.total, "n"));
  if (compared) sum.append(make("td", `${other.total} (${signed(cell.total - other.total)})`, "n"));
  table.append(sum);
  panel.append(table);
}
const signed = (number) => (number > 0 ? `+${number}` : `${number}`);

/** All nodes for one Pod: the best first, then those that are out. */
function tellRow(panel, pod, chosen) {
  const detail = detailOf(pod);
  if (!detail) return;
  panel.append(make("h3", "all nodes for this Pod"));
  const ranked = data.nodes.map((_, i) => i).filter((i) => detail.v[i] !== undefined)
    .sort((a, b) => (detail.totals[b] ?? (detail.v[b] === 0 ? 0 : -1)) - (detail.totals[a] ?? (detail.v[a] === 0 ? 0 : -1)));
  const table = make("table");
  for (const node of ranked.slice(0, 300)) {
    const cell = cellOf(pod, node), line = make("tr", null, node === chosen ? "pick now" : "pick");
    line.append(make("td", data.nodes[node].name + (node === pod.n ? " (its node)" : "")));
    const said = cell.state === "out" ? `filtered out by ${cell.plugin}: ${cell.reason}` : cell.state !== "in" ? "not evaluated"
      : cell.scored ? cell.total : "not scored";
    line.append(make("td", said, cell.state === "out" ? "" : "n"));
    line.addEventListener("click", () => pick(pod, node));
    table.append(line);
  }
  panel.append(table);
}

function tellNodes(panel) {
  panel.append(make("h3", "nodes"));
  const table = make("table");
  for (const node of data.nodes.slice(0, 300)) {
    const line = make("tr");
    line.append(make("td", node.name + (node.removed ? " (removed)" : node.added ? " (new)" : "")), make("td", node.use.join("\n")));
    line.lastChild.style.whiteSpace = "pre-line";
    table.append(line);
  }
  panel.append(table);
}

// --- above it

function head() {
  const counts = Object.entries(data.summary).filter(([, count]) => count).map(([word, count]) => `${count} ${word}`);
  $("source").textContent = `${there(data.nodes.keys()).length} nodes, ${data.pods.length} Pods: ${counts.join(", ")}. Profiles: ${data.source}.`;
  data.changes.forEach((text) => $("changes").append(make("li", text)));
  data.notes.forEach((text) => $("notes").append(make("li", text)));
  for (const word of WORDS) {
    if (!data.summary[word]) continue;
    const button = make("button", `${data.summary[word]} ${word}`);
    button.type = "button";
    button.title = `${word}: ${data.words[word]}`;
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      if (!shown.delete(word)) shown.add(word);
      button.setAttribute("aria-pressed", String(shown.has(word)));
      select();
    });
    $("words").append(button);
  }
}

function setTheme(dark) {
  document.documentElement.classList.toggle("dark", dark);
  readTheme(dark);
  legend();
  redraw();
}

/** On a small window the controls are closed, so that the picture is in sight. */
const narrows = window.matchMedia("(max-width: 860px)");
function narrow() { $("controls").open = !narrows.matches; }

prepare();
head();
setTheme(window.matchMedia("(prefers-color-scheme: dark)").matches);
narrow();
select();
tell();
$("theme").addEventListener("click", () => setTheme(!document.documentElement.classList.contains("dark")));
for (const id of ["pods", "nodes"]) $(id).addEventListener("input", () => { matrix.scrollTop = 0; select(); });
for (const id of ["order", "scale"]) $(id).addEventListener("change", select);
narrows.addEventListener("change", narrow);
$("further").addEventListener("click", () => { matrix.scrollLeft += matrix.clientWidth - LEFT - column; });
matrix.addEventListener("scroll", redraw, { passive: true });
matrix.addEventListener("keydown", move);
canvas.addEventListener("mousemove", hover);
canvas.addEventListener("mouseleave", () => { $("tip").hidden = true; });
canvas.addEventListener("click", (event) => {
  const { pod, node } = at(event);
  if (pod) pick(pod, node ?? (pod.n >= 0 ? pod.n : undefined));
});
new ResizeObserver(layout).observe(matrix);
