// caption.js: what a saved picture says of itself in its file, by the names that the pictures of -o have (picture_style.go).

// command is the command line that made the page, "" for none.
const command = () => $("copy-command") ? $("copy-command").dataset.command : "";

// fieldsOf are names and texts: those of what is shown, and how the page was made.
function fieldsOf(own) {
  const meta = document.querySelector('meta[name="mlxlens-made"]'), made = meta ? meta.content : $("made") ? $("made").textContent : "";
  return Object.entries({ ...own, Software: "mlxlens", Comment: command(), made }).filter(([, text]) => text).map(([name, text]) => [name, text.replace(/[\0-\x08\x0b\x0c\x0e-\x1f]/g, "\ufffd")]); // which no XML has
}

// captionedSVG gives a drawing its title and description, and the rest as RDF in the words of the Dublin Core.
function captionedSVG(svg, fields) {
  const of = Object.fromEntries(fields), RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", DC = "http://purl.org/dc/elements/1.1/", TERMS = "http://purl.org/dc/terms/";
  const node = (space, name, ...children) => { const e = document.createElementNS(space, name); e.append(...children); return e; };
  const words = { Software: [DC, "dc:creator"], Source: [DC, "dc:source"], Comment: [DC, "dc:description"], Edits: [DC, "dc:subject"], made: [TERMS, "dcterms:provenance"] };
  const about = node(RDF, "rdf:Description", ...fields.filter(([name]) => words[name]).map(([name, text]) => node(...words[name], text)));
  about.setAttributeNS(RDF, "rdf:about", "");
  svg.setAttribute("role", "img");
  svg.prepend(svgNode("title", {}, of.Title || ""), svgNode("desc", {}, of.Description || ""), svgNode("metadata", {}, node(RDF, "rdf:RDF", about)));
  return svg;
}

// crc is the check of a chunk (PNG, third edition, annex D).
function crc(bytes) {
  let c = -1;
  for (const b of bytes) {
    c ^= b;
    for (let k = 0; k < 8; k++) c = c & 1 ? c >>> 1 ^ 0xedb88320 : c >>> 1;
  }
  return (c ^ -1) >>> 0;
}

// captionedPNG puts the fields behind a picture's head (33 bytes), a chunk of text each (iTXt), not compressed and of no language.
async function captionedPNG(png, fields) {
  const all = await png.arrayBuffer(), chunks = fields.map(([name, text]) => {
    const data = new TextEncoder().encode("iTXt" + name + "\0".repeat(5) + text), out = new DataView(new ArrayBuffer(data.length + 8));
    out.setUint32(0, data.length - 4); // without its kind
    new Uint8Array(out.buffer).set(data, 4);
    out.setUint32(data.length + 4, crc(data));
    return out.buffer;
  });
  return new Blob([all.slice(0, 33), ...chunks, all.slice(33)], { type: "image/png" });
}
