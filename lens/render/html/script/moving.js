// moving.js: the focused cell, the zoom, and which key does what.

function go(r, p, aloud) {
  active = { r: Math.min(R - 1, Math.max(0, r)), p: Math.min(P - 1, Math.max(0, p)) };
  hover = null;
  const h = height(), x = active.p * zoom, y = (R - 1 - active.r) * h, w = scroll.clientWidth - GUTTER, high = scroll.clientHeight - 2 * BAND - 20;
  if (x < scroll.scrollLeft) scroll.scrollLeft = x;
  if (x + zoom > scroll.scrollLeft + w) scroll.scrollLeft = x + zoom - w;
  if (y < scroll.scrollTop) scroll.scrollTop = y;
  if (y + h > scroll.scrollTop + high) scroll.scrollTop = y + h - high;
  details();
  speak(aloud);
  redraw();
  changed();
}

// setZoom makes cells width pixels wide and keeps what is x pixels from the left edge where
// it is: the cell under the pointer or, without x, the active cell.
function setZoom(width, x) {
  tight = false;
  zoomed = true;
  width = Math.min(240, Math.max(3, width));
  if (x === undefined) x = Math.min(scroll.clientWidth, Math.max(GUTTER, GUTTER + (active.p + 0.5) * zoom - scroll.scrollLeft));
  const column = (scroll.scrollLeft + x - GUTTER) / zoom;
  zoom = width;
  cuts = new Map();
  size();
  scroll.scrollLeft = column * zoom + GUTTER - x;
}
// fit has the whole grid in the window, its cells no wider than is good to read; of a prompt whose cells
// would be too narrow the overview has the rest.
function fit() {
  setZoom(Math.min(140, Math.floor((scroll.clientWidth - GUTTER - 2) / P * 100) / 100), GUTTER);
  tight = true;
  size();
}

function under(event) {
  const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
  if (x < GUTTER || y < BAND || y > box.height - BAND - 20) return null;
  const p = Math.floor((x - GUTTER + scroll.scrollLeft) / zoom), row = Math.floor((y - BAND + scroll.scrollTop) / height());
  return p >= 0 && p < P && row >= 0 && row < R ? { r: rowAt(row), p } : null;
}

const moves = {
  ArrowLeft: () => go(active.r, active.p - 1, true), ArrowRight: () => go(active.r, active.p + 1, true),
  ArrowUp: () => go(active.r + 1, active.p, true), ArrowDown: () => go(active.r - 1, active.p, true),
  PageUp: () => go(active.r + 10, active.p, true), PageDown: () => go(active.r - 10, active.p, true),
  Home: e => go(e.ctrlKey ? R - 1 : active.r, 0, true), End: e => go(e.ctrlKey ? 0 : active.r, P - 1, true),
  Enter: () => toggle(best(active.r, active.p), active.p), " ": () => toggle(best(active.r, active.p), active.p),
};
const keys = {
  "?": () => $("guide").showModal(), "/": () => $("search").focus(), n: () => step(1), N: () => step(-1),
  "+": () => setZoom(zoom * 1.3), "=": () => setZoom(zoom * 1.3), "-": () => setZoom(zoom / 1.3), 0: fit,
  Escape: () => { sheet(false); pins = []; $("search").value = ""; search(""); drawPins(); details(); redraw(); },
};
