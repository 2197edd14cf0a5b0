// state.js: what the reader has chosen, and the sizes and colours that follow from it.

let view = null;            // one of D.views
let zoom = 92, zoomed = false; // width of a cell in pixels; whether the reader chose it
let active = { r: 0, p: 0 }; // the cell that the keyboard is on
let hover = null;           // the cell under the pointer
let pins = [];              // each {token, p: its position, colour}
let query = "", found = [], current = -1;

const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5cc7", "#8c6d31"]; // six of Okabe and Ito 2008, and two more
const BAND = 24;
let GUTTER = 66; // the room for the rows' names
let rowHeight = 24, tight = false; // of a row in pixels; whether all is to be in the window, however small
const height = () => rowHeight;
const wide = () => zoom >= 34;

let RAMP = []; // 256 colours
function share(v, x) {
  if (!Number.isFinite(x)) return NaN;
  if (!(v.hi > v.lo)) return v.fewer ? 1 : 0; // all are the same, and as near to the answer as any
  const y = v.log ? Math.log(x / v.lo) / Math.log(v.hi / v.lo) : (x - v.lo) / (v.hi - v.lo);
  return Math.min(1, Math.max(0, v.fewer ? 1 - y : y));
}

// onScale is the colour of a scale's place, of 256, and the numbers at its ends: one where all numbers are the same.
const onScale = (v, i) => RAMP[v.hi > v.lo ? i : Math.round(255 * share(v, v.lo))];
const ends = v => (v.hi > v.lo ? v.fewer ? [v.hi, v.lo] : [v.lo, v.hi] : [v.lo]).map(x => fixed(x, v.digits));

// take loads a grid, and keeps what the reader has chosen as far as the grid has it: the view, the cell
// and the pins, by token and position. Without a cell it is the last of the last row.
function take(data) {
  const last = !D || active.r === R - 1 && active.p === P - 1, site = D && D.sites[active.r], position = D && D.positions[active.p], name = view && view.name;
  const kept = pins.map(pin => ({ colour: pin.colour, id: D.ids[pin.token], position: D.positions[pin.p] }));
  load(data);
  view = D.views.find(v => v.name === name) || D.views.find(v => v.name === D.view) || D.views[0];
  RAMP = Array.from({ length: 256 }, (_, i) => "#" + D.ramp.slice(6 * i, 6 * i + 6));
  const r = D.sites.indexOf(site), p = D.positions.indexOf(position);
  active = last || r < 0 || p < 0 ? { r: R - 1, p: P - 1 } : { r, p };
  hover = null;
  pins = kept.map(pin => ({ ...pin, p: D.positions.indexOf(pin.position) })).map(pin => ({ colour: pin.colour, token: numbered(pin.id, pin.p), p: pin.p })).filter(pin => pin.token >= 0 && pin.p >= 0);
}

let css = {};
function readColours() {
  const s = getComputedStyle(document.documentElement);
  for (const name of ["paper", "ink", "soft", "line", "panel", "accent", "found", "none"]) css[name] = s.getPropertyValue("--" + name).trim();
}

// value is what the view shows of a cell, in words: its name and its number.
const value = (r, p) => view.values.length ? view.title + " " + fixed(view.values[at(r, p)], view.digits) : "";

// chosen is what the reader has chosen, for an address; recall chooses it again as far as the grid has it, and
// returns what it has not, in words.
function chosen() {
  const out = new URLSearchParams({ show: view.name, cell: D.sites[active.r] + "@" + D.positions[active.p] });
  if (pins.length) out.set("pins", pins.map(pin => D.ids[pin.token] + "@" + D.positions[pin.p]).join(","));
  return out;
}
function recall(from) {
  const missing = [];
  if (!D || !R || !P) return missing;
  if (from.get("show") && !D.views.some(v => v.name === from.get("show"))) missing.push("colour " + from.get("show"));
  if (D.views.some(v => v.name === from.get("show"))) choose(from.get("show"));
  const [site, position] = (from.get("cell") || "").split("@"), r = D.sites.indexOf(site), p = D.positions.indexOf(Number(position));
  const wanted = (from.get("pins") || "").split(",").map(s => s.split("@").map(Number)).map(([id, position]) => ({ token: numbered(id, D.positions.indexOf(position)), p: D.positions.indexOf(position) }));
  if (from.get("cell") && (r < 0 || p < 0)) missing.push("cell " + from.get("cell"));
  if (from.get("pins") && wanted.some(pin => !(pin.token >= 0 && pin.p >= 0))) missing.push("pins " + from.get("pins").split(",").filter((_, i) => !(wanted[i].token >= 0 && wanted[i].p >= 0)).join(", "));
  for (const pin of wanted) if (pin.token >= 0 && pin.p >= 0 && !pins.some(had => had.token === pin.token && had.p === pin.p)) toggle(pin.token, pin.p);
  if (r >= 0 && p >= 0) go(r, p, false);
  return missing;
}
