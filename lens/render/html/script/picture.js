// picture.js: the grid as a drawing, for a printer or a file.

// pictures are drawings of so many columns each; printed, one is as wide as a page.
const pictures = columns => single() ? [ranksPicture()] : Array.from({ length: Math.ceil(P / columns) }, (_, i) => picture(i * columns, Math.min(P, (i + 1) * columns), 64, columns));

// picture draws the columns from p0 up to p1, in light colours; columns is for how many there is room.
function picture(p0, p1, cellWidth, columns) {
  const L = 62, rh = 17, top = 20, w = L + columns * cellWidth + 4, bottom = top + R * rh, h = bottom + 62;
  const root = svgNode("svg", { viewBox: `0 0 ${w} ${h}`, width: w, height: h, "font-family": "system-ui, sans-serif", "font-size": 11, class: "picture" }, svgNode("rect", { width: w, height: h, fill: "#fff" }));
  const put = (x, y, s, fill, anchor) => root.append(svgNode("text", { x, y, fill, "text-anchor": anchor || "middle" }, s));
  pen.font = SMALL;
  put(L - 6, 14, "next", "#444", "end");
  put(L - 6, bottom + 14, "input", "#444", "end");
  for (let p = p0; p < p1; p++) {
    const x = L + (p - p0 + 0.5) * cellWidth;
    put(x, 14, D.next[p] < 0 ? "–" : fitting(text(D.next[p]), cellWidth - 4), "#000");
    put(x, bottom + 14, fitting(text(D.input[p]), cellWidth - 4), "#000");
    put(x, bottom + 27, D.positions[p], "#444");
  }
  for (let y = 0; y < R; y++) {
    const r = rowAt(y);
    put(L - 6, top + y * rh + 12, D.rows[r], "#444", "end");
    for (let p = p0; p < p1; p++) {
      const s = share(view, view.values.length ? view.values[at(r, p)] : NaN), none = Number.isNaN(s), x = L + (p - p0) * cellWidth, ink = none || D.light[Math.round(255 * s)] === "1" ? "#000" : "#fff";
      root.append(svgNode("rect", { x, y: top + y * rh, width: cellWidth - 1, height: rh - 1, fill: none ? "#eee" : RAMP[Math.round(255 * s)] }));
      if (same(best(r, p), D.next[p])) root.append(svgNode("rect", { x: x + 1.5, y: top + y * rh + 1.5, width: cellWidth - 4, height: rh - 4, fill: "none", stroke: ink }));
      put(x + cellWidth / 2, top + y * rh + 12, fitting(says(r, p), cellWidth - 6), ink);
    }
  }
  if (view.values.length) {
    const [from, to] = ends(view);
    for (let i = 0; i < 64; i++) root.append(svgNode("rect", { x: L + 44 + 2 * i, y: bottom + 37, width: 2.2, height: 10, fill: onScale(view, 4 * i) }));
    if (to !== undefined) put(L + 38, bottom + 46, from, "#000", "end");
    put(L + 178, bottom + 46, to === undefined ? from : to, "#000", "start");
  }
  put(L + 230, bottom + 46, view.title, "#000", "start");
  return root;
}

// drawn is all of the grid as one drawing.
const drawn = () => single() ? ranksPicture() : picture(0, P, P > 60 ? 40 : 78, P);
