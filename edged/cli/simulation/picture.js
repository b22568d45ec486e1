"use strict";
// Draws the matrix on a canvas as large as the window shows: a thousand Pods by a hundred nodes are too many elements.
// Every mark is drawn by one function, for the picture and for the legend. page.js calls it and holds data and choices.
const ROW = 20, GAUGE = 42, FONT = "12px system-ui, sans-serif";
const DARK_HUES = ["#d8b45a", "#6fc7ae", "#d394c4", "#8fb0ea", "#e59a80", "#b0c563", "#b9a0f0", "#7fc3d8", "#e08aa4", "#a3aeb8"];
const HUES = ["#8c6d1f", "#2f7d6b", "#8a4f7d", "#4d6fa8", "#a3553a", "#6b7d2f", "#7a5fb0", "#3f7f92", "#9a4257", "#5c6670"];
const COLOURS = ["back", "front", "soft", "line", "card", "accent", "was", "out", "hover", "bad", "pass", "still", "dot"];
const canvas = document.getElementById("canvas"), pen = canvas.getContext("2d");
let LEFT = 236, TOP = 142, theme = {}, column = 22, labels = { pods: new Map(), nodes: [] };

// --- colours

function readTheme(dark) {
  const style = getComputedStyle(document.documentElement);
  for (const name of COLOURS) theme[name] = style.getPropertyValue(`--${name}`).trim();
  theme.hues = dark ? DARK_HUES : HUES;
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

function shareOf(detail, node) {
  const all = $("scale").value === "all";
  const low = all ? data.low : detail.low, high = all ? data.high : detail.high;
  return high > low ? (detail.totals[node] - low) / (high - low) : 0.5;
}
const hueOf = (plugin) => theme.hues[Math.max(0, data.against.indexOf(plugin)) % theme.hues.length];

// --- marks: what a cell can hold. MARKS says each in words; the legend shows those that occur.

const MARKS = {
  total: "lower to higher total", pass: "passes all filters, not scored", still: "runs here, not tried",
  dot: "not evaluated or not tried", goes: "goes here", stays: "stays here", was: "was here", picked: "selected",
};

/** What is drawn for a Pod on a node: one mark that fills the cell, perhaps one on top. */
function marksOf(pod, node) {
  const detail = detailOf(pod), verdict = detail ? detail.v[node] : undefined, own = pod.n === node;
  const found = [];
  if (verdict === 0) found.push(detail.totals[node] === null ? "pass" : "total");
  else if (verdict > 0) found.push("out");
  else found.push(own ? "still" : "dot");
  if (own && pod.c !== "same") found.push("goes");
  else if (own && verdict === 0) found.push("stays");
  else if (pod.w === node && !own) found.push("was");
  return found;
}

/** `detail`: a share for "total", a plugin for "out". */
function drawMark(pen, mark, x, y, w, h, detail) {
  const fills = { total: () => ramp(detail), pass: () => theme.pass, still: () => theme.still, out: () => theme.out };
  if (fills[mark]) { pen.fillStyle = fills[mark](); pen.fillRect(x, y, w, h); }
  if (mark === "out") drawCross(pen, x + w / 2, y + h / 2, Math.min(4.5, w / 2 - 1.5), hueOf(detail));
  if (mark === "dot") { pen.fillStyle = theme.dot; pen.fillRect(x + w / 2 - 1, y + h / 2 - 1, 2, 2); }
  if (mark === "goes") frame(pen, x + 1.5, y + 1.5, w - 3, h - 3, theme.accent, 3, []);
  if (mark === "was") frame(pen, x + 1.5, y + 1.5, w - 3, h - 3, theme.was, 3, [3, 2]);
  if (mark === "picked") frame(pen, x - 1.5, y - 1.5, w + 3, h + 3, theme.front, 2, []);
  if (mark === "stays") {
    pen.beginPath();
    pen.arc(x + w / 2, y + h / 2, 3.5, 0, 2 * Math.PI);
    pen.fillStyle = theme.card;
    pen.fill();
    pen.strokeStyle = theme.front;
    pen.lineWidth = 1.5;
    pen.stroke();
  }
}

function drawCross(pen, x, y, arm, colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = 1.8;
  pen.beginPath();
  for (const side of [-arm, arm]) {
    pen.moveTo(x - side, y - arm);
    pen.lineTo(x + side, y + arm);
  }
  pen.stroke();
}

function frame(pen, x, y, w, h, colour, width, dash) {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.setLineDash(dash);
  pen.strokeRect(x, y, w, h);
  pen.setLineDash([]);
}

/** A bar for the share that is requested; a line where it was before. */
function gauge(pen, x, top, share, before, width) {
  const height = 30;
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

// --- names

/** `a.example.lan` is `a` here, and `a.example.lan-added-1` is `a…-added-1`, if several names have that domain. */
function withoutDomain(texts) {
  const times = new Map();
  for (const text of texts) {
    const at = text.indexOf(".");
    if (at >= 0 && /[a-z]$/i.test(text)) times.set(text.slice(at), (times.get(text.slice(at)) ?? 0) + 1);
  }
  const [domain, count] = [...times].reduce((most, each) => (each[1] > most[1] ? each : most), ["", 0]);
  if (count < 2) return texts;
  const short = texts.map((text) => (text.endsWith(domain) ? text.slice(0, -domain.length) : text).replaceAll(domain, "…"));
  return new Set(short).size === new Set(texts).size ? short : texts;
}

/** Texts of at most `room` characters that still differ from each other, as short_names.py makes them: the domain that
 *  most end with goes first, then all are cut at the place that keeps most of them apart, best in the middle; those that
 *  read alike all the same begin with their number. */
function shorten(whole, room) {
  const cut = (text, head, most) => (text.length <= most ? text
    : `${text.slice(0, head)}…${text.slice(text.length - (most - 1 - head))}`);
  if (whole.every((text) => text.length <= room)) return whole;
  const texts = withoutDomain(whole);
  const middle = Math.ceil((room - 1) / 2), distinct = new Set(texts).size;
  let best = middle, most = 0;
  for (let away = 0; away < room && most < distinct; away++) {
    for (const head of new Set([middle - away, middle + away])) {
      if (head < 1 || head > room - 2) continue;
      const apart = new Set(texts.map((text) => cut(text, head, room))).size;
      if (apart > most) { best = head; most = apart; }
    }
  }
  const found = texts.map((text) => cut(text, best, room)), times = new Map();
  for (const text of found) times.set(text, (times.get(text) ?? 0) + 1);
  return found.map((text, i) => {
    if (times.get(text) === 1) return text;
    const number = `${i + 1} `, left = Math.max(3, room - number.length);
    return number + cut(texts[i], Math.min(best, left - 2), left);
  });
}

const signOf = (node) => (node.removed ? "− " : node.added ? "+ " : "");

/** Room for names, by the size of the window; then the names that fit there. */
function measure() {
  pen.font = FONT;
  const letter = pen.measureText("abcdefghijklmnopqrstuvwxyz0123456789-.").width / 38;
  LEFT = Math.min(236, Math.floor(matrix.clientWidth * 0.3));
  const longest = data.nodes.reduce((most, node) => Math.max(most, node.name.length + signOf(node).length), 0);
  const room = Math.min(100, matrix.clientHeight * 0.3), more = Math.min(200, matrix.clientHeight * 0.3);
  TOP = GAUGE + Math.floor(Math.max(room, Math.min(more, (longest + 1) * letter)));
  const height = Math.floor((TOP - GAUGE - 8) / letter) - 2;  // two for the sign
  labels.nodes = shorten(data.nodes.map((node) => node.name), height).map((name, i) => signOf(data.nodes[i]) + name);
  const namespaces = new Set(data.pods.map((pod) => pod.k.split("/")[0])), from = namespaces.size === 1 ? [...namespaces][0].length + 1 : 0;
  const names = shorten(data.pods.map((pod) => pod.k.slice(from)), Math.floor((LEFT - 16) / letter));
  labels.pods = new Map(data.pods.map((pod, i) => [pod, names[i]]));
}

// --- drawing

let drawing = false;
function redraw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; draw(); });
}

function layout() {
  measure();
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
  drawCorner();
  tellFurther(x, width);
}

function drawCell(pod, node, x, y) {
  const detail = detailOf(pod), w = column - 2, h = ROW - 2;
  for (const mark of marksOf(pod, node)) {
    const more = mark === "total" ? shareOf(detail, node) : mark === "out" ? data.reasons[detail.v[node] - 1][0] : null;
    drawMark(pen, mark, x, y, w, h, more);
  }
  if (picked && picked.pod === pod && picked.node === node) drawMark(pen, "picked", x, y, w, h);
}

const nameColour = (pod) => (pod.n < 0 ? "bad" : pod.c === "moved" ? "was" : "front");
const nodeColour = (node) => (node.removed ? "bad" : node.added ? "accent" : "front");

function drawNames(first, last, y) {
  pen.save();
  pen.beginPath();
  pen.rect(0, TOP, LEFT, matrix.clientHeight);
  pen.clip();
  pen.fillStyle = theme.back;
  pen.fillRect(0, TOP, LEFT, matrix.clientHeight);
  pen.font = FONT;
  pen.textAlign = "right";
  for (let r = first; r < last; r++) {
    const pod = rows[r], at = TOP + r * ROW - y;
    if (picked && picked.pod === pod) { pen.fillStyle = theme.hover; pen.fillRect(0, at - 1, LEFT - 4, ROW); }
    pen.fillStyle = theme[nameColour(pod)];
    pen.fillText(labels.pods.get(pod), LEFT - 8, at + 13, LEFT - 12);
  }
  pen.restore();
}

function drawHead(from, to, x) {
  pen.save();
  pen.beginPath();
  pen.rect(LEFT, 0, matrix.clientWidth, TOP);
  pen.clip();
  pen.fillStyle = theme.back;
  pen.fillRect(LEFT, 0, matrix.clientWidth, TOP);
  pen.font = column < 14 ? FONT.replace("12px", "10.5px") : FONT;
  pen.textAlign = "left";
  for (let c = from; c < to; c++) {
    const node = data.nodes[columns[c]], at = LEFT + c * column - x;
    pen.save();
    pen.translate(at + column / 2 + 3, TOP - GAUGE);
    pen.rotate(-Math.PI / 2);
    pen.fillStyle = theme[nodeColour(node)];
    pen.fillText(labels.nodes[columns[c]], 0, 0, TOP - GAUGE - 6);
    pen.restore();
    const each = Math.min(9, (column - 4) / 2);
    gauge(pen, at + column / 2 - each - 1, TOP - 36, node.cpu, node.cpu_before, each);
    gauge(pen, at + column / 2 + 1, TOP - 36, node.memory, node.memory_before, each);
  }
  pen.restore();
}

function drawCorner() {
  pen.fillStyle = theme.back;
  pen.fillRect(0, 0, LEFT, TOP);
  pen.fillStyle = theme.soft;
  pen.font = FONT;
  pen.textAlign = "left";
  const lines = [`${rows.length} of ${data.pods.length} Pods`, `${there(columns).length} of ${there(data.nodes.keys()).length} nodes`, "cpu | memory"];
  lines.forEach((line, i) => pen.fillText(line, 12, TOP - 44 + 17 * i, LEFT - 20));
}

/** Says how many nodes are out of sight, and which way they are. */
function tellFurther(x, width) {
  const seen = Math.floor((x + width - LEFT + column / 2) / column), hidden = columns.slice(Math.max(0, seen));
  const added = hidden.filter((i) => data.nodes[i].added).length;
  $("further").hidden = hidden.length === 0;
  $("further").textContent = `${hidden.length} more node${hidden.length === 1 ? "" : "s"}${added ? `, ${added} new` : ""} →`;
}

// --- the legend

/** The marks and colours that occur in this picture. */
function kinds() {
  const found = new Set();
  for (const detail of data.details) {
    if (detail.totals.some((total) => total !== null)) found.add("total");
    if (detail.v.some((verdict, node) => verdict === 0 && detail.totals[node] === null)) found.add("pass");
    if (detail.v.length < data.nodes.length || detail.v.includes(-1)) found.add("dot");
  }
  for (const pod of data.pods) {
    if (pod.d === undefined) found.add("dot");
    for (const node of new Set([pod.n, pod.w])) if (node >= 0) marksOf(pod, node).forEach((mark) => found.add(mark));
    if (nameColour(pod) !== "front") found.add(`pod ${nameColour(pod)}`);
  }
  for (const node of data.nodes) {
    if (nodeColour(node) !== "front") found.add(`node ${nodeColour(node)}`);
    if (node.cpu > 0.9 || node.memory > 0.9) found.add("full");
    if (node.cpu_before !== null && (node.cpu_before !== node.cpu || node.memory_before !== node.memory)) found.add("before");
  }
  found.delete("out");
  data.against.forEach((plugin) => found.add(`out ${plugin}`));
  return found.add("picked").add("load");
}

function legend() {
  const found = kinds(), box = $("legend");
  const entry = (kind, picture, text) => {
    const span = make("span");
    span.dataset.kind = kind;
    span.append(picture, make("span", text));
    box.append(span);
  };
  box.replaceChildren();
  for (const [mark, text] of Object.entries(MARKS)) {
    if (!found.has(mark)) continue;
    const wide = mark === "total" ? 84 : 20;
    entry(mark, small(wide, (pen) => {
      if (mark === "total") for (let i = 0; i < wide; i++) drawMark(pen, mark, 3 + i, 3, 1, 14, i / (wide - 1));
      else drawMark(pen, mark, 3, 3, wide, 14);
    }), text);
  }
  for (const plugin of data.against) {
    entry(`out ${plugin}`, small(20, (pen) => drawMark(pen, "out", 3, 3, 20, 14, plugin)), `filtered out by ${plugin}`);
  }
  const words = [["pod bad", "red", "bad", "pending or evicted"], ["pod was", "violet", "was", "moved"],
    ["node accent", "+ node", "accent", "new"], ["node bad", "− node", "bad", "removed"]];
  for (const [kind, name, colour, text] of words) if (found.has(kind)) entry(kind, make("b", name, colour), text);
  const bars = [["load", "share requested", 0.6, null], ["full", "over 90 %", 0.95, null], ["before", "before the changes", 0.4, 0.7]];
  for (const [kind, text, share, before] of bars) {
    if (found.has(kind)) entry(kind, small(9, (pen) => gauge(pen, 3, 2, share, before, 9), 34), text);
  }
}

/** A picture in the legend, with 3 pixels around it. */
function small(width, drawIt, height = 20) {
  const box = make("canvas"), ratio = window.devicePixelRatio || 1, pen = box.getContext("2d");
  box.width = (width + 6) * ratio;
  box.height = height * ratio;
  box.style.width = `${width + 6}px`;
  box.style.height = `${height}px`;
  pen.scale(ratio, ratio);
  drawIt(pen);
  return box;
}
