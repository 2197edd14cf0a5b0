// ranks.js: of one position the candidates of each row side by side, as on a terminal and in pictures.

// single reports whether the grid is of one position, whose candidates there is room for.
const single = () => P === 1 && K > 1 && D.scored;
const candidate = (r, k) => ({ t: TOP[r * K + k], share: prob(LOGITS[r * K + k], r, 0) });
const onShare = share => { const i = Math.round(255 * Math.min(1, share)); return { fill: RAMP[i], ink: D.light[i] === "1" ? "#000" : "#fff" }; };

// candidatesAre says what the table's colours are, whatever the grid's are.
const candidatesAre = "each candidate's own probability";

function drawRanks() {
  $("ranks").hidden = $("ranks-legend").hidden = !single();
  document.body.classList.toggle("single", single());
  $("ranks").replaceChildren();
  if (!single()) return;
  const bar = $("ranks-bar").getContext("2d");
  RAMP.forEach((colour, i) => { bar.fillStyle = colour; bar.fillRect(i, 0, 1, 12); });
  const out = element("table", { "aria-label": "The candidates of each layer, the likeliest at the left; colour: " + candidatesAre + "; framed: the model's answer" });
  out.append(element("tr", {}, element("th", { scope: "col" }, "rank"), ...Array.from({ length: K }, (_, k) => element("th", { scope: "col" }, String(k + 1)))));
  for (let r = R - 1; r >= 0; r--) {
    const line = element("tr", {}, element("th", { scope: "row" }, D.rows[r]));
    for (let k = 0; k < K; k++) {
      const { t, share } = candidate(r, k), cell = element("td", {});
      if (t >= 0) {
        const { fill, ink } = onShare(share), button = element("button", { type: "button", title: "pin " + text(t) + " (id " + D.ids[t] + ")", onclick: () => { go(r, 0, false); toggle(t, 0); } }, element("bdi", {}, text(t)), element("span", {}, " " + share.toFixed(3)));
        cell.style.backgroundColor = fill;
        button.style.color = ink;
        if (same(t, D.answer[0])) cell.classList.add("answer");
        cell.style.outlineColor = ink;
        cell.append(button);
      }
      line.append(cell);
    }
    out.append(line);
  }
  $("ranks").append(out);
}

// ranksPicture draws them, in light colours.
function ranksPicture() {
  pen.font = SMALL;
  const what = context(R - 1, 0) + ": the candidates of each layer; framed: the model's answer", L = namesRoom(62), wide = 104, rh = 17, top = 20, bottom = top + R * rh;
  const root = sheetOf(Math.ceil(L + Math.max(K * wide, pen.measureText(what).width, 178 + pen.measureText(candidatesAre).width + 52) + 4), bottom + 62);
  const put = (x, y, s, fill, anchor) => root.append(svgNode("text", { x, y, fill, "text-anchor": anchor }, s));
  put(L - 6, 14, "rank", "#444", "end");
  for (let k = 0; k < K; k++) put(L + (k + 0.5) * wide, 14, k + 1, "#444", "middle");
  for (let y = 0; y < R; y++) {
    const r = rowAt(y), at = top + y * rh;
    put(L - 6, at + 12, D.rows[r], "#444", "end");
    for (let k = 0; k < K; k++) {
      const { t, share } = candidate(r, k), { fill, ink } = onShare(share), x = L + k * wide;
      if (t < 0) continue;
      root.append(svgNode("rect", { x, y: at, width: wide - 1, height: rh - 1, fill }));
      if (same(t, D.answer[0])) root.append(svgNode("rect", { x: x + 1.5, y: at + 1.5, width: wide - 4, height: rh - 4, fill: "none", stroke: ink }));
      put(x + 5, at + 12, fitting(text(t), wide - 44), ink, "start");
      put(x + wide - 6, at + 12, share.toFixed(3), ink, "end");
    }
  }
  put(L, bottom + 16, what, "#000", "start");
  for (let i = 0; i < 64; i++) root.append(svgNode("rect", { x: L + 44 + 2 * i, y: bottom + 37, width: 2.2, height: 10, fill: RAMP[4 * i] }));
  put(L + 38, bottom + 46, "0.000", "#000", "end");
  put(L + 178, bottom + 46, "1.000", "#000", "start");
  put(L + 230, bottom + 46, candidatesAre, "#000", "start");
  return root;
}
