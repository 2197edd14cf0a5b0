// begin.js: history, and what happens first.

const past = () => JSON.parse(sessionStorage.getItem("mlxlens-history") || "[]");

// remember puts the address of what is shown into the history, instead of another of the same request. A tab keeps
// some five million letters, and conversations can be long.
function remember(instead) {
  let room = 2e6;
  const all = [shown, ...past().filter(a => a !== shown && a !== instead)].slice(0, 30);
  sessionStorage.setItem("mlxlens-history", JSON.stringify(all.filter(a => (room -= a.length) >= 0)));
  drawHistory();
}

// remembered is an address in words: what the first field has, or all that was set, and the edits.
function remembered(a) {
  const of = new URLSearchParams(a.slice(1)), m = MODES[of.get("mode")], f = m.fields[0];
  const first = of.has("messages") && m === MODES.chat ? messagesOf(of.get("messages")).filter(m => m.role === "user").map(m => m.content).join(" · ") : of.has(f.key) ? of.get(f.key) : f.value;
  const rest = [...of].filter(([key, value]) => key !== "mode" && key !== "edit" && value).map(([key, value]) => key + " " + value).join(", ");
  return m.name + ": " + (first || rest).slice(0, 60) + (of.get("edit") ? " · " + of.get("edit").replaceAll("\n", " · ").slice(0, 60) : "");
}

function drawHistory() {
  $("history").replaceChildren(...past().map(a => element("li", {}, element("a", { href: a }, remembered(a)))));
}

// reopen shows what the address asks for. A conversation is shown as it was, and only a link to a message that has no
// answer asks for one: going back asks nothing.
function reopen(ofLink) {
  leave();
  try {
    if (!readAddress()) {
      if (!ofLink && !location.hash) turn("lens", {});
      return;
    }
  } catch (e) { turn(mode, {}); status(e.message, true); return; }
  drawForm();
  if (mode !== "chat") { run(false); return; }
  wanted = null;
  shown = address();
  quieted();
  blank();
  retell();
  if (ofLink && values.say) run(false);
}

async function begin() {
  const entered = location.hash; // what is chosen while the page loads changes it, and stands
  for (const [key, m] of Object.entries(MODES)) $("modes").append(element("button", { type: "button", "data-mode": key, onclick: () => { turn(key, {}); history.pushState(null, "", address()); } }, m.name));
  $("ask").addEventListener("submit", e => { e.preventDefault(); run(); });
  $("ask").addEventListener("keydown", e => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); run(); } });
  $("halt").addEventListener("click", () => running && running.abort());
  for (const name of ["click", "keyup"]) $("lens").addEventListener(name, e => { if (e.target.closest("#scroll")) spot(); });
  addEventListener("popstate", () => reopen(false));
  addEventListener("resize", () => fitRows($("figure"), 72));
  let soon = 0;
  changed = () => { clearTimeout(soon); if (!running) soon = setTimeout(() => { if (!running && shown && !$("lens").hidden) history.replaceState(null, "", shown + "&" + chosen()); }, 150); };
  drawForm();
  drawHistory();
  try {
    loaded = await (await api("loaded")).json();
    described = await (await api("openapi.json")).json();
    $("model").textContent = loaded.models[0].split(/[\\/]/).pop();
    $("model").title = loaded.models[0];
    document.title = $("model").textContent + " – mlxlens";
    drawForm();
    if (location.hash === entered && !running) reopen(true);
    if (!running && mode === "lens") $("f-prompt").focus();
  } catch (e) { status(e.message, true); }
}
begin();
}
