// The page draws a grid of any size on one canvas that is as large as the part that can be
// seen, so that a prompt of a thousand tokens scrolls as smoothly as one of five. For screen
// readers the focused cell also stands in the document, with its row and column headers.

// data.js: the numbers of the grid, unpacked, and how they are written for people.

let D, R = 0, P = 0, K = 0; // the grid at hand, its rows, positions, and candidates a cell
let TOP, LOGITS, LSE, NORM;

function buffer(text) {
  const raw = atob(text || ""), out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out.buffer;
}
const floats = text => new Float32Array(buffer(text));
const ints = text => new Int32Array(buffer(text));

// load takes a grid.
function load(data) {
  D = data;
  R = D.rows.length, P = D.positions.length, K = D.k;
  TOP = ints(D.top), LOGITS = floats(D.logits), LSE = floats(D.lse), NORM = floats(D.norm);
  for (const v of D.views) v.values = floats(v.values);
  for (const t of D.targets || []) { t.logits = floats(t.logits); t.ranks = ints(t.ranks); }
  for (const c of D.contrasts || []) c.values = floats(c.values);
  for (const at of D.tracked || []) for (const c of at || []) { c.logits = floats(c.logits); c.ranks = ints(c.ranks); }
}

const at = (r, p) => r * P + p;
const prob = (logit, r, p) => !D.scored ? NaN : Math.exp(logit - LSE[at(r, p)]);
const same = (a, b) => a >= 0 && b >= 0 && D.ids[a] === D.ids[b]; // a part of a character has a text in each place
const best = (r, p) => TOP[at(r, p) * K];
const text = t => t < 0 ? "NaN" : D.texts[t];
const percent = x => Number.isFinite(x) ? (x >= 0.0005 || x === 0 ? (100 * x).toFixed(x > 0.9995 ? 1 : 2) + " %" : x.toExponential(1)) : "–";
const fixed = (x, digits) => Number.isFinite(x) ? x.toFixed(digits).replace("-", "−") : "–";
const whole = x => x > 0 ? x.toLocaleString("en-US") : "–";

// numbered is a token by its id, with the text that it has in a column; −1 where the page has none.
function numbered(id, p) {
  for (let i = 0; p >= 0 && i < R * K; i++) { const t = TOP[at(Math.floor(i / K), p) * K + i % K]; if (t >= 0 && D.ids[t] === id) return t; }
  return D.ids.indexOf(id);
}

// curve returns the rank and the probability that each row gives to token t at position p,
// null in the rows whose numbers of t the page does not have.
function curve(t, p) {
  const given = (D.tracked && D.tracked[p] || []).find(c => c.token === t);
  const target = (D.targets || []).find(c => same(c.token, t));
  const answer = D.answer[p] === t;
  const out = { ranks: [], probs: [], whole: true };
  for (let r = 0; r < R; r++) {
    let logit = null, rank = null;
    if (given) { logit = given.logits[r]; rank = given.ranks[r]; }
    else if (target) { logit = target.logits[at(r, p)]; rank = target.ranks[at(r, p)]; }
    else if (answer) { logit = number("logit", r, p); rank = number("rank", r, p); }
    else for (let k = 0; k < K; k++) if (TOP[at(r, p) * K + k] === t) { logit = LOGITS[at(r, p) * K + k]; rank = k + 1; }
    const share = logit === null ? NaN : prob(logit, r, p);
    out.ranks.push(rank > 0 ? rank : null);
    out.probs.push(Number.isFinite(share) ? share : null);
    if (logit === null) out.whole = false;
  }
  return out;
}
function number(view, r, p) {
  const v = D.views.find(v => v.name === view);
  return v && v.values.length ? v.values[at(r, p)] : NaN;
}
