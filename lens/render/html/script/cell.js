// cell.js: the panel with one cell's numbers, and what a screen reader says of the focused cell.

const line = (tag, ...texts) => element("tr", {}, ...texts.map(t => t instanceof Node ? t : element(tag, {}, t)));

function tokenButton(t, p) {
  const on = pins.some(pin => pin.token === t && pin.p === p);
  return element("td", { class: "token", title: text(t) + " (id " + D.ids[t] + ")" },
    element("button", { type: "button", "aria-pressed": on, "aria-label": (on ? "Unpin " : "Pin ") + text(t), onclick: () => toggle(t, p) }, element("bdi", {}, text(t))));
}

function context(r, p) {
  let from = p; // what is not shown, or not next to it, is left out
  while (from > 0 && from > p - 5 && D.positions[from - 1] === D.positions[from] - 1) from--;
  const before = D.input.slice(from, p + 1).map(text).join("").replaceAll("·", " ");
  return "position " + D.positions[p] + ", after “" + (D.positions[from] > 0 ? "…" : "") + before.trim() + "”";
}

function details() {
  const { r, p } = hover || active, i = at(r, p), head = element("h2", {}, D.sites[r]);
  const candidates = element("table", { id: "candidates" }, line("th", "candidate", "prob", "logit", "id"));
  for (let k = 0; k < K; k++) {
    const t = TOP[i * K + k];
    if (t >= 0) candidates.append(line("td", tokenButton(t, p), percent(prob(LOGITS[i * K + k], r, p)), fixed(LOGITS[i * K + k], 2), String(D.ids[t])));
  }
  const scored = [[D.answer[p], number("logit", r, p), number("rank", r, p)]];
  for (const t of D.targets || []) if (!same(t.token, D.answer[p])) scored.push([t.token, t.logits[i], t.ranks[i]]);
  const others = element("table", { class: "numbers", id: "asked" }, line("th", scored.length > 1 ? "final answer, targets" : "final answer", "prob", "logit", "rank"));
  for (const [t, logit, rank] of scored) if (t >= 0) others.append(line("td", tokenButton(t, p), percent(prob(logit, r, p)), fixed(logit, 2), whole(rank)));
  const numbers = element("table", { class: "numbers" });
  for (const name of ["entropy", "kl", "margin"]) {
    const v = D.views.find(v => v.name === name);
    if (v) numbers.append(line("td", v.name + (name === "margin" ? "" : " (nats)"), fixed(v.values[i], v.digits)));
  }
  numbers.append(line("td", "logsumexp", fixed(LSE[i], 2)), line("td", "norm of the state", fixed(NORM[i], 2)));
  if (D.experts && D.experts[i]) numbers.append(line("td", "experts, weights", D.experts[i]));
  for (const c of D.contrasts || []) numbers.append(line("td", text(c.target) + " − " + text(c.vs), fixed(c.values[i], 2)));
  $("cell").replaceChildren(head, element("p", { class: "context" }, context(r, p)), candidates, others, numbers);
}

// speak puts the focused cell, with its row and column headers, where a screen reader looks
// for it; aloud makes the screen reader say it at once.
function speak(aloud) {
  const { r, p } = active, i = at(r, p), t = best(r, p);
  const says = text(t) + ", " + percent(prob(LOGITS[i * K], r, p)) + (value(r, p) ? ", " + value(r, p) : "") + ", layer row " + D.rows[r] + ", " + context(r, p);
  $("spoken").replaceChildren(
    element("div", { role: "row", "aria-rowindex": 1 }, element("span", { role: "columnheader", "aria-colindex": p + 2 }, text(D.input[p]))),
    element("div", { role: "row", "aria-rowindex": R - r + 1 },
      element("span", { role: "rowheader", "aria-colindex": 1 }, D.rows[r]),
      element("span", { role: "gridcell", id: "active", "aria-colindex": p + 2, "aria-selected": "true" }, says)));
  scroll.setAttribute("aria-activedescendant", "active");
  if (aloud) $("live").textContent = says;
}

// tip shows beside the pointer what is under it.
function tip(x, y) {
  if (!hover || x === undefined) { showTip(); return; }
  const { r, p } = hover, i = at(r, p);
  const head = element("b", {}, element("bdi", {}, text(best(r, p))), " " + percent(prob(LOGITS[i * K], r, p)));
  showTip(x, y, head, element("span", {}, D.rows[r] + ", position " + D.positions[p]), ...(value(r, p) ? [element("span", {}, value(r, p))] : []));
}

// sheet opens or closes the cell's panel where it is a sheet at the window's bottom.
function sheet(open) {
  document.body.classList.toggle("sheet", open);
  size();
  if (open) go(active.r, active.p, false);
}
