"use strict";
// The page draws a grid of any size on one canvas that is as large as what can be seen, so
// that a prompt of a thousand tokens scrolls like one of five. What a screen reader needs of
// it is the focused cell, with its headers, in the document.

const D = JSON.parse(document.getElementById("data").textContent);
const R = D.rows.length, P = D.positions.length, K = D.k;
const $ = id => document.getElementById(id);

// ---- numbers

function buffer(text) {
  const raw = atob(text || ""), out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out.buffer;
}
const floats = text => new Float32Array(buffer(text));
const ints = text => new Int32Array(buffer(text));

const TOP = ints(D.top), LOGITS = floats(D.logits), LSE = floats(D.lse), NORM = floats(D.norm);
for (const v of D.views) v.values = floats(v.values);
for (const t of D.targets || []) { t.logits = floats(t.logits); t.ranks = ints(t.ranks); }
for (const c of D.contrasts || []) c.values = floats(c.values);
for (const at of D.tracked || []) for (const c of at || []) { c.logits = floats(c.logits); c.ranks = ints(c.ranks); }

const at = (r, p) => r * P + p;
const prob = (logit, r, p) => !D.scored ? NaN : Math.exp(logit - LSE[at(r, p)]);
const best = (r, p) => TOP[at(r, p) * K];
const text = t => t < 0 ? "NaN" : D.texts[t];
const percent = x => Number.isFinite(x) ? (x >= 0.0005 || x === 0 ? (100 * x).toFixed(x > 0.9995 ? 1 : 2) + " %" : x.toExponential(1)) : "–";
const fixed = (x, digits) => Number.isFinite(x) ? x.toFixed(digits).replace("-", "−") : "–";
const whole = x => x > 0 ? x.toLocaleString("en-US") : "–";

// A token at a position by row: rank and probability, null where the row does not tell.
function curve(t, p) {
  const given = (D.tracked && D.tracked[p] || []).find(c => c.token === t);
  const target = (D.targets || []).find(c => c.token === t);
  const answer = D.answer[p] === t;
  const out = { ranks: [], probs: [], whole: true };
  for (let r = 0; r < R; r++) {
    let logit = null, rank = null;
    if (given) { logit = given.logits[r]; rank = given.ranks[r]; }
    else if (target) { logit = target.logits[at(r, p)]; rank = target.ranks[at(r, p)]; }
    else if (answer) { logit = number("logit", r, p); rank = number("rank", r, p); }
    else for (let k = 0; k < K; k++) if (TOP[at(r, p) * K + k] === t) { logit = LOGITS[at(r, p) * K + k]; rank = k + 1; }
    const share = logit === null ? NaN : prob(logit, r, p);
    out.ranks.push(rank > 0 ? rank : null);
    out.probs.push(Number.isFinite(share) ? share : null);
    if (logit === null) out.whole = false;
  }
  return out;
}
function number(view, r, p) {
  const v = D.views.find(v => v.name === view);
  return v && v.values.length ? v.values[at(r, p)] : NaN;
}

// ---- state

let view = D.views.find(v => v.name === D.view) || D.views[0];
let zoom = 92;                       // width of a cell
let active = { r: R - 1, p: P - 1 }; // of the keyboard
let hover = null;                    // of the pointer
let pins = [];                       // {token, p, colour}
let query = "", found = [], current = -1;

const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5cc7", "#8c6d31"]; // Okabe and Ito 2008, and two
const GUTTER = 66, BAND = 24;
const height = () => zoom >= 40 ? 24 : Math.max(7, Math.round(zoom * 0.62));
const wide = () => zoom >= 34;

// ---- colours

const RAMP = Array.from({ length: 256 }, (_, i) => "#" + D.ramp.slice(6 * i, 6 * i + 6));
function share(v, x) {
  if (!Number.isFinite(x)) return NaN;
  if (!(v.hi > v.lo)) return 0;
  const y = v.log ? Math.log(x / v.lo) / Math.log(v.hi / v.lo) : (x - v.lo) / (v.hi - v.lo);
  return Math.min(1, Math.max(0, v.fewer ? 1 - y : y));
}
let css = {};
function readColours() {
  const s = getComputedStyle(document.documentElement);
  for (const name of ["paper", "ink", "soft", "line", "panel", "accent", "found", "none"]) css[name] = s.getPropertyValue("--" + name).trim();
}

// ---- drawing

const canvas = $("canvas"), pen = canvas.getContext("2d", { alpha: false }), scroll = $("scroll");
const FONT = "13px system-ui, sans-serif", SMALL = "11px system-ui, sans-serif";
let cuts = new Map(); // text → what fits a cell
function fitting(s, room) {
  const key = room + "\u0000" + s;
  let out = cuts.get(key);
  if (out === undefined) {
    out = s;
    if (pen.measureText(s).width > room) {
      const signs = Array.from(s);
      while (signs.length > 1 && pen.measureText(signs.join("") + "…").width > room) signs.pop();
      out = signs.join("") + "…";
      if (s.startsWith("\u2068")) out += "\u2069"; // the isolate was cut
    }
    cuts.set(key, out);
  }
  return out;
}

let asked = false;
function redraw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; draw(); });
}

function size() {
  const h = height();
  $("room").style.width = GUTTER + P * zoom + "px";
  $("room").style.height = 2 * BAND + R * h + 20 + "px";
  redraw();
}

const rowAt = y => R - 1 - y; // the last row is on top

function draw() {
  const w = scroll.clientWidth, h = Math.min(scroll.clientHeight, 2 * BAND + R * height() + 20), dots = devicePixelRatio || 1;
  if (canvas.width !== Math.round(w * dots) || canvas.height !== Math.round(h * dots)) {
    canvas.width = Math.round(w * dots);
    canvas.height = Math.round(h * dots);
    canvas.style.width = w + "px";
    canvas.style.height = h + "px";
  }
  pen.setTransform(dots, 0, 0, dots, 0, 0);
  pen.fillStyle = css.paper;
  pen.fillRect(0, 0, w, h);
  const left = scroll.scrollLeft, top = scroll.scrollTop, rh = height(), foot = h - BAND - 20;
  const p0 = Math.max(0, Math.floor(left / zoom)), p1 = Math.min(P, Math.ceil((left + w - GUTTER) / zoom));
  const y0 = Math.max(0, Math.floor(top / rh)), y1 = Math.min(R, Math.ceil((top + foot - BAND) / rh));
  pen.textBaseline = "middle";
  pen.save();
  pen.beginPath();
  pen.rect(GUTTER, BAND, w - GUTTER, foot - BAND);
  pen.clip();
  for (let y = y0; y < y1; y++) for (let p = p0; p < p1; p++) cell(rowAt(y), p, GUTTER + p * zoom - left, BAND + y * rh - top, rh);
  for (let y = y0; y < y1; y++) for (let p = p0; p < p1; p++) marks(rowAt(y), p, GUTTER + p * zoom - left, BAND + y * rh - top, rh);
  pen.restore();
  labels(y0, y1, top, rh, foot);
  band(p0, p1, left, w, BAND / 2, D.next, "next");
  band(p0, p1, left, w, foot + BAND / 2, D.input, "input");
  positions(p0, p1, left, w, foot + BAND + 9);
}

function cell(r, p, x, y, rh) {
  const s = share(view, view.values.length ? view.values[at(r, p)] : NaN), i = Math.round(255 * s), gap = zoom >= 12 ? 1 : 0;
  const plain = !view.values.length;
  pen.fillStyle = Number.isNaN(s) ? (plain ? css.panel : css.none) : RAMP[i];
  pen.fillRect(x, y, zoom - gap, rh - gap);
  if (!wide() || rh < 14) return;
  pen.font = FONT;
  pen.textAlign = "center";
  pen.fillStyle = Number.isNaN(s) ? css.ink : D.light[i] === "1" ? "#000" : "#fff";
  const t = best(r, p);
  pen.fillText(fitting(text(t), zoom - 8), x + zoom / 2, y + rh / 2);
}

function marks(r, p, x, y, rh) {
  const t = best(r, p);
  const frame = (colour, width, inset) => {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.strokeRect(x + inset, y + inset, zoom - 1 - 2 * inset, rh - 1 - 2 * inset);
  };
  if (t >= 0 && t === D.next[p] && zoom >= 12) {
    const s = share(view, view.values.length ? view.values[at(r, p)] : NaN);
    frame(Number.isNaN(s) ? css.ink : D.light[Math.round(255 * s)] === "1" ? "#000" : "#fff", 1.2, 1.6);
  }
  if (query) {
    const m = match(r, p);
    if (m === 2) frame(css.found, 3, 1.5);
    else if (m === 1) { pen.fillStyle = css.found; pen.beginPath(); pen.arc(x + zoom - 5, y + 5, Math.min(3, zoom / 4), 0, 7); pen.fill(); }
  }
  if (pins.some(pin => pin.p === p && pin.token === t)) { pen.fillStyle = pins.find(pin => pin.p === p && pin.token === t).colour; pen.fillRect(x, y + rh - 4, zoom - 1, 3); }
  if (active.r === r && active.p === p) { frame(css.paper, 4, 1); frame(css.accent, 2, 1); }
}

function labels(y0, y1, top, rh, foot) {
  pen.save();
  pen.beginPath();
  pen.rect(0, BAND, GUTTER, foot - BAND);
  pen.clip();
  pen.font = rh < 14 ? "10px system-ui, sans-serif" : SMALL;
  pen.textAlign = "right";
  const every = Math.max(1, Math.ceil(12 / rh));
  for (let y = y0; y < y1; y++) {
    const r = rowAt(y);
    if (y % every) continue; // from the last layer down
    pen.fillStyle = r === active.r ? css.ink : css.soft;
    pen.fillText(D.rows[r], GUTTER - 8, BAND + (y + 0.5) * rh - top);
  }
  pen.restore();
}

function band(p0, p1, left, w, y, tokens, name) {
  pen.font = SMALL;
  pen.textAlign = "right";
  pen.fillStyle = css.soft;
  pen.fillText(name, GUTTER - 8, y);
  if (!wide()) return;
  pen.save();
  pen.beginPath();
  pen.rect(GUTTER, y - BAND, w - GUTTER, 2 * BAND);
  pen.clip();
  pen.font = FONT;
  pen.textAlign = "center";
  for (let p = p0; p < p1; p++) {
    pen.fillStyle = p === active.p ? css.accent : css.ink;
    pen.fillText(tokens[p] < 0 ? "–" : fitting(text(tokens[p]), zoom - 8), GUTTER + (p + 0.5) * zoom - left, y);
  }
  pen.restore();
}

function positions(p0, p1, left, w, y) {
  pen.font = "10px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.fillStyle = css.soft;
  const every = Math.max(1, Math.ceil(36 / zoom));
  for (let p = p0; p < p1; p++) {
    const x = GUTTER + (p + 0.5) * zoom - left;
    if (p % every === 0 && x > GUTTER && x < w) pen.fillText(D.positions[p], x, y);
  }
}

function legend() {
  $("means").textContent = view.means || "the tokens alone";
  const shown = view.values.length > 0, ends = view.fewer ? [view.hi, view.lo] : [view.lo, view.hi];
  for (const id of ["lo", "bar", "hi"]) $(id).hidden = !shown;
  $("lo").textContent = shown ? fixed(ends[0], view.digits) : "";
  $("hi").textContent = shown ? fixed(ends[1], view.digits) : "";
  const bar = $("bar").getContext("2d");
  for (let i = 0; i < 256; i++) { bar.fillStyle = RAMP[i]; bar.fillRect(i, 0, 1, 12); }
}

// ---- the cell's numbers

function element(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes || {})) k.startsWith("on") ? e.addEventListener(k.slice(2), v) : e.setAttribute(k, v);
  e.append(...children);
  return e;
}
const line = (tag, ...texts) => element("tr", {}, ...texts.map(t => t instanceof Node ? t : element(tag, {}, t)));

function tokenButton(t, p) {
  const on = pins.some(pin => pin.token === t && pin.p === p);
  return element("td", { class: "token", title: text(t) + " (id " + D.ids[t] + ")" },
    element("button", { type: "button", "aria-pressed": on, "aria-label": (on ? "Unpin " : "Pin ") + text(t), onclick: () => toggle(t, p) }, element("bdi", {}, text(t))));
}

function context(r, p) {
  const before = D.input.slice(Math.max(0, p - 5), p + 1).map(text).join("").replaceAll("·", " ");
  return "position " + D.positions[p] + ", after “" + (p > 5 ? "…" : "") + before.trim() + "”";
}

function details() {
  const { r, p } = hover || active, i = at(r, p), head = element("h2", {}, D.sites[r]);
  const candidates = element("table", { id: "candidates" }, line("th", "candidate", "prob", "logit", "id"));
  for (let k = 0; k < K; k++) {
    const t = TOP[i * K + k];
    if (t >= 0) candidates.append(line("td", tokenButton(t, p), percent(prob(LOGITS[i * K + k], r, p)), fixed(LOGITS[i * K + k], 2), String(D.ids[t])));
  }
  const scored = [[D.answer[p], number("logit", r, p), number("rank", r, p)]];
  for (const t of D.targets || []) if (t.token !== D.answer[p]) scored.push([t.token, t.logits[i], t.ranks[i]]);
  const others = element("table", { class: "numbers", id: "asked" }, line("th", scored.length > 1 ? "final answer, targets" : "final answer", "prob", "logit", "rank"));
  for (const [t, logit, rank] of scored) if (t >= 0) others.append(line("td", tokenButton(t, p), percent(prob(logit, r, p)), fixed(logit, 2), whole(rank)));
  const numbers = element("table", { class: "numbers" });
  for (const name of ["entropy", "kl", "margin"]) {
    const v = D.views.find(v => v.name === name);
    if (v) numbers.append(line("td", v.name + (name === "margin" ? "" : " (nats)"), fixed(v.values[i], v.digits)));
  }
  numbers.append(line("td", "logsumexp", fixed(LSE[i], 2)), line("td", "norm of the state", fixed(NORM[i], 2)));
  for (const c of D.contrasts || []) numbers.append(line("td", text(c.target) + " − " + text(c.vs), fixed(c.values[i], 2)));
  $("cell").replaceChildren(head, element("p", { class: "context" }, context(r, p)), candidates, others, numbers);
}

// What a screen reader hears of the focused cell, and finds around it.
function speak(aloud) {
  const { r, p } = active, i = at(r, p), t = best(r, p);
  const says = text(t) + ", " + percent(prob(LOGITS[i * K], r, p)) + ", layer row " + D.rows[r] + ", " + context(r, p);
  $("spoken").replaceChildren(
    element("div", { role: "row", "aria-rowindex": 1 }, element("span", { role: "columnheader", "aria-colindex": p + 2 }, text(D.input[p]))),
    element("div", { role: "row", "aria-rowindex": R - r + 1 },
      element("span", { role: "rowheader", "aria-colindex": 1 }, D.rows[r]),
      element("span", { role: "gridcell", id: "active", "aria-colindex": p + 2, "aria-selected": "true" }, says)));
  scroll.setAttribute("aria-activedescendant", "active");
  if (aloud) $("live").textContent = says;
}

// ---- pins

function toggle(t, p) {
  if (t < 0) return;
  const i = pins.findIndex(pin => pin.token === t && pin.p === p);
  if (i >= 0) pins.splice(i, 1);
  else {
    const free = COLOURS.find(c => !pins.some(pin => pin.colour === c));
    if (!free) pins.shift();
    pins.push({ token: t, p, colour: free || COLOURS.find(c => !pins.some(pin => pin.colour === c)) });
  }
  drawPins();
  details();
  redraw();
}

function drawPins() {
  if (!pins.length) { $("pins").replaceChildren(); return; }
  const list = pins.map(pin => {
    const swatch = element("i", { class: "swatch" });
    swatch.style.background = pin.colour;
    return element("div", { class: "pin" }, swatch, element("b", {}, element("bdi", {}, text(pin.token))),
      element("span", {}, "after position " + D.positions[pin.p] + (curve(pin.token, pin.p).whole ? "" : "; gaps: not among the row's " + K + " best")),
      element("button", { type: "button", "aria-label": "Unpin " + text(pin.token), onclick: () => toggle(pin.token, pin.p) }, "×"));
  });
  const curves = pins.map(pin => ({ ...curve(pin.token, pin.p), ...pin }));
  const most = Math.max(10, ...curves.flatMap(c => c.ranks.filter(x => x)));
  const decades = Math.ceil(Math.log10(most) - 1e-9);
  $("pins").replaceChildren(element("h2", {}, "pinned"), ...list,
    chart("probability", curves, c => c.probs, y => 1 - y, [0, 0.25, 0.5, 0.75, 1], y => y.toFixed(2)),
    chart("rank (1 is the best)", curves, c => c.ranks, y => Math.log10(y) / decades, Array.from({ length: decades + 1 }, (_, i) => 10 ** i), y => y.toLocaleString("en-US")),
    element("details", {}, element("summary", {}, "as a table"), element("div", {}, table(curves))));
}

function chart(title, curves, values, place, ticks, name) {
  const W = 320, H = 150, L = 46, T = 18, B = 18, w = W - L - 8, h = H - T - B;
  const svg = (tag, attributes, ...children) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    e.append(...children);
    return e;
  };
  const x = r => L + (R > 1 ? r / (R - 1) : 0.5) * w, y = v => T + place(v) * h;
  const root = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": title + " by layer of " + curves.map(c => text(c.token)).join(", ") },
    svg("text", { x: L, y: 11, class: "title" }, title));
  for (const t of ticks) root.append(svg("line", { x1: L, x2: W - 8, y1: y(t), y2: y(t), class: "axis" }), svg("text", { x: L - 5, y: y(t) + 3.5, "text-anchor": "end" }, name(t)));
  const every = Math.max(1, Math.ceil(R / 8));
  for (let r = 0; r < R; r += every) root.append(svg("text", { x: x(r), y: H - 5, "text-anchor": "middle" }, D.rows[r]));
  for (const c of curves) {
    let path = "", gap = true;
    values(c).forEach((v, r) => {
      if (v === null) { gap = true; return; }
      path += (gap ? "M" : "L") + x(r).toFixed(1) + " " + y(v).toFixed(1);
      gap = false;
      root.append(svg("circle", { cx: x(r), cy: y(v), r: R > 60 ? 1 : 1.8, fill: c.colour }));
    });
    if (path) root.append(svg("path", { d: path, fill: "none", stroke: c.colour, "stroke-width": 1.6, "stroke-linejoin": "round" }));
  }
  return root;
}

function table(curves) {
  const out = element("table", {}, line("th", "row", ...curves.flatMap(c => [text(c.token), "rank"])));
  for (let r = R - 1; r >= 0; r--) out.append(line("td", D.rows[r], ...curves.flatMap(c => [c.probs[r] === null ? "–" : percent(c.probs[r]), c.ranks[r] === null ? "–" : whole(c.ranks[r])])));
  return out;
}

// ---- search

// 2: the cell's best token matches, 1: another candidate.
let matching = new Set();
function match(r, p) {
  for (let k = 0; k < K; k++) if (matching.has(TOP[at(r, p) * K + k])) return k ? 1 : 2;
  return 0;
}
const bare = s => s.replace(/[\u2066-\u2069]/g, "").replaceAll("·", " ").toLowerCase();

function search(value) {
  query = value.trim() === "" ? "" : value;
  matching = new Set();
  found = [];
  current = -1;
  const wanted = bare(query);
  if (query) D.texts.forEach((s, t) => { if (bare(s).includes(wanted) || String(D.ids[t]) === query.trim()) matching.add(t); });
  if (matching.size) for (let y = 0; y < R; y++) for (let p = 0; p < P; p++) if (match(rowAt(y), p)) found.push({ r: rowAt(y), p });
  const tops = found.filter(c => match(c.r, c.p) === 2).length;
  $("matches").textContent = query ? (found.length ? found.length + " cells, " + tops + " on top" : "no match") : "";
  redraw();
}
function step(by) {
  if (!found.length) return;
  current = (current + by + found.length) % found.length;
  if (current < 0) current += found.length;
  go(found[current].r, found[current].p, true);
  $("matches").textContent = current + 1 + " of " + found.length;
}

// ---- moving

function go(r, p, aloud) {
  active = { r: Math.min(R - 1, Math.max(0, r)), p: Math.min(P - 1, Math.max(0, p)) };
  hover = null;
  const h = height(), x = active.p * zoom, y = (R - 1 - active.r) * h, w = scroll.clientWidth - GUTTER, high = scroll.clientHeight - 2 * BAND - 20;
  if (x < scroll.scrollLeft) scroll.scrollLeft = x;
  if (x + zoom > scroll.scrollLeft + w) scroll.scrollLeft = x + zoom - w;
  if (y < scroll.scrollTop) scroll.scrollTop = y;
  if (y + h > scroll.scrollTop + high) scroll.scrollTop = y + h - high;
  details();
  speak(aloud);
  redraw();
}

// The cell stays under the pointer, or the active one in its place.
function setZoom(width, x) {
  width = Math.min(240, Math.max(3, width));
  if (x === undefined) x = Math.min(scroll.clientWidth, Math.max(GUTTER, GUTTER + (active.p + 0.5) * zoom - scroll.scrollLeft));
  const column = (scroll.scrollLeft + x - GUTTER) / zoom;
  zoom = width;
  cuts = new Map();
  size();
  scroll.scrollLeft = column * zoom + GUTTER - x;
}
const fit = () => setZoom(Math.floor((scroll.clientWidth - GUTTER - 2) / P * 100) / 100, GUTTER);

function under(event) {
  const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
  if (x < GUTTER || y < BAND || y > box.height - BAND - 20) return null;
  const p = Math.floor((x - GUTTER + scroll.scrollLeft) / zoom), row = Math.floor((y - BAND + scroll.scrollTop) / height());
  return p >= 0 && p < P && row >= 0 && row < R ? { r: rowAt(row), p } : null;
}

const moves = {
  ArrowLeft: () => go(active.r, active.p - 1, true), ArrowRight: () => go(active.r, active.p + 1, true),
  ArrowUp: () => go(active.r + 1, active.p, true), ArrowDown: () => go(active.r - 1, active.p, true),
  PageUp: () => go(active.r + 10, active.p, true), PageDown: () => go(active.r - 10, active.p, true),
  Home: e => go(e.ctrlKey ? R - 1 : active.r, 0, true), End: e => go(e.ctrlKey ? 0 : active.r, P - 1, true),
  Enter: () => toggle(best(active.r, active.p), active.p), " ": () => toggle(best(active.r, active.p), active.p),
};
const keys = {
  "/": () => $("search").focus(), n: () => step(1), N: () => step(-1),
  "+": () => setZoom(zoom * 1.3), "=": () => setZoom(zoom * 1.3), "-": () => setZoom(zoom / 1.3), 0: fit,
  Escape: () => { pins = []; $("search").value = ""; search(""); drawPins(); details(); redraw(); },
};

function choose(name) {
  view = D.views.find(v => v.name === name) || view;
  $("view").value = view.name;
  legend();
  redraw();
}

const themes = ["auto", "light", "dark"];
function theme(name) {
  if (name === "auto") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", name);
  $("theme").textContent = "theme: " + name;
  readColours();
  redraw();
}

function start() {
  $("tools").hidden = false;
  if (!R || !P) { $("tools").hidden = true; return; }
  $("main").hidden = false;
  for (const v of D.views) $("view").append(element("option", { value: v.name }, v.name));
  scroll.setAttribute("aria-rowcount", R + 1);
  scroll.setAttribute("aria-colcount", P + 1);

  $("view").addEventListener("change", e => choose(e.target.value));
  $("search").addEventListener("input", e => search(e.target.value));
  $("search").addEventListener("keydown", e => {
    if (e.key === "Enter") { step(e.shiftKey ? -1 : 1); e.preventDefault(); }
    if (e.key === "Escape") { e.target.value = ""; search(""); scroll.focus(); e.stopPropagation(); }
  });
  $("previous").addEventListener("click", () => step(-1));
  $("following").addEventListener("click", () => step(1));
  $("smaller").addEventListener("click", () => setZoom(zoom / 1.3));
  $("larger").addEventListener("click", () => setZoom(zoom * 1.3));
  $("fit").addEventListener("click", fit);
  $("theme").addEventListener("click", () => theme(themes[(themes.indexOf($("theme").textContent.slice(7)) + 1) % 3]));

  scroll.addEventListener("scroll", redraw, { passive: true });
  scroll.addEventListener("keydown", e => {
    const move = moves[e.key];
    if (move && !e.metaKey && !e.altKey) { move(e); e.preventDefault(); }
  });
  scroll.addEventListener("focus", () => speak(false));
  canvas.addEventListener("pointermove", e => {
    const c = under(e);
    if (c && hover && c.r === hover.r && c.p === hover.p) return;
    hover = c;
    details();
  });
  canvas.addEventListener("pointerleave", () => { hover = null; details(); });
  canvas.addEventListener("click", e => {
    const c = under(e);
    if (!c) return;
    go(c.r, c.p, false);
    toggle(best(c.r, c.p), c.p);
  });
  scroll.addEventListener("wheel", e => {
    if (!e.ctrlKey) return;
    e.preventDefault();
    setZoom(zoom * Math.exp(-e.deltaY / 300), Math.max(GUTTER, e.clientX - scroll.getBoundingClientRect().left));
  }, { passive: false });
  document.addEventListener("keydown", e => {
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) return;
    if (e.key >= "1" && e.key <= "9" && D.views[e.key - 1]) { choose(D.views[e.key - 1].name); return; }
    if (keys[e.key]) { keys[e.key](); e.preventDefault(); }
  });
  addEventListener("resize", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); redraw(); });

  readColours();
  choose(view.name);
  size();
  scroll.scrollLeft = scroll.scrollWidth; // the last positions first, as on a terminal
  details();
  speak(false);
}
start();
