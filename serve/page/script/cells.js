// cells.js: what can be done with a chosen cell of the grid, or of a table.

let made = null; // the request that made what is shown: {mode, values, conversation}, as they were when it was run

// given is what that request gave a key, a field's own value among it.
function given(key) {
  const f = MODES[made.mode].fields.find(f => f.key === key), value = made.values[key];
  return value === undefined ? (f && f.value) || "" : value;
}

// What one view's request has in common with another's: what the model reads, and how a grid is read.
const INPUT = ["prompt", "ids", "chat", "system", "no_bos", "edit", "style"];
const GRID = ["layers", "positions", "span", "last", "lens", "mid", "mlp", "embed", "top", "target", "vs", "font_size", "numbers"];

let behind = []; // keys of the request that the view turned to cannot have

// lead turns to another view with what the request gave of some keys, and with changes. Its fields have
// no values of their own then. What belongs only to the view that is left is named in own; of the rest
// the reader is told.
function lead(to, keys, changes, own) {
  const with_ = Object.fromEntries([...MODES[to].fields.map(f => [f.key, ""]), ...keys.map(key => [key, given(key)]).filter(([, value]) => value !== ""), ...Object.entries(changes)]);
  const all = new Set([...Object.keys(made.values), ...MODES[made.mode].fields.map(f => f.key)]);
  behind = [...all].filter(key => given(key) !== "" && given(key) !== false && !keys.includes(key) && !(key in changes) && !own.includes(key));
  turn(to, with_);
}

function remark() {
  if (behind.length) $("notes").append(element("li", {}, MODES[mode].name + " was asked without: " + behind.join(", ")));
  behind = [];
}

// act is a button that changes the request that made what is shown, whatever stands in the fields by now, and runs it.
const act = (name, change) => element("button", { type: "button", onclick: () => { again(); change(); drawForm(); run(); remark(); } }, name);
const joined = (...edits) => edits.filter(e => e).join("\n");
const listed = text => joined(given("edit"), text);

// READ is what of a request has no place where its text is given by ids, and as it came.
const READ = ["prompt", "ids", "chat", "system", "no_bos", "say", "positions", "span", "last", "max_tokens", "temperature", "top_p", "top_k", "min_p", "seed", "stop", "ignore_eos", "repetition_penalty", "repetition_context"];

// ofWhole is an edit of a prompt of n tokens as it is for a text that goes on behind them: its positions count from the
// prompt's end no more, and a mean is that over the prompt.
function ofWhole(edit, n) {
  const counted = at => at < 0 ? at + n : at;
  const selected = all => all.split(",").map(one => /^\s*-\d+\s*$/.test(one) ? counted(Number(one)) : one.replace(/^\s*(-?\d*):(-?\d*)/, (_, from, to) => (from && counted(Number(from))) + ":" + (to ? counted(Number(to)) : n))).join(",");
  const [, where, what] = /^([^=]*)(.*)$/s.exec(edit), [, site, at, keys, heads] = /^([^@/#]*)(@[^/#]*)?(\/[^#]*)?(#.*)?$/.exec(where);
  const positions = at ? "@" + selected(at.slice(1)) : /^=swap-clamped\b/.test(what) ? "@0:" + n : ""; // whose new tokens are left alone
  return site + positions + (keys ? "/" + selected(keys.slice(1)) : "") + (heads || "") + what.replace(/^=mean(:@(.*))?$/, (_, given, of) => "=mean:@" + (given ? selected(of) : "0:" + n));
}

// whole offers the lens of all of a text that went on, with an edit of one of its new tokens: the text stays, and the
// edit holds where that token is processed. No request that goes on from the prompt has such a position.
function whole(edit) {
  const n = D.positions[0] + 1, ids = D.tokens.map(t => D.ids[t]).join(","), columns = D.positions[0] + ":";
  return [act("lens of the whole text with this edit", () => {
    const before = String(given("edit")).split("\n").filter(e => e).map(e => ofWhole(e, n));
    lead("lens", GRID.filter(key => !READ.includes(key)), { ids, positions: columns, edit: joined(...before, edit()) }, READ);
  }), element("span", { class: "sub" }, "the text stays, and the edit holds while its token is read")];
}

// editing is a choice of site and operation, for an edit at a place, and of what runs with it.
function editing(layer, position, sites, runs) {
  const site = element("select", { "aria-label": "Site of the edit" }, ...sites.map(s => element("option", { value: s }, s)));
  const head = element("input", { "aria-label": "Heads of the edit, for z", placeholder: "heads of z" });
  const op = element("select", { "aria-label": "What the edit does" }, ...["zero", "mean", "scale:2", "scale:-1"].map(s => element("option", { value: s }, s)));
  const edit = () => "layers." + layer + "." + site.value + "@" + position + (head.value && site.value === "z" ? "#" + head.value : "") + "=" + op.value;
  return [site, head, op, ...runs(edit)];
}
const rerun = edit => [act("edit and run", () => { values.edit = listed(edit()); })];

// reaching are the edits that change the patterns of a layer, and those that come behind them, which a request
// for the patterns is refused with.
function reaching(layer) {
  const before = ["resid_pre", "attn_norm", "conv_out", "q", "k", "v", "q_normed", "k_normed", "rot_q", "rot_k", "attn_scores", "pattern"];
  const all = String(given("edit")).split("\n").filter(e => e), late = e => {
    const at = /^layers\.(\d+)\.(\w+)/.exec(e);
    return at && (Number(at[1]) > Number(layer) || Number(at[1]) === Number(layer) && !before.includes(at[2]));
  };
  return [all.filter(e => !late(e)), all.filter(late)];
}

// spot offers what can be done with the active cell of the grid.
function spot() {
  const at = /^layers\.(\d+)\.(\w+)/.exec(D && R ? D.sites[active.r] : "");
  $("spot").hidden = !at;
  if (!at) return;
  const layer = at[1], position = D.positions[active.p], sites = [at[2], "resid_post", "attn_out", "mlp_out", "z"].filter((s, i, all) => all.indexOf(s) === i);
  const more = [], here = { layers: layer, positions: String(position) };
  if (mode === "lens") more.push(
    element("button", { type: "button", onclick: () => {
      lead("patch", INPUT.filter(key => key !== "prompt"), { ...here, clean: given("prompt") }, ["prompt", "span", "last"]);
      remark();
      $("f-corrupted").focus();
    } }, "patch here from another prompt"),
    act("attention of this layer", () => {
      const [kept, left] = reaching(layer);
      lead("attn", INPUT, { ...here, edit: joined(...kept) }, ["span", "last"]);
      if (left.length) behind.push("edit " + left.join(", ") + " (behind what attention reads there)");
    }));
  if (given("edit")) more.push(act("without edits", () => { values.edit = ""; }));
  const runs = MODES[mode].text && position > D.positions[0] ? whole : rerun; // behind the first column, which is of the prompt's end
  $("spot").replaceChildren(element("b", {}, "layer " + layer + ", position " + position), ...editing(layer, position, sites, runs), ...more);
}

// sides are what can be done with a cell of a comparison.
function sides(number, key, row, column) {
  const own = ["prompt_b", "ids_b", "edit_b", "model_b", "align", "threshold", "view", "title"], second = /: (\d+)$/.exec(column), rowOfB = /: (\d+)/.exec(row);
  const ofB = second ? second[1] : key, rowB = rowOfB ? rowOfB[1] : number, otherInput = given("prompt_b") || given("ids_b");
  const ofItsOwn = otherInput ? { prompt: given("prompt_b"), ids: given("ids_b") } : {}; // where positions are those of the first side
  const keys = [...INPUT, ...GRID].filter(key => !otherInput || key !== "positions");
  const b = given("model_b") ? element("span", { class: "sub" }, "side b is of " + given("model_b") + ": its lens is that of a server with this model (mlxlens serve -m)")
    : act("lens of side b", () => lead("lens", keys, { ...ofItsOwn, edit: joined(given("edit"), given("edit_b")) }, own));
  return [act("lens of side a", () => lead("lens", [...INPUT, ...GRID], {}, own)), b,
    act("compare with b's layer " + rowB + ", position " + ofB + " zeroed", () => { values.edit_b = joined(given("edit_b"), "layers." + rowB + ".resid_post@" + ofB + "=zero"); })];
}

// footOf is the name of what the columns of a table are, and of a column.
const footOf = (table, column) => table.rows[table.rows.length - 1].cells[column].textContent.trim();

// places are what can be done with a place of a grid: a site by layer and position or head, the heads of an
// attribution, or a row that is a place. A part is left out where the table speaks of it, and nowhere else.
function places(number, key, row, caption, are) {
  const actions = [];
  let place = are === "position" && key && /^layers\.\d+\.\w+$/.test(row) ? row + "@" + key : "";
  if (number && key && are === "head") {
    const parts = [...$("figure").querySelectorAll("table")].find(t => footOf(t, 0) === "position"); // of the attribution of one position
    const at = mode === "patch" ? String(given("positions") || given("span")).replaceAll("\n", ",").replace(/^all$/, "") : parts ? footOf(parts, 1) : "";
    place = "layers." + number + "." + (caption === "heads" ? "z" : caption) + (at && "@" + at) + "#" + key;
  } else if (number && key && /^(z|attn_out|mlp_out|resid_(pre|mid|post))$/.test(caption)) place = "layers." + number + "." + caption + "@" + key;
  const m = MODES[mode], clean = mode === "patch" ? "clean" : "prompt", asked = [...m.fields.map(f => f.key), ...Object.keys(made.values)].filter(key => !INPUT.includes(key)); // what was asked of the place, and not of a lens
  if (place && !given("window") && (given(clean) || given("ids"))) actions.push(act("lens of the " + clean + (clean === "clean" ? " prompt" : "") + " without it", () => lead("lens", INPUT, { prompt: given(clean), edit: listed(place + "=zero") }, asked)));
  if (mode === "patch" && (given("corrupted") || given("ids_b"))) actions.push(act("lens of the corrupted prompt", () => lead("lens", INPUT, { prompt: given("corrupted"), ids: given("ids_b") }, asked)));
  return actions;
}

// picked offers what can be done with a cell of a table.
function picked(cell) {
  const table = cell.closest("table"), caption = table.closest("figure").querySelector("figcaption").firstChild.textContent.trim();
  const name = cell.parentElement.cells[0], row = (name.lastChild || name).textContent.trim(), column = footOf(table, cell.cellIndex), are = footOf(table, 0);
  const number = /^\d+/.exec(row), key = /^\d+/.exec(column), pattern = /(\d+)\.(\d+)/.exec(caption);
  let actions = [];
  if (mode === "attn" && pattern && number && key) {
    if (cell.textContent.trim() !== "–") actions = [ // what stands behind a token is not looked at
      act("hide token " + key[0] + " from token " + number[0] + " in this head", () => { values.edit = listed("layers." + pattern[1] + ".attn_scores@" + number[0] + "/" + key[0] + "#" + pattern[2] + "=mask"); })];
  } else if (mode === "attn" && number && key && are === "head") {
    actions = [act("pattern of head " + number[0] + "." + key[0], () => { values.heads = number[0] + "." + key[0]; values.layers = ""; values.knockout = ""; })];
  } else if (mode === "compare" && number && key) {
    actions = sides(number[0], key[0], row, column);
  } else {
    actions = places(number && number[0], key && key[0], row, caption, are);
  }
  $("spot").hidden = false;
  $("spot").replaceChildren(element("b", {}, cell.getAttribute("aria-label") || caption), ...actions);
}
