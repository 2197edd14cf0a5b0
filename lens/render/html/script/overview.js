// overview.js: the strip with all of the grid, a pixel or more a cell, and the part of it that is shown.

let stale = true; // the strip's picture is not that of the view at hand
const all = document.createElement("canvas");

function allCells() {
  all.width = P;
  all.height = R;
  const to = all.getContext("2d"), image = to.createImageData(P, R);
  for (let y = 0; y < R; y++) for (let p = 0; p < P; p++) {
    const s = share(view, view.values.length ? view.values[at(rowAt(y), p)] : NaN), colour = parseInt((Number.isNaN(s) ? "#888888" : RAMP[Math.round(255 * s)]).slice(1), 16);
    image.data.set([colour >> 16, colour >> 8 & 255, colour & 255, 255], 4 * (y * P + p));
  }
  to.putImageData(image, 0, 0);
  stale = false;
}

// overview draws the strip, with a frame around what is shown: w pixels wide, scrolled left so far.
function overview(left, w) {
  const strip = $("overview");
  if (strip.hidden) return;
  if (stale) allCells();
  const dots = devicePixelRatio || 1, width = strip.clientWidth, high = strip.clientHeight;
  if (strip.width !== Math.round(width * dots)) { strip.width = Math.round(width * dots); strip.height = Math.round(high * dots); }
  const to = strip.getContext("2d");
  to.setTransform(dots, 0, 0, dots, 0, 0);
  to.imageSmoothingEnabled = P > width;
  to.drawImage(all, 0, 0, width, high);
  const from = left / (P * zoom) * width, wide = Math.max(6, (w - GUTTER) / (P * zoom) * width);
  for (const [colour, line] of [[css.paper, 4], [css.accent, 2]]) { to.strokeStyle = colour; to.lineWidth = line; to.strokeRect(from + 1, 1, Math.min(wide, width - from) - 2, high - 2); }
  const first = Math.floor(left / zoom), last = Math.min(P - 1, Math.ceil((left + w - GUTTER) / zoom) - 1);
  strip.setAttribute("aria-valuemax", P - 1);
  strip.setAttribute("aria-valuenow", first);
  strip.setAttribute("aria-valuetext", "positions " + D.positions[first] + " to " + D.positions[last] + " are shown");
}

// startOverview lets the strip be dragged, and moved by keys.
function startOverview() {
  const strip = $("overview"), page = () => scroll.clientWidth - GUTTER;
  const to = e => { scroll.scrollLeft = (e.clientX - strip.getBoundingClientRect().left) / strip.clientWidth * P * zoom - page() / 2; };
  strip.addEventListener("pointerdown", e => { strip.setPointerCapture(e.pointerId); to(e); });
  strip.addEventListener("pointermove", e => { if (strip.hasPointerCapture(e.pointerId)) to(e); });
  strip.addEventListener("keydown", e => {
    const by = { ArrowLeft: -zoom, ArrowDown: -zoom, ArrowRight: zoom, ArrowUp: zoom, PageUp: page(), PageDown: -page(), Home: -P * zoom, End: P * zoom }[e.key];
    if (by) { scroll.scrollLeft += by; e.preventDefault(); }
  });
}
