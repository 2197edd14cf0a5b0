// share.js: what leads to this page again, and its picture as a file; of all pages.

const file = () => decodeURIComponent(location.pathname.split("/").pop()) || "lens.html";
function download(blob, extension) {
  const a = element("a", { href: URL.createObjectURL(blob), download: file().replace(/\.html?$/, "") + extension });
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 5000);
  $("told").textContent = "saved as " + a.getAttribute("download");
}
const svgBlob = svg => new Blob([new XMLSerializer().serializeToString(svg)], { type: "image/svg+xml" });

// savePNG draws an SVG, at two dots a pixel as far as canvases are so large.
function savePNG(svg, fields) {
  const image = new Image(), url = URL.createObjectURL(svgBlob(svg)), out = document.createElement("canvas");
  image.addEventListener("load", () => {
    const w = Number(svg.getAttribute("width")), h = Number(svg.getAttribute("height")), dots = Math.min(2, 16000 / w, 16000 / h);
    out.width = Math.round(w * dots);
    out.height = Math.round(h * dots);
    out.getContext("2d").drawImage(image, 0, 0, out.width, out.height);
    URL.revokeObjectURL(url);
    out.toBlob(async png => download(await captionedPNG(png, fields), ".png"));
  });
  image.src = url;
}

// copy puts a text on the clipboard, and shows it, for a clipboard that is refused.
async function copy(what, s) {
  $("copied").hidden = false;
  $("copied").value = s;
  $("copied").select();
  try { await navigator.clipboard.writeText(s); $("told").textContent = what + " copied"; } catch { $("told").textContent = "copy the " + what + " from here"; }
}

const escaped = s => s.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

// frame is a tag that puts a page into another.
const frame = (address, title, height) => `<iframe src="${escaped(address)}" title="${escaped(title)}" width="100%" height="${height}" frameborder="0" loading="lazy"></iframe>`;

// startShare keeps what is chosen in the address, and connects the buttons: chosen tells it for an address,
// recall chooses it again and returns what the page has not, drawing draws the page, and says tells what a picture
// of it says of itself.
function startShare({ chosen, recall, drawing, says }) {
  const here = () => location.href.split("#")[0], state = () => { const s = chosen().toString(); return s && "#" + s; };
  const again = () => {
    const missing = recall(new URLSearchParams(location.hash.slice(1)));
    if (!missing.length) return;
    $("share").open = true;
    $("told").textContent = "the address asks for what this page has not: " + missing.join("; ");
    history.replaceState(null, "", state() || here());
  };
  again();
  let soon = 0;
  changed = () => { clearTimeout(soon); soon = setTimeout(() => history.replaceState(null, "", state() || here()), 150); };
  addEventListener("hashchange", again);
  $("save-svg").addEventListener("click", () => download(svgBlob(captionedSVG(drawing(), fieldsOf(says()))), ".svg"));
  $("save-png").addEventListener("click", () => savePNG(drawing(), fieldsOf(says())));
  $("copy-link").addEventListener("click", () => copy("link", here() + state()));
  $("copy-embed").addEventListener("click", () => copy("tag", frame((location.protocol === "file:" ? encodeURIComponent(file()) : here()) + state(), document.title, document.body.dataset.height)));
  if ($("copy-command")) $("copy-command").addEventListener("click", () => copy("command", command()));
  if (parent !== window) parent.postMessage({ mlxlens: "size", height: Number(document.body.dataset.height) }, "*"); // a frame's page may set its height by this
}
