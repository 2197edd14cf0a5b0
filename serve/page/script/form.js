// form.js: the fields of a mode, the request that they make, and the address that holds them.

let mode = "lens", loaded = { models: [], lenses: [], vectors: [] }, described = null;
let values = {};       // of the mode at hand, by key, as the fields have them
let wanted = null;     // what the address says of the grid: view, cell and pins
let conversation = []; // of the chat so far

function field(f) {
  const id = "f-" + f.key, value = values[f.key] === undefined ? f.value || "" : values[f.key];
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

function drawForm() {
  const m = MODES[mode];
  $("help").textContent = m.help;
  $("fields").replaceChildren(...m.fields.map(field));
  const named = new Set(m.fields.map(f => f.key));
  const others = Object.entries(properties(m.endpoint)).filter(([key]) => !named.has(key) && !["format", "messages", "pairs", "lens"].includes(key));
  $("options").replaceChildren(...others.map(([key, s]) => field({ key, label: key + " – " + (s.description || ""), kind: s.type === "boolean" ? "check" : Array.isArray(s.type) && s.type[0] === "array" ? "lines" : "", option: true })));
  for (const b of $("modes").children) b.getAttribute("data-mode") === mode ? b.setAttribute("aria-current", "page") : b.removeAttribute("aria-current");
}

// typed is a value as the API takes it; undefined for nothing.
function typed(f, value) {
  if (value === undefined) value = f.value;
  if (value === undefined || value === "" || value === false) return undefined;
  if (f.kind === "lines") return value.split("\n").filter(s => s !== "");
  if (f.kind === "number") return Number.isNaN(Number(value)) ? value : Number(value);
  return value;
}

// request is the body for the API.
function request() {
  const m = MODES[mode], body = { ...m.set };
  for (const f of m.fields) body[f.key] = typed(f, values[f.key]);
  for (const [key, value] of Object.entries(values)) {
    const s = properties(m.endpoint)[key];
    if (m.fields.some(f => f.key === key) || !s) continue;
    const kind = s.type === "integer" || s.type === "number" ? "number" : Array.isArray(s.type) && s.type[0] === "array" ? "lines" : "";
    body[key] = typed({ kind }, value);
  }
  if (mode === "chat") {
    const said = body.say || "";
    body.messages = [...(body.system ? [{ role: "system", content: body.system }] : []), ...conversation, { role: "user", content: said }];
    delete body.say;
    delete body.system;
  }
  if (mode === "steer") body.pairs = (body.pairs || "").split("\n").filter(s => s.trim()).map(s => { const [positive, negative] = s.split("|").map(t => t.trim()); return { positive, negative: negative || "" }; });
  for (const key of Object.keys(body)) if (body[key] === undefined) delete body[key];
  return body;
}

// The address has the mode and the values, so that a link leads to the same.
const address = () => "#" + new URLSearchParams({ mode, ...Object.fromEntries(Object.entries(values).filter(([, v]) => v !== "" && v !== undefined).map(([k, v]) => [k, String(v)])) });

function readAddress() {
  const all = new URLSearchParams(location.hash.slice(1)), asked = all.get("mode");
  if (!MODES[asked]) return false;
  mode = asked;
  values = {};
  wanted = all;
  for (const [key, value] of all) if (!["mode", "show", "cell", "pins"].includes(key)) values[key] = value === "true" ? true : value;
  return true;
}

function turn(to, with_) {
  mode = to;
  values = { ...with_ };
  conversation = [];
  drawForm();
  blank();
}
