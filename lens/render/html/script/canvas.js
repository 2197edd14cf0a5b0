// canvas.js: draws the cells that can be seen, their marks, the labels around them and the legend.

const canvas = $("canvas"), pen = canvas.getContext("2d", { alpha: false }), scroll = $("scroll");
const FONT = "13px system-ui, sans-serif", SMALL = "11px system-ui, sans-serif";
let cuts = new Map(); // width and text → the text, cut to that width; emptied when the zoom changes
function fitting(s, room) {
  const key = pen.font + room + "\u0000" + s;
  let out = cuts.get(key);
  if (out === undefined) {
    out = s;
    if (pen.measureText(s).width > room) {
      const signs = Array.from(s);
      while (signs.length > 1 && pen.measureText(signs.join("") + "…").width > room) signs.pop();
      out = signs.join("") + "…";
      if (s.startsWith("\u2068")) out += "\u2069"; // close the isolate whose end was cut off
    }
    cuts.set(key, out);
  }
  return out;
}

let asked = false;
function redraw() {
  if (asked || !D) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; draw(); });
}

// namesRoom is how wide the rows' names are, in pixels, with what stands between them and the cells; no less than least.
function namesRoom(least) {
  pen.font = SMALL;
  return Math.max(least, Math.ceil(Math.max(0, ...D.rows.map(name => pen.measureText(name).width))) + 12);
}

// natural is the width of cells that the reader did not choose: all of them are in the window, where that leaves
// them legible; else as many as are, none of them cut.
function natural() {
  const room = scroll.clientWidth - GUTTER, each = n => Math.floor(room / n * 100) / 100;
  return each(P) >= 54 ? Math.min(140, each(P)) : Math.max(3, each(Math.max(1, Math.floor(room / 84))));
}

// size gives the rows the height at which all of them are in the window, where that leaves them legible.
function size() {
  if (!D) return;
  if (!zoomed) zoom = natural();
  $("room").style.width = GUTTER + P * zoom + "px";
  $("overview").hidden = GUTTER + P * zoom <= scroll.clientWidth;
  $("room").style.height = "20000px"; // as much as there is room for
  const most = Math.floor((scroll.clientHeight - 2 - 2 * BAND - 20) / R), wanted = zoom >= 40 ? 24 : Math.max(7, Math.round(zoom * 0.62));
  rowHeight = most >= wanted ? wanted : Math.max(most, Math.min(wanted, tight ? 3 : !wide() ? 7 : narrow.matches ? 24 : 12)); // 24: what a finger hits (WCAG 2.5.8)
  $("room").style.height = 2 * BAND + R * rowHeight + 20 + "px";
  $("ranks").style.setProperty("--row", rowHeight + "px");
  redraw();
}

const rowAt = y => R - 1 - y; // y counts from the top, where the last row is

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
  for (let y = y0; y < y1; y++) for (let p = p0; p < p1; p++) words(rowAt(y), p, GUTTER + p * zoom - left, BAND + y * rh - top, rh); // over their frames
  pen.restore();
  labels(y0, y1, top, rh, foot);
  band(p0, p1, left, w, BAND / 2, D.next, "next");
  band(p0, p1, left, w, foot + BAND / 2, D.input, "input");
  positions(p0, p1, left, w, foot + BAND + 9);
  overview(left, w);
}

// says is what the view writes into a cell: the row's own top token, or the experts.
const says = (r, p) => view.name === "expert" ? D.experts[at(r, p)] || "–" : text(best(r, p));

function cell(r, p, x, y, rh) {
  const s = share(view, view.values.length ? view.values[at(r, p)] : NaN), i = Math.round(255 * s), gap = zoom >= 12 ? 1 : 0;
  const plain = !view.values.length;
  pen.fillStyle = Number.isNaN(s) ? (plain ? css.panel : css.none) : RAMP[i];
  pen.fillRect(x, y, zoom - gap, rh - gap);
}

function words(r, p, x, y, rh) {
  if (!wide() || rh < 12) return;
  const s = share(view, view.values.length ? view.values[at(r, p)] : NaN), i = Math.round(255 * s);
  pen.font = rh < 15 ? SMALL : FONT;
  pen.textAlign = "center";
  pen.fillStyle = Number.isNaN(s) ? css.ink : D.light[i] === "1" ? "#000" : "#fff";
  pen.fillText(fitting(says(r, p), zoom - 8), x + zoom / 2, y + rh / 2);
}

function marks(r, p, x, y, rh) {
  const t = best(r, p);
  const frame = (colour, width, inset) => {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.strokeRect(x + inset, y + inset, zoom - 1 - 2 * inset, rh - 1 - 2 * inset);
  };
  if (same(t, D.next[p]) && zoom >= 12 && view.name !== "expert") {
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
    if (y % every) continue; // low rows: name only every so many, counted from the last layer
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
  $("means").textContent = (single() ? "at the left: " : "") + shows();
  document.querySelector("#legend .mark").hidden = single() && D.next[0] < 0; // nothing came next
  const shown = view.values.length > 0, [from, to] = shown ? ends(view) : [];
  $("bar").hidden = !shown;
  $("lo").hidden = to === undefined;
  $("hi").hidden = !shown;
  $("lo").textContent = to === undefined ? "" : from;
  $("hi").textContent = !shown ? "" : to === undefined ? from : to;
  const bar = $("bar").getContext("2d");
  for (let i = 0; i < 256; i++) { bar.fillStyle = onScale(view, i); bar.fillRect(i, 0, 1, 12); }
}
