"use strict";
{ // what is here is of this page; lens.js, which shows the grid, stands outside
// modes.js: what there is to look at, the fields of each, and what they say by themselves.

// A field is a key of the request. area is a text of several lines, lines a list with an item on each.
const prompt = { key: "prompt", label: "prompt", kind: "area", value: "The capital of France is" };
const layers = { key: "layers", label: "layers", hint: "all; or 0,4,8:12,-1" };
const positions = { key: "positions", label: "positions", hint: "all; or 0,4,8:12,-1" };
const edits = { key: "edit", label: "edits, one a line", kind: "lines", hint: "layers.5.mlp_out@3=zero" };
const readBy = { key: "lens", label: "read by", kind: "lens" }; // of those that the server has open
const target = { key: "target", label: "target token", hint: " Paris" };
const versus = { key: "vs", label: "against the token", hint: " Rome" };
const pair = [
  { key: "clean", label: "clean prompt", kind: "area", value: "The capital of France is" },
  { key: "corrupted", label: "corrupted prompt", kind: "area", value: "The capital of Italy is" },
];
const sampling = [
  { key: "max_tokens", label: "new tokens", kind: "number", value: "24" },
  { key: "temperature", label: "temperature", kind: "number", hint: "0: the likeliest" },
];
const MODES = {
  lens: { name: "Lens", endpoint: "trace", grid: true, help: "What the model would say after each layer.", fields: [prompt, layers, positions, { ...target, kind: "lines", label: "target tokens, one a line" }, readBy, edits] },
  generate: { name: "Generate", endpoint: "generate", grid: true, text: true, help: "The model goes on, and each new token has its lens.", fields: [{ ...prompt, value: "Once upon a time" }, ...sampling, layers, readBy, edits], set: { lens: true } },
  chat: { name: "Chat", endpoint: "chat", grid: true, text: true, help: "A conversation by the model's template; each token of the answer has its lens. Chat, pressed again, begins anew.", fields: [{ key: "say", label: "your message", kind: "area", value: "Name three rivers." }, { key: "system", label: "system message" }, ...sampling, layers, readBy, edits], set: { lens: true } },
  patch: { name: "Patch", endpoint: "patch", figure: "html", help: "What the clean prompt computes is put into the corrupted one, place by place; a number is how much of the clean answer comes back.", fields: [...pair, target, versus, { key: "sites", label: "sites", hint: "resid_pre,attn_out,mlp_out" }, layers, { ...positions, hint: "each; or 0,4,-1, or all" }, { key: "heads", label: "a column for each head", kind: "check" }, edits] },
  attn: { name: "Attention", endpoint: "attn", figure: "html", help: "Without heads and layers each head is scored by what it looks at; with them patterns are shown.", fields: [{ ...prompt, value: "When Mary and John went to the store, John gave a drink to" }, { key: "heads", label: "heads", hint: "15.3,16.0" }, layers, { key: "knockout", label: "hide tokens from the last", kind: "choice", of: ["", "head", "key", "all"] }, edits] },
  attribute: { name: "Attribute", endpoint: "attribute", figure: "html", help: "Which parts, or which tokens, make the answer. With a corrupted prompt: estimated patches.", fields: [prompt, { key: "corrupted", label: "corrupted prompt, or none" }, target, versus, { key: "by", label: "by", kind: "choice", of: ["component", "head", "neuron", "token"] }, { key: "top", label: "the greatest so many", kind: "number" }, edits] },
  compare: { name: "Compare", endpoint: "compare", figure: "html", help: "Two lenses, cell by cell: two prompts, two models, or one with an edit.", fields: [prompt, { key: "prompt_b", label: "second prompt, or none", value: "The capital of Italy is" }, { key: "edit_b", label: "edits of the second side, one a line", kind: "lines" }, { key: "model_b", label: "second model", kind: "model" }, layers, edits] },
  steer: { name: "Steer", endpoint: "steer", figure: "html", help: "A direction for each layer, from pairs of prompts that differ in one thing. Save it as safetensors, start the server with --vectors and this file, and edits can add it: layers.12.resid_post=add:FILE*1.5", fields: [{ key: "pairs", label: "pairs, one a line: positive | negative", kind: "area", value: "I love this film. | I hate this film.\nWhat a wonderful day. | What a terrible day.\nThe food was delicious. | The food was awful." }, { ...layers, value: "10:20" }, { key: "method", label: "method", kind: "choice", of: ["mean", "pca"] }, { key: "held_out", label: "part that is held out", value: "0" }] },
  patchscope: { name: "Patchscope", endpoint: "patchscope", figure: "html", help: "States of a prompt are put into another one, which says what they hold.", fields: [{ ...prompt, value: "Diana, Princess of Wales" }, { key: "into", label: "the prompt that they are put into" }, layers, { key: "position", label: "position that is read", kind: "number" }] },
};
