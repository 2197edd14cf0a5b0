// start.js: the choices of the toolbar; show, which shows a grid; and start, which connects everything to its events.

function choose(name) {
  view = D.views.find(v => v.name === name) || view;
  $("view").value = view.name;
  stale = true;
  legend();
  redraw();
}

// turnTo chooses a view and says so: its name, and the number of the focused cell.
function turnTo(name) {
  choose(name);
  speak(false);
  details();
  $("live").textContent = "colour: " + view.title + ". " + (value(active.r, active.p) || text(best(active.r, active.p)));
  changed();
}

// show shows a grid.
function show(data) {
  take(data);
  $("tools").hidden = $("main").hidden = !R || !P;
  if (!R || !P) return;
  $("view").replaceChildren(...D.views.map(v => element("option", { value: v.name }, v.title)));
  $("guide-views").replaceChildren(...D.views.flatMap(v => [element("dt", {}, v.title), element("dd", {}, v.help)]));
  scroll.setAttribute("aria-rowcount", R + 1);
  scroll.setAttribute("aria-colcount", P + 1);
  GUTTER = namesRoom(66);
  $("left").style.setProperty("--gutter", GUTTER + "px");
  cuts = new Map();
  readColours();
  choose(view.name);
  search($("search").value);
  drawRanks();
  size();
  stale = true;
  scroll.scrollLeft = scroll.scrollWidth; // the last positions first, as on a terminal
  drawPins();
  details();
  speak(false);
}

// start connects everything to its events.
function start() {
  $("view").addEventListener("change", e => turnTo(e.target.value));
  $("search").addEventListener("input", e => search(e.target.value));
  $("search").addEventListener("keydown", e => {
    if (e.key === "Enter") { step(e.shiftKey ? -1 : 1); e.preventDefault(); }
    if (e.key === "Escape") { e.target.value = ""; search(""); scroll.focus(); e.stopPropagation(); }
  });
  $("previous").addEventListener("click", () => step(-1));
  $("following").addEventListener("click", () => step(1));
  $("smaller").addEventListener("click", () => setZoom(zoom / 1.3));
  $("larger").addEventListener("click", () => setZoom(zoom * 1.3));
  $("fit").addEventListener("click", fit);
  themed = () => { readColours(); redraw(); };
  startTheme();

  scroll.addEventListener("scroll", () => { $("ranks").scrollTop = scroll.scrollTop; tip(); redraw(); }, { passive: true });
  $("ranks").addEventListener("scroll", () => { scroll.scrollTop = $("ranks").scrollTop; }, { passive: true }); // rows stay beside each other
  scroll.addEventListener("keydown", e => {
    const move = moves[e.key];
    if (move && !e.metaKey && !e.altKey) { move(e); e.preventDefault(); }
  });
  scroll.addEventListener("focus", () => speak(false));
  canvas.addEventListener("pointermove", e => {
    if (e.pointerType === "touch") return; // a finger scrolls
    const c = under(e), same = c && hover && c.r === hover.r && c.p === hover.p;
    hover = c;
    tip(e.clientX, e.clientY);
    if (!same) details();
  });
  canvas.addEventListener("pointerleave", () => { hover = null; tip(); details(); });
  canvas.addEventListener("click", e => {
    const c = under(e);
    if (!c) return;
    go(c.r, c.p, false);
    if (narrow.matches) sheet(true); // its buttons pin
    else toggle(best(c.r, c.p), c.p);
  });
  $("shut").addEventListener("click", () => { sheet(false); scroll.focus(); });
  $("explain").addEventListener("click", () => $("guide").showModal());
  $("guide-shut").addEventListener("click", () => $("guide").close());
  startOverview();
  addEventListener("beforeprint", () => $("print").replaceChildren(...(D && R && P ? pictures(10) : [])));
  addEventListener("afterprint", () => $("print").replaceChildren());
  scroll.addEventListener("wheel", e => {
    if (!e.ctrlKey) return;
    e.preventDefault();
    setZoom(zoom * Math.exp(-e.deltaY / 300), Math.max(GUTTER, e.clientX - scroll.getBoundingClientRect().left));
  }, { passive: false });
  document.addEventListener("keydown", e => {
    if (e.ctrlKey || e.metaKey || e.altKey || $("guide").open || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) return;
    if (!D) return;
    if (e.key >= "1" && e.key <= "9" && D.views[e.key - 1]) { turnTo(D.views[e.key - 1].name); return; }
    if (keys[e.key]) { keys[e.key](); e.preventDefault(); }
  });
  addEventListener("resize", size);
  new ResizeObserver(() => requestAnimationFrame(size)).observe($("left")); // what stands beside it takes more or less
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themed);
}
start();
if ($("data")) {
  show(JSON.parse($("data").textContent));
  if (R && P) startShare({ chosen, recall, drawing: drawn, says: () => ({ Title: D.title + " · " + D.about, Description: (single() ? "left: " : "") + shows() + (single() ? "; right: " + candidatesAre : ""), Source: D.model, Edits: D.edits.join("\n") }) });
  else $("share").hidden = true;
}
