// form.js: the fields of a mode, the request that they make, and the address that holds them.

let mode = "lens", loaded = { models: [], lenses: [], vectors: [] }, described = null;
let values = {};       // of the mode at hand, by key, as the fields have them
let wanted = null;     // what the address says of the grid: view, cell and pins
let conversation = []; // of the chat so far, messages as the API takes them

// builtIn is what a field has before it is touched.
const builtIn = f => f.value !== undefined ? f.value : f.kind === "check" ? false : f.kind === "choice" ? f.of[0] : "";
const held = f => values[f.key] === undefined ? builtIn(f) : values[f.key];

function field(f) {
  const id = "f-" + f.key, value = held(f);
  const set = e => { values[f.key] = e.target.type === "checkbox" ? e.target.checked : e.target.value; };
  if (f.kind === "check") {
    const box = element("input", { type: "checkbox", id, onchange: set });
    box.checked = value === true;
    return element("label", { class: "check" }, box, f.label);
  }
  const choices = f.kind === "choice" ? f.of : f.kind === "lens" ? ["", ...loaded.lenses] : f.kind === "model" ? ["", ...loaded.models.slice(1)] : null;
  if (choices) {
    const list = element("select", { id, onchange: set }, ...choices.map(c => element("option", { value: c }, c || "–")));
    list.value = value || choices[0];
    return element("label", {}, f.label, list);
  }
  const many = f.kind === "area" || f.kind === "lines";
  const input = element(many ? "textarea" : "input", { id, placeholder: f.hint || "", autocomplete: "off", spellcheck: "false", oninput: set, ...(many ? { rows: f.kind === "area" ? 3 : 2 } : {}) });
  if (f.kind === "number") input.setAttribute("inputmode", "decimal");
  input.value = value;
  return element("label", {}, f.label, input);
}

// properties are what a request for an endpoint may have, as the server describes it.
const properties = endpoint => described ? described.paths["/api/v1/" + endpoint].post.requestBody.content["application/json"].schema.properties : {};

// kindOf is the kind of the field for a property.
function kindOf(s) {
  if (s.type === "boolean") return "check";
  if (s.type === "integer" || s.type === "number") return "number";
  if (!Array.isArray(s.type) || s.type[0] !== "array") return "";
  return s.type.includes("object") ? "json" : "lines";
}

// known is the field of a key. A key that nobody knows is sent as a text: the server says what there is.
function known(key) {
  const m = MODES[mode], s = properties(m.endpoint)[key];
  return m.fields.find(f => f.key === key) || { key, kind: s ? kindOf(s) : "" };
}

function drawForm() {
  const m = MODES[mode];
  $("help").textContent = m.help;
  $("fields").replaceChildren(...m.fields.map(field));
  const named = new Set(m.fields.map(f => f.key));
  const others = Object.entries(properties(m.endpoint)).filter(([key]) => !named.has(key) && !["format", "messages", "pairs", "lens"].includes(key));
  $("options").replaceChildren(...others.map(([key, s]) => field({ key, label: key + " – " + (s.description || ""), kind: kindOf(s) })));
  for (const b of $("modes").children) b.getAttribute("data-mode") === mode ? b.setAttribute("aria-current", "page") : b.removeAttribute("aria-current");
}

// typed is a value as the API takes it; undefined for what is built in and nothing.
function typed(f, value) {
  if (value === "" || value === false || f.kind === "choice" && value === f.of[0]) return undefined;
  if (f.kind === "lines") return value.split("\n").filter(s => s !== "");
  if (f.kind === "number") return numeral(value);
  if (f.kind === "json") try { return JSON.parse(value); } catch { return value; } // which the server refuses
  return value;
}

// numeral is a number as it was written: a whole one beyond 2^53 has all its digits. What is none is sent as it
// is, and the server says what it wants.
function numeral(text) {
  const n = Number(text);
  if (!text.trim() || !Number.isFinite(n)) return text;
  return Number.isInteger(n) && !Number.isSafeInteger(n) && /^\s*[+-]?\d+\s*$/.test(text) ? BigInt(text.replace("+", "")) : n;
}

// request is the body for the API.
function request() {
  const m = MODES[mode], body = { ...m.set };
  for (const key of new Set([...m.fields.map(f => f.key), ...Object.keys(values)])) {
    const f = known(key), value = typed(f, held(f));
    if (value !== undefined) body[key] = value;
  }
  if (mode === "chat") {
    body.messages = [...(body.system ? [{ role: "system", content: body.system }] : []), ...conversation, { role: "user", content: body.say }];
    delete body.say;
    delete body.system;
  }
  if (mode === "steer") body.pairs = pairsOf(body.pairs || "");
  return body;
}

// pairsOf reads a pair a line. One blank on each side of the bar is of the bar.
function pairsOf(text) {
  return text.split("\n").filter(s => s.trim()).map((line, i) => {
    const two = line.split(/ ?\| ?/);
    if (two.length !== 2 || !two.every(s => s.trim())) throw new Error("pair " + (i + 1) + ", \"" + line.slice(0, 60) + "\": want two prompts and one | between them");
    return { positive: two[0], negative: two[1] };
  });
}

// address has the mode and each value that is not the built-in one, emptied ones too, so that a link leads to the
// same; of a chat the conversation, whose last message is the user's while it has no answer.
function address(messages = conversation) {
  const out = new URLSearchParams({ mode });
  for (const [key, value] of Object.entries(values)) if ((value || "") !== (builtIn(known(key)) || "") && !(mode === "chat" && key === "say")) out.set(key, value);
  if (mode === "chat" && messages.length) out.set("messages", JSON.stringify(messages));
  return "#" + out;
}

// readAddress takes what the address asks for, and reports whether it asks for something.
function readAddress() {
  const all = new URLSearchParams(location.hash.slice(1)), asked = all.get("mode");
  if (asked === null) return false;
  if (!Object.hasOwn(MODES, asked)) {
    history.replaceState(null, "", location.pathname + location.search);
    throw new Error("the address has mode=" + asked.slice(0, 60) + ", which is none (have: " + Object.keys(MODES).join(", ") + ")");
  }
  mode = asked;
  values = {};
  conversation = [];
  wanted = all;
  for (const [key, value] of all) if (!["mode", "show", "cell", "pins"].includes(key)) values[key] = known(key).kind === "check" ? value === "true" : value;
  if (mode === "chat" && values.messages !== undefined) {
    conversation = messagesOf(values.messages);
    delete values.messages;
    const waits = conversation.length && conversation[conversation.length - 1].role === "user" ? conversation.pop().content : "";
    values.say = values.say || waits;
  }
  return true;
}

function messagesOf(text) {
  let all = null;
  try { all = JSON.parse(text); } catch { /* said below */ }
  if (!Array.isArray(all) || !all.every(m => m && typeof m.role === "string" && typeof m.content === "string")) throw new Error("the address has messages=" + text.slice(0, 60) + ", which is no conversation: want a JSON list of {\"role\", \"content\"}");
  return all;
}

function turn(to, with_) {
  settle();
  leave();
  mode = to;
  values = { ...with_ };
  conversation = [];
  wanted = null;
  shown = "";
  undone = null;
  drawForm();
  quieted();
  blank();
}
