package render

import (
	"io"
	"math"
)

// Lengths on a picture are points, 1/72 inch, x to the right and y down. A pixel of
// the PNG is 0.375 points, and what has edges lies on whole pixels.
const (
	dpi   = 192
	pixel = 72.0 / dpi
)

// snap rounds a length to whole pixels.
func snap(x float64) float64 { return math.Round(x/pixel) * pixel }

type point struct{ x, y float64 }

// box is a rectangle, its corner at the left top.
type box struct{ x, y, w, h float64 }

func (b box) inset(d float64) box { return box{b.x + d, b.y + d, b.w - 2*d, b.h - 2*d} }
func (b box) right() float64      { return b.x + b.w }
func (b box) bottom() float64     { return b.y + b.h }

// anchor says which part of a text stands at its x.
type anchor uint8

const (
	left anchor = iota
	middle
	right
)

// words are a line of text on a surface.
type words struct {
	*line
	at      point // the anchor, on the baseline
	size    float64
	ink     rgb
	anchor  anchor
	upwards bool // turned by a quarter, to be read from bottom to top
}

// start is how far the text's left end is from its anchor.
func (w words) start() float64 { return -w.width * w.size * [...]float64{0, 0.5, 1}[w.anchor] }

// stroke is how a line is drawn.
type stroke struct {
	color  rgb
	width  float64
	dashes []float64
}

// surface is what a picture is drawn on.
type surface interface {
	fill(b box, c rgb)
	stroke(ps []point, s stroke)
	text(w words)
	// finish writes the picture.
	finish(w io.Writer) error
}

// frame draws the edge of a box inside it.
func frame(s surface, b box, width float64, c rgb) {
	s.fill(box{b.x, b.y, b.w, width}, c)
	s.fill(box{b.x, b.bottom() - width, b.w, width}, c)
	s.fill(box{b.x, b.y + width, width, b.h - 2*width}, c)
	s.fill(box{b.right() - width, b.y + width, width, b.h - 2*width}, c)
}

// hatch fills a box with what is no colour of the ramp: grey lines on near white.
func hatch(s surface, b box) {
	s.fill(b, paper)
	const gap = 12 * pixel
	for d := gap; d < b.w+b.h; d += gap {
		from := point{b.x + min(d, b.w), b.y + max(0, d-b.w)}
		to := point{b.x + max(0, d-b.h), b.y + min(d, b.h)}
		s.stroke([]point{from, to}, stroke{color: faintInk, width: pixel})
	}
}

// Greys, none of which the ramp has.
var (
	paper    = rgb{244, 244, 244}
	faintInk = rgb{200, 200, 200}
	softInk  = rgb{96, 96, 96}
)
