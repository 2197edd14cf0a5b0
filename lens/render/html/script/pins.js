// pins.js: tokens that the reader pinned, and their curves through the layers.

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
  changed();
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
  $("pins").replaceChildren(element("h2", {}, "pinned"), ...list, ...dashed(),
    chart("probability", curves, c => c.probs, y => 1 - y, [0, 0.25, 0.5, 0.75, 1], y => y.toFixed(2)),
    chart("rank (1 is the best)", curves, c => c.ranks, y => Math.log10(y) / decades, Array.from({ length: decades + 1 }, (_, i) => 10 ** i), y => y.toLocaleString("en-US")),
    element("details", {}, element("summary", {}, "as a table"), element("div", {}, table(curves))));
}

// DASHES tell several lenses' lines apart, as in the pictures of -o (picture_charts.go); the first of them, or the only one, has none.
const DASHES = ["none", "6 2", "2 2", "6 2 2 2", "10 3", "1 3", "10 2 2 2 2 2", "4 4"];

// throughLayers are the places of a chart from left to right, and for each lens its rows: a line each.
function throughLayers() {
  if (!D.lenses) return { stops: D.rows, of: r => r, lines: [{ name: "", rows: D.rows.map((_, r) => r) }] };
  const stops = [...new Set(D.places)];
  return { stops, of: r => stops.indexOf(D.places[r]), lines: D.lenses };
}

function chart(title, curves, values, place, ticks, name) {
  const W = 320, H = 150, L = 46, T = 18, B = 18, w = W - L - 8, h = H - T - B;
  const svg = svgNode;
  const { stops, of, lines } = throughLayers(), n = stops.length;
  const x = i => L + (n > 1 ? i / (n - 1) : 0.5) * w, y = v => T + place(v) * h;
  const root = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": title + " by layer of " + curves.map(c => text(c.token)).join(", ") },
    svg("text", { x: L, y: 11, class: "title" }, title));
  for (const t of ticks) root.append(svg("line", { x1: L, x2: W - 8, y1: y(t), y2: y(t), class: "axis" }), svg("text", { x: L - 5, y: y(t) + 3.5, "text-anchor": "end" }, name(t)));
  pen.font = SMALL;
  const widest = Math.max(...stops.map(s => pen.measureText(s).width)), every = Math.max(1, Math.ceil(n / 8), Math.ceil((n - 1) * (widest + 6) / w));
  for (let i = 0; i < n; i += every) root.append(svg("text", { x: x(i), y: H - 5, "text-anchor": "middle", class: "stop" }, stops[i]));
  for (const c of curves) lines.forEach(({ rows }, k) => {
    let path = "", gap = true;
    for (const r of rows) {
      const v = values(c)[r], i = of(r);
      if (v === null) { gap = true; continue; }
      path += (gap ? "M" : "L") + x(i).toFixed(1) + " " + y(v).toFixed(1);
      gap = false;
      root.append(svg("circle", { cx: x(i), cy: y(v), r: n > 60 ? 1 : 1.8, fill: c.colour }));
    }
    if (path) root.append(svg("path", { d: path, fill: "none", stroke: c.colour, "stroke-width": 1.6, "stroke-linejoin": "round", "stroke-dasharray": DASHES[k % DASHES.length] }));
  });
  return root;
}

// dashed says which lens a line is of, where there are several.
const dashed = () => (D.lenses || []).map(({ name }, k) => element("div", { class: "pin" },
  svgNode("svg", { viewBox: "0 0 28 4", class: "sample" }, svgNode("line", { x1: 0, x2: 28, y1: 2, y2: 2, "stroke-width": 1.6, "stroke-dasharray": DASHES[k % DASHES.length] })), element("span", {}, name)));

function table(curves) {
  const out = element("table", {}, line("th", "row", ...curves.flatMap(c => [text(c.token), "rank"])));
  for (let r = R - 1; r >= 0; r--) out.append(line("td", D.rows[r], ...curves.flatMap(c => [c.probs[r] === null ? "–" : percent(c.probs[r]), c.ranks[r] === null ? "–" : whole(c.ranks[r])])));
  return out;
}
