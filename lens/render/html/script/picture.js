// picture.js: the grid as a drawing, for a printer or a file.

// pictures are drawings of so many columns each; printed, one is as wide as a page.
const pictures = columns => single() ? [sideBySide()] : Array.from({ length: Math.ceil(P / columns) }, (_, i) => picture(i * columns, Math.min(P, (i + 1) * columns), 64, columns));

const sheetOf = (w, h, ...children) => svgNode("svg", { viewBox: `0 0 ${w} ${h}`, width: w, height: h, "font-family": "system-ui, sans-serif", "font-size": 11, class: "picture" }, svgNode("rect", { width: w, height: h, fill: "#fff" }), ...children);
const sizeOf = svg => ({ w: Number(svg.getAttribute("width")), h: Number(svg.getAttribute("height")) });

// shows is what the colours are of, in words.
const shows = () => view.means || "the tokens alone";

// picture draws the columns from p0 up to p1, in light colours; columns is for how many there is room.
function picture(p0, p1, cellWidth, columns) {
  pen.font = SMALL;
  const L = namesRoom(62), rh = 17, top = 20, bottom = top + R * rh, named = 8 + pen.measureText(shows()).width, w = Math.ceil(Math.max(L + columns * cellWidth + 4, L + 230, named));
  const beside = L + 230 + named <= w, below = bottom + (beside ? 46 : 62), root = sheetOf(w, below + (anyFramed() ? 32 : 16)); // the legend's words stand beside its colours or below them
  const put = (x, y, s, fill, anchor) => root.append(svgNode("text", { x, y, fill, "text-anchor": anchor || "middle" }, s));
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
  put(beside ? L + 230 : 8, below, shows(), "#000", "start");
  if (anyFramed()) put(8, below + 16, "framed: the token that came next", "#444", "start");
  return root;
}

const anyFramed = () => D.next.some((t, p) => D.rows.some((_, r) => same(best(r, p), t)));

// sideBySide is a grid of one position and its candidates, as the page has them.
function sideBySide() {
  const grid = picture(0, 1, 200, 1), table = ranksPicture(), a = sizeOf(grid), b = sizeOf(table);
  table.setAttribute("x", a.w + 12);
  return sheetOf(a.w + 12 + b.w, Math.max(a.h, b.h), grid, table);
}

// wrapped cuts a text into lines that are no wider than a room in the pen's font.
function wrapped(text, room) {
  const lines = [""];
  for (const word of text.split(/(?<= )/)) {
    if (lines[lines.length - 1] && pen.measureText(lines[lines.length - 1] + word).width > room) lines.push("");
    for (const sign of word) { // of a word that is wider alone
      if (pen.measureText(lines[lines.length - 1] + sign).width > room) lines.push("");
      lines[lines.length - 1] += sign;
    }
  }
  return lines;
}

// drawn is all of the grid as one drawing, under what it is of and above the command that made it.
function drawn() {
  const inner = single() ? sideBySide() : picture(0, P, P > 60 ? 40 : 78, P), { w, h } = sizeOf(inner), width = Math.max(w, 480), texts = [];
  let y = 4;
  const put = (text, font, size, fill) => {
    pen.font = font + size + "px system-ui, sans-serif";
    for (const line of wrapped(text, width - 16)) texts.push(svgNode("text", { x: 8, y: y += Math.round(1.4 * size), fill, "font-size": size, "font-weight": font ? 600 : 400 }, line));
  };
  put(D.title, "600 ", 14, "#000");
  put(D.about, "", 11, "#444");
  inner.setAttribute("y", y += 8);
  y += h - 10;
  if (command()) put(command(), "", 10, "#444");
  return sheetOf(width, y + 12, inner, ...texts);
}
