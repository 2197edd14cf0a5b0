package pdf

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Color is a colour in sRGB.
type Color struct{ R, G, B uint8 }

// Point is a place on the page.
type Point struct{ X, Y float64 }

// Page is a drawing.
type Page struct {
	width, height float64
	content       bytes.Buffer
	fonts         []Font
	ink           Color // of what is filled, black at the start
}

// NewPage returns an empty page of a size.
func NewPage(width, height float64) *Page { return &Page{width: width, height: height} }

// op writes an operator behind its numbers.
func (p *Page) op(name string, xs ...float64) {
	for _, x := range xs {
		p.content.WriteString(number(x) + " ")
	}
	p.content.WriteString(name + "\n")
}

// number writes a number with four places at most.
func number(x float64) string {
	s := strings.TrimRight(strconv.FormatFloat(x, 'f', 4, 64), "0")
	if s = strings.TrimSuffix(s, "."); s == "-0" {
		return "0"
	}
	return s
}

func (p *Page) color(op string, c Color) {
	p.op(op, float64(c.R)/255, float64(c.G)/255, float64(c.B)/255)
}

func (p *Page) fillColor(c Color) {
	if c != p.ink {
		p.color("rg", c)
		p.ink = c
	}
}

// Fill fills a box whose corner at the left top is given.
func (p *Page) Fill(x, y, w, h float64, c Color) {
	p.fillColor(c)
	p.op("re", x, p.height-y-h, w, h)
	p.op("f")
}

// Stroke draws a line through points.
func (p *Page) Stroke(ps []Point, c Color, width float64, dashes []float64) {
	p.color("RG", c)
	p.op("w", width)
	p.content.WriteString("[")
	for _, d := range dashes {
		p.content.WriteString(number(d) + " ")
	}
	p.content.WriteString("] 0 d 1 j\n")
	for i, q := range ps {
		p.op(map[bool]string{true: "m", false: "l"}[i == 0], q.X, p.height-q.Y)
	}
	p.op("S")
}

// Text is characters of one font on a line.
type Text struct {
	Font    Font
	Runes   []rune // from left to right, as they are seen
	At      Point  // the pen on the baseline, before the first
	Size    float64
	Color   Color
	Upwards bool // turned by a quarter, to be read from bottom to top
}

// Write writes text, each character as far from the one before as its font says.
func (p *Page) Write(t Text) {
	p.fillColor(t.Color)
	p.content.WriteString("BT\n")
	if x, y := t.At.X, p.height-t.At.Y; t.Upwards {
		p.op("Tm", 0, 1, -1, 0, x, y)
	} else {
		p.op("Td", x, y)
	}
	last := ""
	for i := 0; i < len(t.Runes); {
		name, code := t.Font.code(t.Runes[i])
		for i++; i < len(t.Runes); i++ {
			next, more := t.Font.code(t.Runes[i])
			if next != name {
				break
			}
			code += more
		}
		if name != last {
			fmt.Fprintf(&p.content, "/%s %s Tf\n", name, number(t.Size))
			last = name
		}
		fmt.Fprintf(&p.content, "<%s> Tj\n", code)
	}
	p.content.WriteString("ET\n")
	for _, f := range p.fonts {
		if f == t.Font {
			return
		}
	}
	p.fonts = append(p.fonts, t.Font)
}

// About is what a file says of itself.
type About struct {
	Title, Subject, Keywords string
	Creator                  string // the program, with its version
}

// Encode writes the file.
func (p *Page) Encode(w io.Writer, about About) error {
	d := &document{}
	catalog, pages, page := d.reserve(), d.reserve(), d.reserve()
	fonts := ""
	for _, f := range p.fonts {
		fonts += f.embed(d)
	}
	content := d.stream("", p.content.Bytes())
	meta := d.plainStream("/Type /Metadata /Subtype /XML", about.xmp())
	info := d.add(fmt.Sprintf("<< /Title %s /Subject %s /Keywords %s /Creator %s /Producer %s >>",
		text(about.Title), text(about.Subject), text(about.Keywords), text(about.Creator), text(about.Creator)))

	d.set(catalog, fmt.Sprintf("<< /Type /Catalog /Pages %d 0 R /Metadata %d 0 R /ViewerPreferences << /DisplayDocTitle true >> >>", pages, meta))
	d.set(pages, fmt.Sprintf("<< /Type /Pages /Kids [%d 0 R] /Count 1 >>", page))
	d.set(page, fmt.Sprintf("<< /Type /Page /Parent %d 0 R /MediaBox [0 0 %s %s] /Resources << /Font << %s>> >> /Contents %d 0 R >>",
		pages, number(p.width), number(p.height), fonts, content))
	return d.write(w, catalog, info)
}
