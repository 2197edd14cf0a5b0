package pdf

import (
	"fmt"
	"strings"
)

// Shape is a character as it is drawn, in ems, y up from the baseline.
type Shape struct {
	Advance float64
	path    strings.Builder
	x, y    float64 // the end of what is drawn
}

func (s *Shape) op(name string, xs ...float64) {
	for _, x := range xs {
		s.path.WriteString(number(1000*x) + " ")
	}
	s.x, s.y = xs[len(xs)-2], xs[len(xs)-1]
	s.path.WriteString(name + "\n")
}

// MoveTo begins a contour.
func (s *Shape) MoveTo(x, y float64) { s.op("m", x, y) }

// LineTo goes on in a straight line.
func (s *Shape) LineTo(x, y float64) { s.op("l", x, y) }

// QuadTo goes on in a quadratic Bézier curve, which PDF has as a cubic one, its controls two thirds
// of the way to the one that is given.
func (s *Shape) QuadTo(x1, y1, x, y float64) {
	s.CurveTo(s.x+(x1-s.x)*2/3, s.y+(y1-s.y)*2/3, x+(x1-x)*2/3, y+(y1-y)*2/3, x, y)
}

// CurveTo goes on in a cubic Bézier curve.
func (s *Shape) CurveTo(x1, y1, x2, y2, x, y float64) { s.op("c", x1, y1, x2, y2, x, y) }

// Box adds a box whose corner at the left bottom is given.
func (s *Shape) Box(x, y, w, h float64) { s.op("re", x, y, w, h) }

// Drawn is a font whose characters are drawings (Type 3): of pixels, or of outlines that are not
// TrueType.
type Drawn struct {
	name  string
	shape func(rune) *Shape
	text  func(rune) string
	chars
}

// NewDrawn returns a font that draws its characters by shape.
func NewDrawn(name string, shape func(rune) *Shape, text func(rune) string) *Drawn {
	return &Drawn{name: name, shape: shape, text: text}
}

// perFont is how many characters have a code of one byte; more are in further fonts.
const perFont = 256

func (f *Drawn) code(r rune) (name, hex string) {
	n := f.number(r)
	return fmt.Sprintf("%s_%d", f.name, n/perFont), fmt.Sprintf("%02X", n%perFont)
}

func (f *Drawn) embed(d *document) string {
	out := ""
	for from := 0; from < len(f.runes); from += perFont {
		out += fmt.Sprintf("/%s_%d %d 0 R ", f.name, from/perFont, f.part(d, f.runes[from:min(from+perFont, len(f.runes))]))
	}
	return out
}

// part adds a font of 256 characters at most.
func (f *Drawn) part(d *document, runes []rune) int {
	var procs, names, widths string
	for i, r := range runes {
		s := f.shape(r)
		n := d.stream("", []byte(number(1000*s.Advance)+" 0 d0\n"+s.path.String()+"f\n"))
		procs += fmt.Sprintf("/c%d %d 0 R ", i, n)
		names += fmt.Sprintf("/c%d ", i)
		widths += number(1000*s.Advance) + " "
	}
	return d.add(fmt.Sprintf("<< /Type /Font /Subtype /Type3 /FontBBox [0 0 0 0] /FontMatrix [0.001 0 0 0.001 0 0] /CharProcs << %s>> /Encoding << /Type /Encoding /Differences [0 %s] >> "+
		"/FirstChar 0 /LastChar %d /Widths [%s] /Resources << >> /ToUnicode %d 0 R >>", procs, names, len(runes)-1, widths, toUnicode(d, 2, 0, runes, f.text)))
}
