package render

import (
	"fmt"
	"image"
	"image/color"
	imagedraw "image/draw"
	"io"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
)

// raster draws in pixels: lines by vgimg, boxes and text straight into its image.
type raster struct {
	*typesetter
	canvas *vgimg.Canvas
	img    *image.RGBA
	height float64
	dots   int // for each of the 192 an inch
	about  caption
}

func newRaster(t *typesetter, width, height float64, dots int, about caption) *raster {
	c := vgimg.NewWith(vgimg.UseWH(vg.Length(width), vg.Length(height)), vgimg.UseDPI(dpi))
	return &raster{t, c, c.Image().(*image.RGBA), height, dots, about} // which is what vgimg makes
}

func (c rgb) color() color.RGBA { return color.RGBA{c.r, c.g, c.b, 255} }

func (s *raster) fill(b box, c rgb) {
	at := func(x float64) int { return int(math.Round(x / pixel)) }
	x, y := at(b.x), at(b.y)
	r := image.Rect(x, y, max(at(b.right()), x+1), max(at(b.bottom()), y+1)) // a line that is thinner than a pixel has one
	imagedraw.Draw(s.img, r, image.NewUniform(c.color()), image.Point{}, imagedraw.Src)
}

func (s *raster) stroke(ps []point, k stroke) { vgStroke(s.canvas, ps, k, s.height) }

// vgStroke draws a line on a canvas of vg, whose y goes up from the bottom.
func vgStroke(c vg.Canvas, ps []point, k stroke, height float64) {
	var path vg.Path
	for i, p := range ps {
		at := vg.Point{X: vg.Length(p.x), Y: vg.Length(height - p.y)}
		if i == 0 {
			path.Move(at)
		} else {
			path.Line(at)
		}
	}
	var dashes []vg.Length
	for _, d := range k.dashes {
		dashes = append(dashes, vg.Length(d))
	}
	c.SetColor(k.color.color())
	c.SetLineWidth(vg.Length(k.width))
	c.SetLineDash(dashes, 0)
	c.Stroke(path)
}

// positions is how many places between two pixels a character can have.
const positions = 4

func (s *raster) text(w words) {
	size := w.size / pixel
	pen, baseline := (w.at.x+w.start())/pixel, int(math.Round(w.at.y/pixel))
	if w.upwards { // along y, to the top
		pen, baseline = -(w.at.y/pixel)+w.start()/pixel, int(math.Round(w.at.x/pixel))
	}
	ink := image.NewUniform(w.ink.color())
	for _, g := range w.glyphs {
		x := pen + g.x*size
		whole := math.Floor(x)
		m := s.stamp(g, size, math.Floor((x-whole)*positions)/positions)
		at := image.Pt(int(whole), baseline)
		if w.upwards {
			m = quarterTurn(m)
			at = image.Pt(baseline, -int(whole))
		}
		imagedraw.DrawMask(s.img, m.Rect.Add(at), ink, image.Point{}, m, m.Rect.Min, imagedraw.Over)
	}
}

// stamp returns the mask of a character, its pen at (shift, 0).
func (s *raster) stamp(g placed, size, shift float64) *image.Alpha {
	key := stamp{placed{g.r, g.face, shift}, size}
	m := s.masks[key]
	if m == nil {
		if g.face == missing {
			m = s.codeBox(g.r, size)
		} else {
			m = s.faces[g.face].mask(g.r, size, shift)
		}
		s.masks[key] = m
	}
	return m
}

// boxMiddle is the height of the frame's middle, in ems below the baseline.
const boxMiddle = -0.33

// codeBox is the frame that stands for a character without a glyph.
func (s *raster) codeBox(r rune, size float64) *image.Alpha {
	edge := func(ems float64) int { return int(math.Round(ems * size)) }
	m := image.NewAlpha(image.Rect(edge(0.06), edge(boxMiddle-0.49), max(edge(boxEms(r)-0.06), edge(0.06)+3), edge(boxMiddle+0.49)))
	thick := max(1, edge(0.05))
	imagedraw.Draw(m, m.Rect, image.Opaque, image.Point{}, imagedraw.Src)
	imagedraw.Draw(m, m.Rect.Inset(thick), image.Transparent, image.Point{}, imagedraw.Src)

	rows, letters := inBox(r)
	for i, row := range rows {
		l := s.set(row)
		x := (boxEms(r) - l.width*letters) / 2 * size
		middle := boxMiddle + 0.45*(float64(i)-float64(len(rows)-1)/2)
		y := edge(middle + capital/2*letters)
		for _, g := range l.glyphs {
			d := s.stamp(g, size*letters, 0)
			imagedraw.DrawMask(m, d.Rect.Add(image.Pt(int(math.Round(x+g.x*size*letters)), y)), image.Opaque, image.Point{}, d, d.Rect.Min, imagedraw.Over)
		}
	}
	return m
}

// quarterTurn turns a mask counterclockwise around the pen.
func quarterTurn(m *image.Alpha) *image.Alpha {
	r := m.Rect
	out := image.NewAlpha(image.Rect(r.Min.Y, -r.Max.X, r.Max.Y, -r.Min.X))
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			out.SetAlpha(y, -x-1, m.AlphaAt(x, y))
		}
	}
	return out
}

func (s *raster) finish(w io.Writer) error {
	e := pngWriter{w: w, dots: s.dots, about: s.about}
	e.write(s.img)
	if e.err != nil {
		return fmt.Errorf("render: picture: %w", e.err)
	}
	return nil
}
