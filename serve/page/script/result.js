// result.js: a run, and what comes of it: text, grid, tables, pictures, files.

let running = null, last = null; // the run at hand, and the one that is shown: {body, endpoint, command, lines, grid}
let shown = "";                  // the address of what is shown, without what is chosen of the grid
let lines = [];                  // of the tokens of the run at hand

const plural = n => n + (n === 1 ? "st" : n === 2 ? "nd" : n === 3 ? "rd" : "th");

function status(text, wrong) {
  $("status").textContent = text;
  $("status").classList.toggle("wrong", Boolean(wrong));
}

// blank empties what is shown.
function blank() {
  for (const id of ["said", "spot", "lens", "figure", "saves", "tag"]) $(id).hidden = true;
  $("said").replaceChildren();
  $("figure").replaceChildren();
  $("notes").replaceChildren();
  status("");
}

async function run(push) {
  if (running) running.abort();
  const m = MODES[mode], body = request(), control = running = new AbortController();
  made = { mode, values: { ...values } };
  shown = address();
  if (push !== false && location.hash.replace(/&show=.*/, "") !== shown) history.pushState(null, "", address());
  remember();
  if (mode !== "chat") blank();
  $("notes").replaceChildren();
  $("halt").disabled = false;
  $("progress").hidden = false;
  $("progress").removeAttribute("value");
  status("asking");
  lines = [];
  const say = m.text ? opening(body) : null, asked = m.figure ? { ...body, format: m.figure } : body;
  try {
    await events(m.endpoint + (m.grid ? "?page=prob" : ""), asked, (name, data) => { if (running === control) happened(name, data, m, body, say); }, control.signal);
  } catch (e) {
    if (e.name !== "AbortError") status(e.message, true);
    else if (running === control) status("stopped");
  }
  if (running !== control) return;
  running = null;
  $("halt").disabled = true;
  $("progress").hidden = true;
}

function happened(name, data, m, body, say) {
  switch (name) {
  case "queued": status(plural(data.place) + " in line"); break;
  case "note": $("notes").append(element("li", {}, data.text)); break;
  case "progress": $("progress").value = data.done; if ($("status").textContent !== "computing") status("computing"); break; // once, for who hears it
  case "grid": $("lens").hidden = false; show(data); spot(); break;
  case "token": say(data); lines.push(data); break;
  case "problem": status(data.detail, true); break;
  case "result":
    last = { body, endpoint: m.endpoint, command: data.command, lines: m.text ? lines : null, grid: data.grid };
    if (m.figure) figure(data.text);
    if (mode === "chat") conversation.push({ role: "user", content: $("f-say").value }, { role: "assistant", content: say.text() });
    saves();
    if (m.grid && wanted && wanted.has("show")) {
      const missing = recall(wanted);
      if (missing.length) $("notes").append(element("li", {}, "The address asks for what this grid has not: " + missing.join("; ")));
      spot();
    }
    wanted = null;
    status("done");
    if (innerWidth <= 860) $("result").scrollIntoView(); // where it stands below the request
  }
}

// opening shows what is said before the model's tokens, and returns what takes these.
function opening(body) {
  $("said").hidden = false;
  const asked = mode === "chat" ? body.messages[body.messages.length - 1].content : body.prompt || "", out = element("span", {});
  if (mode === "chat") $("said").append(element("p", { class: "turn" }, element("b", {}, "you"), asked), element("p", { class: "turn" }, element("b", {}, "model"), out));
  else $("said").replaceChildren(element("span", {}, asked), out);
  let text = "";
  const take = line => {
    const position = line.lens ? line.lens.position : -1;
    text += line.text;
    out.append(element("button", { type: "button", class: "token", title: "id " + line.id + ", probability " + Math.exp(line.logprob).toFixed(3), onclick: () => { const p = D ? D.positions.indexOf(position) : -1; if (p >= 0) { go(active.r, p, true); spot(); } } }, line.text));
    if (line.end) out.append(element("span", { class: "sub" }, " (" + line.end.by.replaceAll("_", " ") + ")"));
    $("said").scrollTop = $("said").scrollHeight;
  };
  take.text = () => text;
  return take;
}

// parsed is a page as a document that shows nothing. The policy refuses styles of a text, and allows each property by
// itself. Within a text a quotation mark is &#34;.
const parsed = text => new DOMParser().parseFromString(text.replace(/<style>[^]*?<\/style>/, "").replaceAll(' style="', ' data-style="'), "text/html");

// figure shows the tables of a figure's page.
function figure(text) {
  const out = $("figure");
  out.hidden = false;
  const article = parsed(text).querySelector("article");
  const title = element("h2", {}, article.querySelector("h1").textContent);
  article.querySelector("h1").remove();
  out.replaceChildren(title, ...[...article.childNodes].map(n => document.adoptNode(n)));
  for (const cell of out.querySelectorAll("[data-style]")) {
    for (const part of (cell.dataset.style || "").split(";")) {
      const [name, value] = part.split(":");
      if (value) cell.style.setProperty(name.trim() === "background" ? "background-color" : name.trim(), value.trim());
    }
    delete cell.dataset.style;
  }
  for (const table of out.querySelectorAll("table")) steps(table, picked);
  fitRows(out, 72); // the buttons to save it
}

const quoted = a => /^[\w@%+=:,./-]+$/.test(a) ? a : "'" + a.replaceAll("'", "'\\''") + "'";

// saves offers the result as files, as a link and as a command.
function saves() {
  const formats = properties(last.lines ? "trace" : last.endpoint).format.enum;
  const buttons = formats.map(f => element("button", { type: "button", onclick: () => save(f) }, f.toUpperCase()));
  const copy = (name, text) => element("button", { type: "button", onclick: async () => { await navigator.clipboard.writeText(text()); status(name + " copied"); } }, "copy " + name);
  $("saves").replaceChildren(element("span", { class: "sub" }, "save as"), ...buttons, element("button", { type: "button", onclick: embed }, "embed"), copy("link", () => location.origin + "/" + shown + (MODES[mode].grid ? "&" + chosen() : "")),
    copy("command", commandLine));
  $("saves").hidden = false;
  $("tag").hidden = true;
}

// commandLine is what computes the same on a command line.
const commandLine = () => ["mlxlens", ...last.command].filter(a => !["--output=-", "--format=html"].includes(a)).map(quoted).join(" ");

// file is the result in a format, and in the colour that is shown. Of a text it is what was shown, lines as JSON and
// the grid in other formats, since the text may have been drawn by chance, and its edits speak of its prompt.
async function file(format) {
  const { body, endpoint } = last, colour = MODES[mode].grid && !["json", "csv"].includes(format) ? { view: view.name } : {};
  if (!last.lines) return (await api(endpoint, { ...body, ...colour, ...(format === "json" ? {} : { format }) })).blob();
  if (format === "json") return new Blob(last.lines.map(l => JSON.stringify(l) + "\n"));
  return (await api("draw", { grid: last.grid, format, ...colour, command: commandLine() })).blob();
}

// keep saves a file under the name of what it shows, which it returns.
async function keep(blob, format) {
  const a = element("a", { href: URL.createObjectURL(blob), download: "mlxlens-" + last.endpoint + "." + format });
  a.click();
  await wait(1000);
  URL.revokeObjectURL(a.href);
  return a.getAttribute("download");
}

async function save(format) {
  status("computing " + format.toUpperCase());
  try {
    status("saved as " + await keep(await file(format), format));
  } catch (e) { status(e.message, true); }
}

// embed saves the page of what is shown, and copies the tag that puts it into a page beside it: this server is for
// who sits before it, and no frame of others shows it.
async function embed() {
  status("computing HTML");
  try {
    const blob = await file("html"), page = parsed(await blob.text());
    const name = await keep(blob, "html"), tag = frame(name + (MODES[mode].grid ? "#" + chosen() : ""), page.title, page.body.dataset.height);
    $("tag").hidden = false;
    $("tag").value = tag;
    $("tag").select();
    let copied = true;
    try { await navigator.clipboard.writeText(tag); } catch { copied = false; } // a clipboard may be refused: the tag is there to be seen
    status("saved as " + name + "; " + (copied ? "the tag that embeds it is copied" : "copy the tag that embeds it from below"));
  } catch (e) { status(e.message, true); }
}
