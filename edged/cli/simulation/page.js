"use strict";
// Draws the matrix on a canvas as large as the window shows: a thousand Pods by a hundred nodes are too many elements.
// Everything that comes from the cluster reaches the document as text, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const make = (tag, text, className) => {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  if (className) element.className = className;
  return element;
};
const LEFT = 236, TOP = 142, ROW = 20;
const DARK_HUES = ["#d8b45a", "#6fc7ae", "#d394c4", "#8fb0ea", "#e59a80", "#b0c563", "#b9a0f0", "#7fc3d8", "#e08aa4", "#a3aeb8"];
const HUES = ["#8c6d1f", "#2f7d6b", "#8a4f7d", "#4d6fa8", "#a3553a", "#6b7d2f", "#7a5fb0", "#3f7f92", "#9a4257", "#5c6670"];
const WORDS = ["pending", "evicted", "moved", "placed", "new", "elsewhere", "same"];  // those of the table
const canvas = $("canvas"), matrix = $("matrix"), pen = canvas.getContext("2d");
let shown = new Set(WORDS), rows = [], columns = [], picked = null, hovered = null, theme = {}, column = 22;

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

// --- choosing

function select() {
  const wanted = $("pods").value.toLowerCase().split(/\s+/).filter(Boolean), names = $("nodes").value.toLowerCase();
  rows = data.pods.filter((pod) => shown.has(pod.c) && wanted.every((word) => pod.text.includes(word)));
  const order = $("order").value;
  if (order === "name") rows.sort((a, b) => (a.k < b.k ? -1 : 1));
  if (order === "node") rows.sort((a, b) => (a.n < 0 ? 1e9 : a.n) - (b.n < 0 ? 1e9 : b.n) || (a.k < b.k ? -1 : 1));
  columns = data.nodes.map((_, i) => i).filter((i) => data.nodes[i].name.toLowerCase().includes(names));
  $("empty").hidden = rows.length > 0 && columns.length > 0;
  layout();
}

function layout() {
  const room = matrix.clientWidth - LEFT - 14;
  column = Math.max(columns.length > 50 ? 12 : 18, Math.min(64, Math.floor(room / Math.max(1, columns.length))));
  $("spacer").style.width = `${LEFT + columns.length * column + 8}px`;
  $("spacer").style.height = `${TOP + rows.length * ROW + 8}px`;
  const ratio = window.devicePixelRatio || 1;
  canvas.style.width = `${matrix.clientWidth}px`;
  canvas.style.height = `${matrix.clientHeight}px`;
  canvas.width = matrix.clientWidth * ratio;
  canvas.height = matrix.clientHeight * ratio;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  draw();
}

// --- colours

function readTheme() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["back", "front", "soft", "line", "card", "accent", "was", "out", "hover", "bad"]) {
    theme[name] = style.getPropertyValue(`--${name}`).trim();
  }
  theme.ramp = style.getPropertyValue("--ramp").split(",").map((text) => {
    const hex = text.trim().slice(1);
    return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
  });
}

function ramp(share) {
  const at = Math.max(0, Math.min(1, share)) * (theme.ramp.length - 1), low = Math.min(Math.floor(at), theme.ramp.length - 2);
  const mixed = theme.ramp[low].map((from, i) => Math.round(from + (theme.ramp[low + 1][i] - from) * (at - low)));
  return `rgb(${mixed.join(",")})`;
}

function colourOf(detail, node) {
  const total = detail.totals[node];
  if (total === null) return ramp(0.5);
  const all = $("scale").value === "all";
  const low = all ? data.low : detail.low, high = all ? data.high : detail.high;
  return ramp(high > low ? (total - low) / (high - low) : 0.5);
}
const hueOf = (plugin) => theme.hues[Math.max(0, data.against.indexOf(plugin)) % theme.hues.length];

// --- drawing

let drawing = false;
function redraw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; draw(); });
}

function draw() {
  const width = matrix.clientWidth, height = matrix.clientHeight, x = matrix.scrollLeft, y = matrix.scrollTop;
  pen.fillStyle = theme.back;
  pen.fillRect(0, 0, width, height);
  const first = Math.max(0, Math.floor(y / ROW)), last = Math.min(rows.length, Math.ceil((y + height - TOP) / ROW));
  const from = Math.max(0, Math.floor(x / column)), to = Math.min(columns.length, Math.ceil((x + width - LEFT) / column));
  pen.save();
  pen.beginPath();
  pen.rect(LEFT, TOP, width - LEFT, height - TOP);
  pen.clip();
  for (let r = first; r < last; r++) for (let c = from; c < to; c++) drawCell(rows[r], columns[c], LEFT + c * column - x, TOP + r * ROW - y);
  pen.restore();
  drawNames(first, last, y);
  drawHead(from, to, x);
  pen.fillStyle = theme.back;
  pen.fillRect(0, 0, LEFT, TOP);
  pen.fillStyle = theme.soft;
  pen.font = "12px system-ui, sans-serif";
  pen.textAlign = "left";
  pen.fillText(`${rows.length} of ${data.pods.length} Pods`, 16, TOP - 44);
  pen.fillText(`${columns.length} of ${data.nodes.length} nodes`, 16, TOP - 28);
  pen.fillText("node: cpu | memory requested", 16, TOP - 10);
}

function drawCell(pod, node, x, y) {
  const detail = detailOf(pod), w = column - 2, h = ROW - 2;
  if (detail) {
    const verdict = detail.v[node];
    if (verdict === 0) {
      pen.fillStyle = colourOf(detail, node);
      pen.fillRect(x, y, w, h);
    } else if (verdict > 0) {
      pen.fillStyle = theme.out;
      pen.fillRect(x, y, w, h);
      pen.strokeStyle = hueOf(data.reasons[verdict - 1][0]);
      pen.lineWidth = 1.8;
      const arm = Math.min(4.5, w / 2 - 1.5);
      pen.beginPath();
      for (const side of [-arm, arm]) {
        pen.moveTo(x + w / 2 - side, y + h / 2 - arm);
        pen.lineTo(x + w / 2 + side, y + h / 2 + arm);
      }
      pen.stroke();
    } else drawDot(x, y, w, h);
  } else drawDot(x, y, w, h);
  if (pod.w === node && pod.n !== node) frame(x, y, w, h, theme.was, [3, 2]);
  if (pod.n === node) {
    if (!detail || detail.v[node] === undefined) { pen.fillStyle = theme.soft; pen.fillRect(x + 3, y + 3, w - 6, h - 6); }
    frame(x, y, w, h, theme.accent, []);
  }
  if (picked && picked.pod === pod && picked.node === node) {
    pen.strokeStyle = theme.front;
    pen.lineWidth = 2;
    pen.setLineDash([]);
    pen.strokeRect(x - 1.5, y - 1.5, w + 3, h + 3);
  }
}

function drawDot(x, y, w, h) {
  pen.fillStyle = theme.line;
  pen.fillRect(x + w / 2 - 1, y + h / 2 - 1, 2, 2);
}

function frame(x, y, w, h, colour, dash) {
  pen.strokeStyle = colour;
  pen.lineWidth = 3;
  pen.setLineDash(dash);
  pen.strokeRect(x + 1.5, y + 1.5, w - 3, h - 3);
  pen.setLineDash([]);
}

function drawNames(first, last, y) {
  pen.save();
  pen.beginPath();
  pen.rect(0, TOP, LEFT, canvas.height);
  pen.clip();
  pen.fillStyle = theme.back;
  pen.fillRect(0, TOP, LEFT, canvas.height);
  pen.font = "12px system-ui, sans-serif";
  pen.textAlign = "right";
  for (let r = first; r < last; r++) {
    const pod = rows[r], at = TOP + r * ROW - y;
    if (picked && picked.pod === pod) { pen.fillStyle = theme.hover; pen.fillRect(0, at - 1, LEFT - 4, ROW); }
    pen.fillStyle = pod.n < 0 ? theme.bad : pod.c === "moved" ? theme.was : theme.front;
    pen.fillText(fit(pod.k, LEFT - 26), LEFT - 8, at + 13);
  }
  pen.restore();
}

function drawHead(from, to, x) {
  pen.save();
  pen.beginPath();
  pen.rect(LEFT, 0, canvas.width, TOP);
  pen.clip();
  pen.fillStyle = theme.back;
  pen.fillRect(LEFT, 0, canvas.width, TOP);
  pen.font = `${column < 14 ? 10.5 : 12}px system-ui, sans-serif`;
  pen.textAlign = "left";
  for (let c = from; c < to; c++) {
    const node = data.nodes[columns[c]], at = LEFT + c * column - x;
    pen.save();
    pen.translate(at + column / 2 + 3, TOP - 42);
    pen.rotate(-Math.PI / 2);
    pen.fillStyle = node.removed ? theme.bad : node.added ? theme.accent : theme.front;
    pen.fillText(fit(node.name + (node.removed ? " (removed)" : node.added ? " (new)" : ""), TOP - 50), 0, 0);
    pen.restore();
    const each = Math.min(9, (column - 4) / 2);
    gauge(at + column / 2 - each - 1, node.cpu, node.cpu_before, each);
    gauge(at + column / 2 + 1, node.memory, node.memory_before, each);
  }
  pen.restore();
}

/** A bar for the share that is requested; a line where it was before. */
function gauge(x, share, before, width) {
  const height = 30, top = TOP - 36;
  pen.fillStyle = theme.out;
  pen.fillRect(x, top, width, height);
  if (share !== null) {
    pen.fillStyle = share > 0.9 ? theme.bad : ramp(0.6);
    pen.fillRect(x, top + height * (1 - Math.min(1, share)), width, height * Math.min(1, share));
  }
  if (before !== null && before !== share) {
    pen.fillStyle = theme.was;
    pen.fillRect(x - 1, top + height * (1 - Math.min(1, before)) - 1, width + 2, 2);
  }
}

const widths = new Map();
function fit(text, room) {
  const key = `${room} ${pen.font} ${text}`;
  if (!widths.has(key)) {
    let cut = text;
    // What tells names apart is mostly at their end.
    for (let keep = text.length - 1; keep > 4 && pen.measureText(cut).width > room; keep--) {
      cut = `${text.slice(0, Math.ceil(keep / 2))}…${text.slice(text.length - Math.floor(keep / 2))}`;
    }
    widths.set(key, cut);
  }
  return widths.get(key);
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
  hovered = pod ?? node;
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
  if (cell.state === "out") return `${head}\n${cell.plugin}: ${cell.reason}`;
  if (cell.state === "in") return `${head}\n${cell.scored ? `total ${cell.total}` : "passes all filters, not scored"}`;
  if (pod.n === node) return `${head}\nruns here`;
  return `${head}\n${cell.state === "unvisited" ? "not evaluated" : "not simulated"}`;
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
    panel.append(make("h2", "Nothing selected"), make("p", "Click a cell to see each plugin's part in it, a Pod's name to see its "
      + "best nodes. Arrow keys move.", "soft"));
    tellNodes(panel);
    return;
  }
  const { pod, node } = picked;
  panel.append(make("h2", pod.k));
  const place = pod.n >= 0 ? `${pod.c}: ${data.nodes[pod.n].name}` : pod.c;
  panel.append(make("p", place, pod.n >= 0 ? "ok" : "bad"));
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
    const why = cell.state === "unvisited" ? "Not evaluated: enough nodes were found, or the Pod is limited to others."
      : pod.n === node ? "It runs here; it was not placed by this simulation." : "No details are kept for this Pod.";
    panel.append(make("p", why, "soft"));
    return;
  }
  panel.append(make("p", `passes ${data.filters[detailOf(pod).f].join(", ")}`, "soft"));
  if (!cell.scored) { panel.append(make("p", "Not scored: it was the only feasible node, or no plugin scores.", "soft")); return; }
  const other = pod.n >= 0 && pod.n !== node ? cellOf(pod, pod.n) : null, compared = other && other.state === "in";
  const table = make("table"), head = make("tr");
  head.append(make("th", "plugin"), make("th", "raw", "n"), make("th", "score", "n"));
  if (compared) head.append(make("th", `at ${fit(data.nodes[pod.n].name, 90)}`, "n"));
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
    line.append(make("td", (node === pod.n ? "● " : "") + data.nodes[node].name));
    const said = cell.state === "out" ? `${cell.plugin}: ${cell.reason}` : cell.state === "in" ? (cell.scored ? cell.total : "passes") : "–";
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
  $("source").textContent = `${data.nodes.length} nodes, ${data.pods.length} Pods: ${counts.join(", ")}. Profiles: ${data.source}.`;
  data.changes.forEach((text) => $("changes").append(make("li", text)));
  data.notes.forEach((text) => $("notes").append(make("li", text)));
  for (const word of WORDS) {
    if (!data.summary[word]) continue;
    const button = make("button", `${data.summary[word]} ${word}`);
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      if (!shown.delete(word)) shown.add(word);
      button.setAttribute("aria-pressed", String(shown.has(word)));
      select();
    });
    $("words").append(button);
  }
}

function legend() {
  const entry = (className, text, background) => {
    const span = make("span"), mark = make("i", "", className);
    if (background) mark.style.background = background;
    span.append(mark, make("span", text));
    return span;
  };
  const stops = theme.ramp.map((colour) => `rgb(${colour.join(",")})`).join(",");
  $("legend").replaceChildren(entry("ramp", "lower to higher total", `linear-gradient(90deg,${stops})`),
    entry("chosen", "on this node"), entry("was", "was here"),
    ...data.against.slice(0, HUES.length).map((plugin) => entry("", `× ${plugin}`, hueOf(plugin))));
}

function setTheme(dark) {
  document.documentElement.classList.toggle("dark", dark);
  theme.hues = dark ? DARK_HUES : HUES;
  readTheme();
  legend();
  redraw();
}

prepare();
head();
setTheme(window.matchMedia("(prefers-color-scheme: dark)").matches);
select();
tell();
$("theme").addEventListener("click", () => setTheme(!document.documentElement.classList.contains("dark")));
for (const id of ["pods", "nodes"]) $(id).addEventListener("input", () => { matrix.scrollTop = 0; select(); });
for (const id of ["order", "scale"]) $(id).addEventListener("change", select);
matrix.addEventListener("scroll", redraw, { passive: true });
matrix.addEventListener("keydown", move);
canvas.addEventListener("mousemove", hover);
canvas.addEventListener("mouseleave", () => { $("tip").hidden = true; });
canvas.addEventListener("click", (event) => {
  const { pod, node } = at(event);
  if (pod) pick(pod, node ?? (pod.n >= 0 ? pod.n : undefined));
});
new ResizeObserver(layout).observe(matrix);
