package render

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// families are asked in this order for a character. The widths are those of the
// first; Arial and Helvetica have the same.
const families = `'Liberation Sans', Arial, Helvetica, 'DejaVu Sans', 'Noto Sans', 'Hiragino Sans', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'Apple SD Gothic Neo', 'Noto Color Emoji', 'Apple Color Emoji', sans-serif`

// vectors draws shapes by vgsvg, and behind them, so that it lies on top, text: as outlines, which
// are the same in each program that shows it, where the built-in fonts and those of the options
// have them. Over these lies the text itself, unseen, to be searched and selected.
type vectors struct {
	*typesetter
	defined map[string]bool // outlines of a text, by their name
	defs    strings.Builder
	uses    strings.Builder
	unseen  strings.Builder // texts that have outlines
	canvas  *vgsvg.Canvas
	height  float64
	texts   strings.Builder
	about   caption
}

func newVectors(t *typesetter, width, height float64, about caption) *vectors {
	return &vectors{typesetter: t, defined: map[string]bool{}, canvas: vgsvg.New(vg.Length(width), vg.Length(height)), height: height, about: about}
}

func (s *vectors) fill(b box, c rgb) {
	s.canvas.SetColor(c.color())
	s.canvas.Fill(vg.Rectangle{
		Min: vg.Point{X: vg.Length(b.x), Y: vg.Length(s.height - b.bottom())},
		Max: vg.Point{X: vg.Length(b.right()), Y: vg.Length(s.height - b.y)},
	}.Path())
}

func (s *vectors) stroke(ps []point, k stroke) { vgStroke(s.canvas, ps, k, s.height) }

func (s *vectors) text(w words) {
	if w.line.text == "" {
		return
	}
	out := &s.texts
	if s.outlined(w) {
		out = &s.unseen
	}
	fmt.Fprintf(out, `<text x="%s" y="%s" font-size="%s" fill="%s"`, decimal(w.at.x), decimal(w.at.y), decimal(w.size), w.ink.hex())
	a := w.anchor
	if w.rtl { // start and end are those of reading
		out.WriteString(` direction="rtl" unicode-bidi="isolate"`)
		a = [...]anchor{right, middle, left}[a]
	}
	if a != left {
		fmt.Fprintf(out, ` text-anchor="%s"`, [...]string{middle: "middle", right: "end"}[a])
	}
	if w.upwards {
		fmt.Fprintf(out, ` transform="rotate(-90 %s %s)"`, decimal(w.at.x), decimal(w.at.y))
	}
	// another font than the first must not be wider than what was measured
	fmt.Fprintf(out, ` textLength="%s" lengthAdjust="spacingAndGlyphs">%s</text>`+"\n", decimal(w.width*w.size), escaped(w.line.text))
}

// outlined draws a text as its outlines, and reports whether all of its characters have them. A
// character is defined once, in thousandths of an em, and so is a text of several characters. The
// names tell what they are of, so that several pictures can stand in one page.
func (s *vectors) outlined(w words) bool {
	name := fnv.New64a()
	for _, g := range w.glyphs {
		if g.face == missing {
			return false
		}
		o, ok := s.faces[g.face].(*outlines)
		if !ok {
			return false
		}
		fmt.Fprintf(name, "%s %c ", o.name(), g.r)
	}
	id := fmt.Sprintf("t%x", name.Sum64())
	if !s.defined[id] {
		s.defined[id] = true
		parts := ""
		for _, g := range w.glyphs {
			parts += fmt.Sprintf(`<use xlink:href="#%s" x="%s"/>`, s.glyph(g), decimal(1000*g.x))
		}
		fmt.Fprintf(&s.defs, `<g id="%s">%s</g>`+"\n", id, parts)
	}
	along, turn := point{w.start(), 0}, ""
	if w.upwards {
		along, turn = point{0, -w.start()}, " rotate(-90)"
	}
	fmt.Fprintf(&s.uses, `<use xlink:href="#%s" transform="translate(%s %s)%s scale(%s)" fill="%s"/>`+"\n", id,
		decimal(w.at.x+along.x), decimal(w.at.y+along.y), turn, strconv.FormatFloat(w.size/1000, 'f', -1, 64), w.ink.hex())
	return true
}

// glyph defines a character, and returns its name.
func (s *vectors) glyph(g placed) string {
	o := s.faces[g.face].(*outlines) // outlined has found it to be one
	id := fmt.Sprintf("%s-%x", o.name(), g.r)
	if !s.defined[id] {
		s.defined[id] = true
		path := &svgPath{}
		o.draw(path, g.r, 0, 0, 1)
		fmt.Fprintf(&s.defs, `<path id="%s" d="%s"/>`+"\n", id, path.d.String())
	}
	return id
}

// svgPath is an outline in thousandths of an em, y down.
type svgPath struct{ d strings.Builder }

func (p *svgPath) op(name string, xys ...float64) {
	for i, v := range xys {
		if i%2 == 1 {
			v = -v
		}
		fmt.Fprintf(&p.d, "%s%.0f", name, 1000*v)
		name = " "
	}
}

func (p *svgPath) MoveTo(x, y float64)                  { p.op("M", x, y) }
func (p *svgPath) LineTo(x, y float64)                  { p.op("L", x, y) }
func (p *svgPath) QuadTo(x1, y1, x, y float64)          { p.op("Q", x1, y1, x, y) }
func (p *svgPath) CurveTo(x1, y1, x2, y2, x, y float64) { p.op("C", x1, y1, x2, y2, x, y) }

func (c rgb) hex() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

// decimal writes a length with two places at most.
func decimal(x float64) string {
	s := strings.TrimRight(strconv.FormatFloat(x, 'f', 2, 64), "0")
	return strings.TrimSuffix(s, ".")
}

// escaped is text for XML; what XML cannot have becomes U+FFFD.
func escaped(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // a Builder never fails
	return b.String()
}

// metadata is how the picture was made, as RDF in the words of the Dublin Core, which Inkscape shows.
func (c caption) metadata() string {
	names := map[string]string{"Software": "dc:creator", "Source": "dc:source", "Comment": "dc:description", "Edits": "dc:subject", "made": "dcterms:provenance"}
	var b strings.Builder
	for _, f := range c.fields() {
		if name := names[f[0]]; name != "" {
			fmt.Fprintf(&b, "<%s>%s</%[1]s>\n", name, escaped(f[1]))
		}
	}
	return `<metadata><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/"><rdf:Description rdf:about="">` +
		"\n" + b.String() + "</rdf:Description></rdf:RDF></metadata>\n"
}

func (s *vectors) finish(w io.Writer) error {
	var b bytes.Buffer
	if _, err := s.canvas.WriteTo(&b); err != nil {
		return fmt.Errorf("render: picture: %w", err)
	}
	shapes, closed := strings.CutSuffix(strings.TrimSpace(b.String()), "</svg>")
	start := strings.Index(shapes, "<svg")
	open := start + strings.Index(shapes[max(start, 0):], ">") + 1
	if !closed || start < 0 || open <= start {
		return fmt.Errorf("render: picture: vgsvg wrote no <svg> element")
	}
	about := fmt.Sprintf("\n<title>%s</title>\n<desc>%s</desc>\n", escaped(s.about.title), escaped(s.about.describes)) + s.about.metadata()
	family := fmt.Sprintf(`font-family="%s" style="white-space:pre"`, families)
	texts := "<defs>\n" + s.defs.String() + "</defs>\n<g shape-rendering=\"geometricPrecision\">\n" + s.uses.String() + "</g>\n<g fill-opacity=\"0\" " + family + ">\n" + s.unseen.String() +
		"</g>\n<g " + family + ">\n" + s.texts.String() + "</g>\n</svg>\n"
	attributes := `<svg role="img"`
	if s.about.crisp {
		attributes += ` shape-rendering="crispEdges"`
	}
	head := strings.Replace(shapes[:open], "<svg", attributes, 1)
	if _, err := io.WriteString(w, head+about+shapes[open:]+texts); err != nil {
		return fmt.Errorf("render: picture: %w", err)
	}
	return nil
}
