package render

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Style is for what a picture is made.
type Style uint8

// The styles.
const (
	Screen Style = iota // a title, what the numbers are, and how the picture was made
	// Paper is a figure of a paper, which has its caption below: no title, notes and margin, 3.25
	// inches wide, which is a column, in text of 7 points, a PNG of 576 dots an inch.
	Paper
)

// Numbers says whether cells show their numbers.
type Numbers uint8

// NumbersUsual shows them where cells have nothing else to say.
const (
	NumbersUsual Numbers = iota
	NumbersShown
	NumbersHidden
)

// Origin is how a picture was made: it stands below the picture, and in the file's metadata.
type Origin struct {
	Program string   // with its version
	Command string   // as it was given
	Model   string   // as it was named, where there is no grid to name it
	Edits   []string // of the runs, where the grid does not name them
}

// Bounds of what can be asked of a picture, in points.
const (
	leastWidth, mostWidth = 72, 14400 // 14,400 is the most that a PDF has
	leastFont, mostFont   = 3, 72
	columnWidth           = 3.25 * 72
	paperFont             = 7
	paperDots             = 3 // of a PNG for each on the screen
)

// checked returns the options with what the style says of width and text.
func (o PictureOptions) checked() (PictureOptions, error) {
	if o.Style > Paper {
		return o, fmt.Errorf("render: picture: style %d is unknown (have: Screen, Paper)", o.Style)
	}
	if o.Style == Paper && o.Width == 0 {
		o.Width = columnWidth
	}
	if o.FontSize == 0 {
		o.FontSize = textSize
		if o.Style == Paper {
			o.FontSize = paperFont
		}
	}
	switch {
	case o.Width != 0 && !(o.Width >= leastWidth && o.Width <= mostWidth):
		return o, fmt.Errorf("render: picture: a width of %g points: want %d to %d", o.Width, leastWidth, mostWidth)
	case !(o.FontSize >= leastFont && o.FontSize <= mostFont):
		return o, fmt.Errorf("render: picture: text of %g points: want %d to %d", o.FontSize, leastFont, mostFont)
	case o.Every < 0:
		return o, fmt.Errorf("render: picture: every %dth layer: want 1 or more", o.Every)
	}
	return o, nil
}

// Pictures are laid out with text of textSize and a margin all round, whatever was asked for, and
// scaled and cropped at the end.

// scale is what a point of the layout is on the picture.
func (o PictureOptions) scale() float64 { return o.FontSize / textSize }

// crop is what is cut off on each side of the layout.
func (o PictureOptions) crop() float64 {
	if o.Style == Paper {
		return margin - 3*pixel
	}
	return 0
}

// room is the width that was asked for, in the layout; 0 for none.
func (o PictureOptions) room() float64 {
	if o.Width == 0 {
		return 0
	}
	return o.Width/o.scale() + 2*o.crop()
}

// across is how wide a layout is that takes any width: as it was asked for, else the usual.
func (o PictureOptions) across(usual float64) float64 {
	if room := o.room(); room > 0 {
		return room
	}
	return usual
}

// ErrNarrow is the kind of error of a picture for which the width that was asked for is too small.
var ErrNarrow = errors.New("the picture is too narrow")

// wideEnough returns an error for a layout that does not fit the width that was asked for, with what would.
func (o PictureOptions) wideEnough(width float64) error {
	if o.Width == 0 || width <= o.room()+pixel {
		return nil
	}
	takes := (width - 2*o.crop()) * o.scale()
	text := math.Floor(10*textSize*o.Width/(width-2*o.crop())) / 10 // all of a layout grows with its text
	fits := ""
	if text >= leastFont {
		fits = fmt.Sprintf(", or text of %g points", text)
	}
	return fmt.Errorf("render: picture: %w: with text of %g points it takes %.2f inches (%.0f points), and %.2f (%.0f) were asked for: allow as many%s",
		ErrNarrow, o.FontSize, takes/72, math.Ceil(takes), o.Width/72, o.Width, fits)
}

// fitted is a surface on which a layout is scaled and cropped.
type fitted struct {
	surface
	scale, crop float64
}

func (f fitted) point(p point) point {
	return point{(p.x - f.crop) * f.scale, (p.y - f.crop) * f.scale}
}

func (f fitted) fill(b box, c rgb) {
	at := f.point(point{b.x, b.y})
	f.surface.fill(box{at.x, at.y, b.w * f.scale, b.h * f.scale}, c)
}

func (f fitted) stroke(ps []point, k stroke) {
	moved := make([]point, len(ps))
	for i, p := range ps {
		moved[i] = f.point(p)
	}
	dashes := make([]float64, len(k.dashes))
	for i, d := range k.dashes {
		dashes[i] = d * f.scale
	}
	k.width, k.dashes = k.width*f.scale, dashes
	f.surface.stroke(moved, k)
}

func (f fitted) text(w words) {
	w.at, w.size = f.point(w.at), w.size*f.scale
	f.surface.text(w)
}

// newSurface returns a white surface for a layout of a size.
func newSurface(o PictureOptions, t *typesetter, width, height float64, about caption) (surface, error) {
	scale, crop := o.scale(), o.crop()
	w, h := (width-2*crop)*scale, (height-2*crop)*scale
	about.origin = o.Origin
	var s surface
	switch o.Format {
	case PNG:
		dots := 1
		if o.Style == Paper {
			dots = paperDots
		}
		scale *= float64(dots)
		s = newRaster(t, snap(w*float64(dots)), snap(h*float64(dots)), dots, about)
	case SVG:
		s = newVectors(t, w, h, about)
	case PDF:
		s = newPDFSurface(t, w, h, about)
	default:
		return nil, fmt.Errorf("render: picture: format %d is unknown (have: PNG, SVG, PDF)", o.Format)
	}
	if scale != 1 || crop != 0 {
		s = fitted{s, scale, crop}
	}
	s.fill(box{crop, crop, width - 2*crop, height - 2*crop}, white)
	return s, nil
}

// bounded returns an error for a layout whose picture would be too large.
func (o PictureOptions) bounded(width, height float64) error {
	dots := 1.0
	if o.Style == Paper && o.Format == PNG {
		dots = paperDots
	}
	w := math.Round((width - 2*o.crop()) * o.scale() * dots / pixel)
	h := math.Round((height - 2*o.crop()) * o.scale() * dots / pixel)
	if w > longestSide || h > longestSide || w*h > mostPixels {
		return fmt.Errorf("render: picture: it would be %.0f×%.0f pixels; the most is %d a side and %d in all: choose fewer positions or layers", w, h, longestSide, mostPixels)
	}
	return nil
}

// caption is what a picture says in words of itself.
type caption struct {
	title, describes string
	model            string // as it was named
	made             string // how, as JSON; "": by no command
	crisp            bool   // it is made of boxes, whose edges stay sharp
	origin           Origin
}

// program is the program's name and version.
func (c caption) program() string {
	if c.origin.Program == "" {
		return "mlxlens"
	}
	return c.origin.Program
}

// fields are the caption as names and texts: the keywords that PNG registers (PNG, third edition,
// 11.3.3.2), and behind them ours.
func (c caption) fields() [][2]string {
	all := [][2]string{{"Title", c.title}, {"Description", c.describes}, {"Software", c.program()}, {"Source", c.model},
		{"Comment", c.origin.Command}, {"Edits", strings.Join(c.origin.Edits, "\n")}, {"made", c.made}}
	var out [][2]string
	for _, f := range all {
		if f[1] != "" {
			out = append(out, f)
		}
	}
	return out
}

// made is the line below a picture that says how it was made, as it was written.
func (o Origin) made() string {
	var parts []string
	for _, s := range []string{o.Program, o.Command} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, " · ")
}

// edited is the line of a caption that names edits, "" for none.
func edited(edits []string) string {
	if len(edits) == 0 {
		return ""
	}
	return "edited: " + Visible(strings.Join(edits, ", "))
}
