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
  $("pins").replaceChildren(element("h2", {}, "pinned"), ...list,
    chart("probability", curves, c => c.probs, y => 1 - y, [0, 0.25, 0.5, 0.75, 1], y => y.toFixed(2)),
    chart("rank (1 is the best)", curves, c => c.ranks, y => Math.log10(y) / decades, Array.from({ length: decades + 1 }, (_, i) => 10 ** i), y => y.toLocaleString("en-US")),
    element("details", {}, element("summary", {}, "as a table"), element("div", {}, table(curves))));
}

function chart(title, curves, values, place, ticks, name) {
  const W = 320, H = 150, L = 46, T = 18, B = 18, w = W - L - 8, h = H - T - B;
  const svg = svgNode;
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
