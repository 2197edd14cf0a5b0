// cells.js: what can be done with a chosen cell of the grid, or of a table.

// act is a button that changes the request and runs it.
const act = (name, change) => element("button", { type: "button", onclick: () => { change(); drawForm(); run(); } }, name);
const listed = text => (values.edit ? values.edit + "\n" : "") + text;

// editing is a choice of site and operation, for an edit at a place.
function editing(layer, position, sites) {
  const site = element("select", { "aria-label": "Site of the edit" }, ...sites.map(s => element("option", { value: s }, s)));
  const head = element("input", { "aria-label": "Heads of the edit, for z", placeholder: "heads of z" });
  const op = element("select", { "aria-label": "What the edit does" }, ...["zero", "mean", "scale:2", "scale:-1"].map(s => element("option", { value: s }, s)));
  const edit = () => "layers." + layer + "." + site.value + "@" + position + (head.value && site.value === "z" ? "#" + head.value : "") + "=" + op.value;
  return [site, head, op, act("edit and run", () => { values.edit = listed(edit()); })];
}

// spot offers what can be done with the active cell of the grid.
function spot() {
  const at = /^layers\.(\d+)\.(\w+)/.exec(D && R ? D.sites[active.r] : "");
  $("spot").hidden = !at;
  if (!at) return;
  const layer = at[1], position = D.positions[active.p], sites = [at[2], "resid_post", "attn_out", "mlp_out", "z"].filter((s, i, all) => all.indexOf(s) === i);
  const more = [];
  if (mode === "lens") more.push(
    element("button", { type: "button", onclick: () => { turn("patch", { clean: values.prompt || prompt.value, corrupted: "", layers: layer, positions: String(position) }); $("f-corrupted").focus(); } }, "patch here from another prompt"),
    act("attention of this layer", () => { const p = values.prompt || prompt.value; turn("attn", { prompt: p, layers: layer, positions: String(position) }); }));
  if (values.edit) more.push(act("without edits", () => { values.edit = ""; }));
  $("spot").replaceChildren(element("b", {}, "layer " + layer + ", position " + position), ...editing(layer, position, sites), ...more);
}

// picked offers what can be done with a cell of a table.
function picked(cell) {
  const table = cell.closest("table"), caption = table.closest("figure").querySelector("figcaption").firstChild.textContent.trim();
  const row = cell.parentElement.cells[0].textContent.trim(), column = table.rows[table.rows.length - 1].cells[cell.cellIndex].textContent.trim();
  const actions = [], number = /^\d+/.exec(row), key = /^\d+/.exec(column), pattern = /(\d+)\.(\d+)/.exec(caption);
  if (mode === "attn" && pattern && number && key) {
    actions.push(act("hide token " + key[0] + " from token " + number[0] + " in this head", () => { values.edit = listed("layers." + pattern[1] + ".attn_scores@" + number[0] + "/" + key[0] + "#" + pattern[2] + "=mask"); }));
  } else if (mode === "attn" && number && key) {
    actions.push(act("pattern of head " + number[0] + "." + key[0], () => { values.heads = number[0] + "." + key[0]; values.layers = ""; values.knockout = ""; }));
  } else if (mode === "compare" && number && key) {
    const both = p => turn("lens", { prompt: p || MODES.compare.fields[0].value }), second = /: (\d+)$/.exec(column);
    const ofB = second ? second[1] : key[0], rowOfB = /: (\d+)/.exec(row), rowB = rowOfB ? rowOfB[1] : number[0];
    actions.push(act("lens of side a", () => both(values.prompt)), act("lens of side b", () => both(values.prompt_b === undefined ? MODES.compare.fields[1].value : values.prompt_b || values.prompt)),
      act("compare with b's layer " + rowB + ", position " + ofB + " zeroed", () => { values.edit_b = (values.edit_b ? values.edit_b + "\n" : "") + "layers." + rowB + ".resid_post@" + ofB + "=zero"; }));
  } else {
    // a place of a grid: a site by layer and position or head, the heads of an attribution, or a row that is a place
    const site = caption === "heads" ? "z" : caption, heads = values.heads === true || site === "z";
    let place = /^layers\.\d+\.\w+$/.test(row) ? row : "";
    if (number && key && /^(z|attn_out|mlp_out|resid_(pre|mid|post))$/.test(site)) place = "layers." + number[0] + "." + site + (heads ? "#" + key[0] : "@" + key[0]);
    if (place) actions.push(act("lens of the prompt without it", () => { const p = values.clean || values.prompt || MODES[mode].fields[0].value; turn("lens", { prompt: p, edit: place + "=zero" }); }));
    if (mode === "patch") actions.push(act("lens of the corrupted prompt", () => { const p = values.corrupted || pair[1].value; turn("lens", { prompt: p }); }));
  }
  $("spot").hidden = false;
  $("spot").replaceChildren(element("b", {}, cell.getAttribute("aria-label") || caption), ...actions);
}
