"use strict";
// The script of a page is made of files of this folder, one behind the other, in the order that html.go
// and figure_html.go list. They share one scope.

// common.js: what every page has.

const $ = id => document.getElementById(id);

function element(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes || {})) k.startsWith("on") ? e.addEventListener(k.slice(2), v) : e.setAttribute(k, v);
  e.append(...children);
  return e;
}

const svgNode = (tag, attributes, ...children) => {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  e.append(...children);
  return e;
};

// changed is told when the reader chose something else; a page sets it.
let changed = () => {};

const narrow = matchMedia("(max-width: 860px)");

// showTip shows something beside the pointer, nothing without children.
function showTip(x, y, ...children) {
  const box = $("tip");
  box.hidden = !children.length;
  if (box.hidden) return;
  box.replaceChildren(...children);
  const w = box.offsetWidth, h = box.offsetHeight;
  box.style.left = Math.max(4, x + 14 + w > innerWidth ? x - 14 - w : x + 14) + "px";
  box.style.top = Math.max(4, y + 16 + h > innerHeight ? y - 12 - h : y + 16) + "px";
}

const themes = ["auto", "light", "dark"];
let themed = () => {}; // is told when the theme is another; a page sets it
function theme(name) {
  if (name === "auto") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", name);
  $("theme").textContent = "theme: " + name;
  themed();
}
const startTheme = () => $("theme").addEventListener("click", () => theme(themes[(themes.indexOf($("theme").textContent.slice(7)) + 1) % 3]));
