package render

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// families are asked in this order for a character. The widths are those of the
// first; Arial and Helvetica have the same.
const families = `'Liberation Sans', Arial, Helvetica, 'DejaVu Sans', 'Noto Sans', 'Hiragino Sans', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'Apple SD Gothic Neo', 'Noto Color Emoji', 'Apple Color Emoji', sans-serif`

// vectors draws shapes by vgsvg; text, which vgsvg knows in one font only, is written
// behind them, so that it lies on top.
type vectors struct {
	canvas      *vgsvg.Canvas
	height      float64
	texts       strings.Builder
	title, desc string
	crisp       bool // boxes that touch leave no seam
}

func newVectors(width, height float64) *vectors {
	return &vectors{canvas: vgsvg.New(vg.Length(width), vg.Length(height)), height: height}
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
	fmt.Fprintf(&s.texts, `<text x="%s" y="%s" font-size="%s" fill="%s"`, decimal(w.at.x), decimal(w.at.y), decimal(w.size), w.ink.hex())
	a := w.anchor
	if w.rtl { // start and end are those of reading
		s.texts.WriteString(` direction="rtl" unicode-bidi="isolate"`)
		a = [...]anchor{right, middle, left}[a]
	}
	if a != left {
		fmt.Fprintf(&s.texts, ` text-anchor="%s"`, [...]string{middle: "middle", right: "end"}[a])
	}
	if w.upwards {
		fmt.Fprintf(&s.texts, ` transform="rotate(-90 %s %s)"`, decimal(w.at.x), decimal(w.at.y))
	}
	// another font than the first must not be wider than what was measured
	fmt.Fprintf(&s.texts, ` textLength="%s" lengthAdjust="spacingAndGlyphs">%s</text>`+"\n", decimal(w.width*w.size), escaped(w.line.text))
}

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
	about := fmt.Sprintf("\n<title>%s</title>\n<desc>%s</desc>\n", escaped(s.title), escaped(s.desc))
	texts := fmt.Sprintf(`<g font-family="%s" style="white-space:pre">`, families) + "\n" + s.texts.String() + "</g>\n</svg>\n"
	attributes := `<svg role="img"`
	if s.crisp {
		attributes += ` shape-rendering="crispEdges"`
	}
	head := strings.Replace(shapes[:open], "<svg", attributes, 1)
	if _, err := io.WriteString(w, head+about+shapes[open:]+texts); err != nil {
		return fmt.Errorf("render: picture: %w", err)
	}
	return nil
}
