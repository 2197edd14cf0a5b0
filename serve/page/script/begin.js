// begin.js: history, and what happens first.

function remember() {
  const all = JSON.parse(sessionStorage.getItem("mlxlens-history") || "[]").filter(a => a !== address());
  sessionStorage.setItem("mlxlens-history", JSON.stringify([address(), ...all].slice(0, 30)));
  drawHistory();
}

function drawHistory() {
  const all = JSON.parse(sessionStorage.getItem("mlxlens-history") || "[]");
  $("history").replaceChildren(...all.map(a => {
    const of = new URLSearchParams(a.slice(1)), m = MODES[of.get("mode")];
    return element("li", {}, element("a", { href: a }, m.name + ": " + (of.get("prompt") || of.get("clean") || of.get("say") || of.get("pairs") || m.fields[0].value).slice(0, 60) + (of.get("edit") ? " · " + of.get("edit").replaceAll("\n", " · ").slice(0, 60) : "")));
  }));
}

async function begin() {
  for (const [key, m] of Object.entries(MODES)) $("modes").append(element("button", { type: "button", "data-mode": key, onclick: () => { turn(key, {}); history.pushState(null, "", address()); } }, m.name));
  $("ask").addEventListener("submit", e => { e.preventDefault(); run(); });
  $("ask").addEventListener("keydown", e => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); run(); } });
  $("halt").addEventListener("click", () => running && running.abort());
  for (const name of ["click", "keyup"]) $("lens").addEventListener(name, e => { if (e.target.closest("#scroll")) spot(); });
  addEventListener("popstate", () => { if (readAddress()) { drawForm(); run(false); } });
  addEventListener("resize", () => fitRows($("figure"), 72));
  let soon = 0;
  changed = () => { clearTimeout(soon); if (!running) soon = setTimeout(() => { if (!running && MODES[mode].grid && shown === address()) history.replaceState(null, "", shown + "&" + chosen()); }, 150); };
  const asked = readAddress();
  drawForm();
  drawHistory();
  try {
    loaded = await (await api("loaded")).json();
    described = await (await api("openapi.json")).json();
    $("model").textContent = loaded.models[0].split(/[\\/]/).pop();
    $("model").title = loaded.models[0];
    document.title = $("model").textContent + " – mlxlens";
    drawForm();
    if (asked) run(false);
    else $("f-prompt").focus();
  } catch (e) { status(e.message, true); }
}
begin();
}
