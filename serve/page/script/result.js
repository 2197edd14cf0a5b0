// result.js: a run, and what comes of it: text, grid, tables, pictures, files.

let running = null, last = null; // the run at hand, and the one that is shown: {body, endpoint, command, lines, grid}
let shown = "";                  // the address of what is shown, without what is chosen of the grid
let reply = null;                // the turn of the chat at hand: {asked, text(), turns: its elements}
let lines = [], grown = null;    // of the run at hand: its tokens, and of a text its columns so far, as a grid

const plural = n => n + (n === 1 ? "st" : n === 2 ? "nd" : n === 3 ? "rd" : "th");

function status(text, wrong) {
  $("status").textContent = text;
  $("status").classList.toggle("wrong", Boolean(wrong));
}

// quieted takes back what was said of the run before.
function quieted() {
  $("notes").replaceChildren();
  status("");
}

// blank empties what is shown; the turns of a chat that goes on stay.
function blank(goesOn) {
  for (const id of ["spot", "lens", "figure", "saves", "tag"]) $(id).hidden = true;
  if (!goesOn) { $("said").hidden = true; $("said").replaceChildren(); }
  $("figure").replaceChildren();
  $("result").removeAttribute("aria-busy");
}

let unchanged = null; // of a run of which nothing came so far: what is to be told when it ends

// leave ends the run at hand.
function leave() {
  if (running) running.abort();
  if (unchanged) unchanged();
  running = reply = unchanged = null;
  $("halt").disabled = true;
  $("progress").hidden = true;
  $("result").removeAttribute("aria-busy");
}

let undone = null; // the conversation of which an action of a cell asks the last message again, and how it was shown

// again gives the form what it had when it asked for what is shown, for what is done with a cell of it.
function again() {
  leave();
  undone = mode === "chat" ? { conversation, turns: [...$("said").childNodes] } : null;
  values = { ...made.values };
  conversation = [...made.conversation];
  if (mode === "chat") retell();
}

const broken = "the answer broke off before its end: the connection or the server ended. Run it again";

async function run(push) {
  settle();
  leave();
  const m = MODES[mode];
  if (mode === "chat" && !held(m.fields[0]).trim()) { status("write a message: there is none to answer", true); return; }
  let body;
  try { body = request(); } catch (e) { status(e.message, true); return; }
  const control = running = new AbortController(), before = shown, whole = undone;
  undone = null;
  unchanged = () => { // what is shown stays, under its address; so does a conversation whose last message was asked again
    shown = before;
    if (!whole) return;
    conversation = whole.conversation;
    if (values.say === body.messages[body.messages.length - 1].content) values.say = $("f-say").value = "";
    $("said").replaceChildren(...whole.turns);
  };
  const asks = { mode, values: { ...values }, conversation: [...conversation] };
  shown = mode === "chat" ? address([...conversation, body.messages[body.messages.length - 1]]) : address();
  if (push !== false && location.hash.replace(/&show=.*/, "") !== shown) history.pushState(null, "", shown);
  remember();
  $("notes").replaceChildren();
  $("result").setAttribute("aria-busy", "true"); // what is shown is of the run before, until something comes of this one
  $("halt").disabled = false;
  $("progress").hidden = false;
  $("progress").removeAttribute("value");
  status("asking");
  const asked = m.figure ? { ...body, format: m.figure } : body;
  let say = mode === "chat" ? opening(body) : null, begun = false, ended = false, first = true; // the first of the grids of this run
  const begin = () => {
    begun = true;
    unchanged = null;
    made = asks;
    lines = [];
    grown = null;
    blank(mode === "chat");
    if (m.text && !say) say = opening(body);
  };
  try {
    await events(m.endpoint + (m.grid ? "?page=" + encodeURIComponent(body.view || "prob") : ""), asked, (name, data) => {
      if (running !== control) return;
      if (!begun && ["columns", "grid", "token", "result"].includes(name)) begin();
      ended = ended || name === "result" || name === "problem";
      if (name === "grid" && first && body.view) view = null; // what is asked for goes before what was chosen of another grid
      if (name === "grid") first = false;
      happened(name, data, m, body, say);
    }, control.signal);
    if (running === control && !ended) status(broken, true);
  } catch (e) {
    if (running !== control) return;
    if (e.name === "TypeError") status(broken, true); // of the answer's reader
    else if (e.name !== "AbortError") status(e.message, true);
    else status("stopped" + (!reply ? "" : reply.text() ? ": what was answered so far belongs to the conversation" : ": your message was not answered, and does not belong to the conversation"));
  }
  if (running !== control) return;
  settle();
  leave();
  if (!begun && before && push !== false) history.replaceState(null, "", before + here()); // of what is shown, and not of what failed
  if (begun && !ended && lines.length) { // what has come can be saved all the same
    last = { body, endpoint: m.endpoint, command: null, lines, grid: grown };
    saves();
    if (grown) catchUp(lines, data => happened("grid", data, m, body));
  }
}

// catchUp shows all columns of a text that was stopped: grids come a few times a second, and the last tokens after the last of them.
async function catchUp(of, showGrid) {
  try {
    const data = await (await api("draw", { grid: grown, format: "page", view: view.name })).json();
    if (!running && lines === of) showGrid(data);
  } catch (e) { status(e.message, true); }
}

// here is what is chosen of the grid that is shown, for an address; "" without a grid.
const here = () => $("lens").hidden ? "" : "&" + chosen();

// grow adds a text's new columns to those that came before.
function grow(columns) {
  if (!grown) { grown = columns; return; }
  Object.assign(grown, { tokens: columns.tokens, continued: columns.continued, final: columns.final });
  grown.positions.push(...columns.positions);
  columns.cells.forEach((row, r) => grown.cells[r].push(...row));
}

function happened(name, data, m, body, say) {
  switch (name) {
  case "queued": status(plural(data.place) + " in line"); break;
  case "note": $("notes").append(element("li", {}, data.text)); break;
  case "progress": $("progress").value = data.done; if ($("status").textContent !== "computing") status("computing"); break; // once, for who hears it
  case "columns": grow(data); break;
  case "grid": told(data); $("lens").hidden = false; caption(data); show(data); spot(); break;
  case "token": say(data); lines.push(data); break;
  case "problem": status(data.detail, true); break;
  case "result":
    last = { body, endpoint: m.endpoint, command: data.command, lines: m.text ? lines : null, grid: data.grid };
    if (m.figure) figure(data.text);
    settle(true);
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

// caption says of which request a grid is, whatever stands in the fields by now: prompt, lens, model and edits.
function caption(data) {
  $("caption").querySelector("bdi").textContent = MODES[mode].text ? "" : data.title; // a text stands above
  $("caption").querySelector(".sub").textContent = data.about;
}

// spoken is a turn of a conversation.
const spoken = (role, what) => element("p", { class: "turn" }, element("b", {}, { user: "you", assistant: "model" }[role] || role), what);

// retell shows the conversation as it is.
function retell() {
  $("said").hidden = !conversation.length;
  $("said").replaceChildren(...conversation.map(m => spoken(m.role, m.content)));
}

// settle ends the turn of the chat at hand, so that what is on the screen is what is sent with the next message: an
// answer, or what has come of it, belongs to the conversation; a message without an answer goes back to its field.
function settle(whole) {
  if (!reply) return;
  const { asked, text, turns } = reply, pending = shown;
  reply = null;
  if (whole || text()) {
    conversation.push({ role: "user", content: asked }, { role: "assistant", content: text() });
    if (!whole) turns[1].append(element("span", { class: "sub" }, " (stopped)"));
    shown = address();
    history.replaceState(null, "", shown);
    remember(pending);
    return;
  }
  for (const p of turns) p.remove();
  if (values.say) return; // another message is being written
  values.say = $("f-say").value = asked;
}

// told shows the text of a prompt that was given by ids, where its tokens are known.
function told(data) {
  const out = $("said").querySelector(".given");
  if (out && data.positions.length) out.textContent = data.tokens.slice(0, data.positions[0] + 1).map(t => data.texts[t]).join("").replaceAll("·", " ");
}

// opening shows what is said before the model's tokens, and returns what takes these. Between a prompt and an answer
// by the chat template stands what the template wrote, so that they are told apart.
function opening(body) {
  $("said").hidden = false;
  const asked = mode === "chat" ? body.messages[body.messages.length - 1].content : body.prompt || "", out = element("span", {});
  if (mode === "chat") {
    const turns = [spoken("user", asked), spoken("assistant", out)];
    $("said").append(...turns);
    reply = { asked, text: () => text, turns };
    values.say = $("f-say").value = ""; // what is typed from now on is the next message
  } else if (body.chat) $("said").replaceChildren(...(body.system ? [spoken("system", body.system)] : []), spoken("user", asked), spoken("assistant", out));
  else $("said").replaceChildren(element("span", body.ids ? { class: "given" } : {}, asked), out);
  let text = "";
  const take = line => {
    const position = line.lens ? line.lens.position : -1;
    text += line.text;
    out.append(element("button", { type: "button", class: "token", title: "id " + line.id + ", probability " + Math.exp(line.logprob).toFixed(3), onclick: () => { const p = D ? D.positions.indexOf(position) : -1; if (p >= 0) { go(active.r, p, true); spot(); } } }, line.text));
    if (line.end) out.append(element("span", { class: "sub" }, " (" + line.end.by.replaceAll("_", " ") + ")"));
    $("said").scrollTop = $("said").scrollHeight;
  };
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
  const copy = (name, text) => element("button", { type: "button", onclick: async () => status(await copied(text()) ? name + " copied" : "copy the " + name + " from below") }, "copy " + name);
  $("saves").replaceChildren(element("span", { class: "sub" }, "save as"), ...buttons, element("button", { type: "button", onclick: embed }, "embed"), copy("link", () => location.origin + "/" + shown + here()),
    ...(last.command ? [copy("command", commandLine)] : []));
  $("saves").hidden = false;
  $("tag").hidden = true;
}

// commandLine is what computes the same on a command line; "" for what was stopped, which nothing computes again.
const commandLine = () => !last.command ? "" : ["mlxlens", ...last.command].filter(a => !["--output=-", "--format=html"].includes(a)).map(quoted).join(" ");

let noted = []; // what the server said of the file that was saved last

// file is the result in a format, and in the colour that is shown. Of a text it is what was shown, lines as JSON and
// the grid in other formats, since the text may have been drawn by chance, and its edits speak of its prompt.
async function file(format) {
  noted = [];
  const { body, endpoint } = last, colour = MODES[mode].grid && !["json", "csv"].includes(format) ? { view: view.name } : {};
  if (!last.lines) {
    const answer = await api(endpoint, { ...body, ...colour, ...(format === "json" ? {} : { format }) });
    noted = JSON.parse("[" + (answer.headers.get("Mlxlens-Note") || "") + "]");
    return answer.blob();
  }
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
    const blob = await file(format);
    for (const before of $("notes").querySelectorAll(".saved")) before.remove();
    $("notes").append(...noted.map(text => element("li", { class: "saved" }, text)));
    status("saved as " + await keep(blob, format));
  } catch (e) { status(e.message, true); }
}

// copied copies a text, and shows it where the clipboard is refused, as it is to pages that come over a network by plain HTTP.
async function copied(text) {
  $("tag").value = text;
  try { await navigator.clipboard.writeText(text); return true; } catch { $("tag").hidden = false; $("tag").select(); return false; }
}

// embed saves the page of what is shown, and copies the tag that puts it into a page beside it: this server is for
// who sits before it, and no frame of others shows it.
async function embed() {
  status("computing HTML");
  try {
    const blob = await file("html"), page = parsed(await blob.text());
    const name = await keep(blob, "html"), tag = frame(name + (MODES[mode].grid ? "#" + chosen() : ""), page.title, page.body.dataset.height);
    const there = await copied(tag);
    $("tag").hidden = false;
    $("tag").select();
    status("saved as " + name + "; " + (there ? "the tag that embeds it is copied" : "copy the tag that embeds it from below"));
  } catch (e) { status(e.message, true); }
}
