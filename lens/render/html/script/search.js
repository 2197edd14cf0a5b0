// search.js: cells whose candidates contain a text or have an id.

let matching = new Set(); // the tokens that the query finds

// match returns 2 where the cell's best token matches, 1 where another candidate does, else 0.
function match(r, p) {
  for (let k = 0; k < K; k++) if (matching.has(TOP[at(r, p) * K + k])) return k ? 1 : 2;
  return 0;
}
const bare = s => s.replace(/[\u2066-\u2069]/g, "").replaceAll("·", " ").toLowerCase();

function search(value) {
  query = value.trim() === "" ? "" : value;
  matching = new Set();
  found = [];
  current = -1;
  const wanted = bare(query);
  if (query) D.texts.forEach((s, t) => { if (bare(s).includes(wanted) || String(D.ids[t]) === query.trim()) matching.add(t); });
  if (matching.size) for (let y = 0; y < R; y++) for (let p = 0; p < P; p++) if (match(rowAt(y), p)) found.push({ r: rowAt(y), p });
  const tops = found.filter(c => match(c.r, c.p) === 2).length;
  $("matches").textContent = query ? (found.length ? found.length + (found.length === 1 ? " cell, " : " cells, ") + tops + " on top" : none()) : "";
  redraw();
}
const none = () => "no candidate has “" + query.trim() + "”";
function step(by) {
  if (!found.length) { $("live").textContent = query ? none() : "nothing is searched for"; return; }
  current = (current + by + found.length) % found.length;
  if (current < 0) current += found.length;
  go(found[current].r, found[current].p, true);
  $("matches").textContent = current + 1 + " of " + found.length;
}
