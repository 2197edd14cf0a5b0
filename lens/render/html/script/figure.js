// figure.js: tables of numbers on their colours.

// steps lets arrow keys go from cell to cell of a table, one of which Tab reaches; picked is told of a cell
// that is clicked on, or that Enter or a space chooses.
function steps(table, picked) {
  const first = table.querySelector("td");
  if (!first) return;
  first.tabIndex = 0;
  const region = table.parentElement;
  region.setAttribute("tabindex", "0");
  region.setAttribute("role", "region");
  region.setAttribute("aria-label", table.closest("figure").querySelector("figcaption").textContent.trim() || "table");
  table.addEventListener("keydown", e => {
    const cell = e.target.closest("td");
    if (!cell) return;
    const row = cell.parentElement, by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[e.key];
    if (e.key === "Enter" || e.key === " ") { picked(cell); e.preventDefault(); return; }
    if (!by) return;
    let next = table.rows[row.rowIndex + by[0]];
    while (next && next.matches(".foot")) next = table.rows[next.rowIndex + by[0]]; // the labels of a part
    const to = (next || row).cells[cell.cellIndex + by[1]];
    if (to && to.tagName === "TD") reach(to);
    e.preventDefault();
  });
  table.addEventListener("click", e => { const cell = e.target.closest("td"); if (cell) { reach(cell); picked(cell); } });
}

// reach puts the focus on a cell, the one of its table that Tab reaches from then on.
function reach(cell) {
  const before = cell.closest("table").querySelector('td[tabindex="0"]');
  if (before) before.tabIndex = -1;
  cell.tabIndex = 0;
  cell.focus({ preventScroll: true });
  cell.scrollIntoView({ block: "nearest", inline: "nearest" });
}

// fitRows makes the rows as low as is needed for all of the first tables, which stand beside each other, to be in the
// window with what is below them, so many pixels, where that leaves them legible.
function fitRows(article, below = 48) {
  article.style.removeProperty("--row");
  if (narrow.matches) return;
  const tables = [...article.querySelectorAll(".wide:not(.dense):not(.strip) table")], topOf = table => table.closest("figure").getBoundingClientRect().top;
  const heights = tables.filter(table => topOf(table) === topOf(tables[0])).map(table => {
    const foot = table.querySelectorAll(".foot").length, room = innerHeight - scrollY - table.getBoundingClientRect().top - 20 * foot - below;
    return Math.floor(room / (table.rows.length - foot));
  });
  if (heights.length) article.style.setProperty("--row", Math.min(22, Math.max(14, Math.min(...heights))) + "px");
}

// hints shows at the pointer what a cell says.
function hints(article) {
  article.addEventListener("pointermove", e => {
    const cell = e.pointerType !== "touch" && e.target.closest("td");
    cell ? showTip(e.clientX, e.clientY, element("span", {}, cell.getAttribute("aria-label"))) : showTip();
  });
  article.addEventListener("pointerleave", () => showTip());
}

// figureDrawing is what the page shows of a figure as a drawing, in light colours: all of each table.
function figureDrawing(article) {
  const origin = article.getBoundingClientRect(), root = svgNode("svg", { "font-family": "system-ui, sans-serif", class: "picture" }), pad = 12, pen = document.createElement("canvas").getContext("2d");
  let right = 0, bottom = 0;
  const put = (e, text, fill, anchor, middle) => {
    const b = e.getBoundingClientRect(), s = getComputedStyle(e), size = parseFloat(s.fontSize), inner = { left: b.left + parseFloat(s.paddingLeft), right: b.right - parseFloat(s.paddingRight) };
    const x = (anchor === "start" ? inner.left : anchor === "end" ? inner.right : (inner.left + inner.right) / 2) - origin.left + pad, y = middle ? (b.top + b.bottom) / 2 + size * 0.36 : b.top + size * 1.1;
    const node = svgNode("text", { x: x.toFixed(1), y: (y - origin.top + pad).toFixed(1), fill, "font-size": size, "text-anchor": anchor, "font-weight": s.fontWeight, "xml:space": "preserve" }, text);
    root.append(node);
    pen.font = s.fontWeight + " " + s.fontSize + " system-ui, sans-serif";
    right = Math.max(right, anchor === "start" ? x + pen.measureText(text).width : b.right - origin.left + pad);
    bottom = Math.max(bottom, b.bottom - origin.top + pad);
  };
  const box = (e, fill) => {
    const b = e.getBoundingClientRect();
    root.append(svgNode("rect", { x: (b.left - origin.left + pad).toFixed(1), y: (b.top - origin.top + pad).toFixed(1), width: b.width.toFixed(1), height: b.height.toFixed(1), fill }));
  };
  for (const e of article.querySelectorAll("h1, h2")) put(e, e.textContent, "#000", "start");
  for (const e of article.querySelectorAll(":scope > .sub")) put(e, e.textContent, "#444", "start");
  for (const e of article.querySelectorAll("figcaption")) put(e, e.textContent, "#000", "start");
  for (const e of article.querySelectorAll(".legend i")) box(e, e.style.background || e.style.backgroundColor);
  for (const e of article.querySelectorAll(".legend span")) put(e, e.textContent, "#444", "start", true);
  for (const e of article.querySelectorAll("td")) {
    const colour = e.style.backgroundColor;
    if (colour) box(e, colour);
    if (!e.closest(".dense")) put(e, e.textContent, e.style.color || "#000", "end", true);
  }
  for (const e of article.querySelectorAll("th")) if (!e.closest(".dense .foot") || e.matches(":first-child")) put(e, e.textContent, "#444", e.closest(".foot") && !e.matches(":first-child") ? "middle" : "end", true);
  for (const e of article.querySelectorAll(".dense td")) { const b = e.getBoundingClientRect(); right = Math.max(right, b.right - origin.left + pad); bottom = Math.max(bottom, b.bottom - origin.top + pad); }
  const w = Math.ceil(right + pad), h = Math.ceil(bottom + pad);
  for (const [k, v] of Object.entries({ viewBox: `0 0 ${w} ${h}`, width: w, height: h })) root.setAttribute(k, v);
  root.prepend(svgNode("rect", { width: w, height: h, fill: "#fff" }));
  return root;
}

// startFigure is of a page that shows one figure.
function startFigure() {
  const article = document.querySelector("body > main > .figures");
  if (!article) return;
  const tables = [...article.querySelectorAll("table")];
  let cell = null; // the one that the reader chose
  const choose = to => {
    if (cell) cell.classList.remove("chosen");
    cell = cell === to ? null : to;
    if (cell) cell.classList.add("chosen");
    $("sheet").textContent = cell ? cell.getAttribute("aria-label") : "";
    changed();
  };
  for (const table of tables) steps(table, choose);
  hints(article);
  fitRows(article);
  addEventListener("resize", () => fitRows(article));
  addEventListener("keydown", e => { if (e.key === "Escape" && cell) choose(cell); });
  startTheme();
  startShare({
    chosen: () => new URLSearchParams(cell ? { cell: [tables.indexOf(cell.closest("table")), cell.parentElement.rowIndex, cell.cellIndex].join(".") } : {}),
    recall: from => {
      const asked = from.get("cell"), [table, row, column] = (from.get("cell") || "").split(".").map(Number), to = tables[table] && tables[table].rows[row] && tables[table].rows[row].cells[column];
      if (to && to.tagName === "TD" && to !== cell) { choose(to); to.scrollIntoView({ block: "nearest", inline: "nearest" }); }
      return asked && !(to && to.tagName === "TD") ? ["cell " + asked] : [];
    },
    drawing: () => figureDrawing(article),
    says: () => ({ Title: article.querySelector("h1").textContent, Description: [...article.querySelectorAll(":scope > .sub")].map(p => p.textContent).join(". ") }),
  });
}
startFigure();
