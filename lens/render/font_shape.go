package render

import (
	"strings"

	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"

	"github.com/mlxlens/mlxlens/lens/render/internal/pdf"
)

// name is the font's PostScript name, which has no spaces.
func (o *outlines) name() string {
	n, err := o.font.Name(&o.buf, sfnt.NameIDPostScript)
	if err != nil || n == "" {
		return "Unnamed"
	}
	return strings.ReplaceAll(n, " ", "")
}

// glyph is the number of a character's glyph, 0 without one.
func (o *outlines) glyph(r rune) uint16 {
	i, err := o.font.GlyphIndex(&o.buf, r)
	if err != nil {
		return 0
	}
	return uint16(i)
}

func (o *outlines) shape(r rune) *pdf.Shape {
	s := &pdf.Shape{}
	s.Advance, _ = o.advance(r)
	o.draw(s, r, 0, 0, 1)
	return s
}

// contours take the outline of a character.
type contours interface {
	MoveTo(x, y float64)
	LineTo(x, y float64)
	QuadTo(x1, y1, x, y float64)
	CurveTo(x1, y1, x2, y2, x, y float64)
}

// draw adds the outline of r, its pen at (x, y), so many ems high; y goes up.
func (o *outlines) draw(s contours, r rune, x, y, size float64) {
	const ppem = 1024
	parts, err := o.font.LoadGlyph(&o.buf, sfnt.GlyphIndex(o.glyph(r)), fixed.I(ppem), nil)
	if err != nil {
		return
	}
	at := func(p fixed.Point26_6) (float64, float64) {
		return x + size*float64(p.X)/64/ppem, y - size*float64(p.Y)/64/ppem
	}
	for _, part := range parts {
		ax, ay := at(part.Args[0])
		bx, by := at(part.Args[1])
		cx, cy := at(part.Args[2])
		switch part.Op {
		case sfnt.SegmentOpMoveTo:
			s.MoveTo(ax, ay)
		case sfnt.SegmentOpLineTo:
			s.LineTo(ax, ay)
		case sfnt.SegmentOpQuadTo:
			s.QuadTo(ax, ay, bx, by)
		case sfnt.SegmentOpCubeTo:
			s.CurveTo(ax, ay, bx, by, cx, cy)
		}
	}
}

// shape is the dots, those beside each other in one box.
func (p pixels) shape(r rune) *pdf.Shape {
	s := &pdf.Shape{}
	where, glyph, from, advance, ok := p.Glyph(fixed.Point26_6{}, r)
	if !ok {
		return s
	}
	s.Advance = float64(advance) / 64 / dotsPerEm
	dark := func(x, y int) bool {
		_, _, _, a := glyph.At(from.X+x, from.Y+y).RGBA()
		return a != 0
	}
	const em = 1.0 / dotsPerEm
	for y := range where.Dy() {
		for x := 0; x < where.Dx(); x++ {
			start := x
			for x < where.Dx() && dark(x, y) {
				x++
			}
			if x > start {
				s.Box(float64(start)*em, float64(dotsAscent-y-1)*em, float64(x-start)*em, em)
			}
		}
	}
	return s
}

// boxShape is the frame that stands for a character without a glyph, as codeBox draws it.
func (t *typesetter) boxShape(r rune) *pdf.Shape {
	s := &pdf.Shape{Advance: boxEms(r)}
	const thick, low, high = 0.05, -boxMiddle - 0.49, -boxMiddle + 0.49
	l, w := 0.06, boxEms(r)-0.12
	s.Box(l, low, w, thick)
	s.Box(l, high-thick, w, thick)
	s.Box(l, low+thick, thick, high-low-2*thick)
	s.Box(l+w-thick, low+thick, thick, high-low-2*thick)
	rows, size := inBox(r)
	for i, row := range rows {
		line := t.set(row)
		x := (boxEms(r) - line.width*size) / 2
		y := -boxMiddle - 0.45*(float64(i)-float64(len(rows)-1)/2) - capital/2*size
		for _, g := range line.glyphs {
			if o, ok := t.faces[max(g.face, 0)].(*outlines); ok {
				o.draw(s, g.r, x+g.x*size, y, size)
			}
		}
	}
	return s
}
