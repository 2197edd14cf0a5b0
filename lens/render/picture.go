package render

import (
	"fmt"
	"io"
	"math"
	"path"
	"strings"

	"github.com/mlxlens/mlxlens/lens"
)

// Format is a file format of pictures.
type Format uint8

// The formats. A PNG has 192 dots an inch and looks the same everywhere; in an SVG
// text is text, in the fonts of whoever looks at it; a PDF has text too, and its fonts.
const (
	PNG Format = iota
	SVG
	PDF
)

// Kind is what a picture shows of a grid.
type Kind uint8

// The kinds.
const (
	// Heatmap is Terminal's grid: a row a site, the final one on top, a column a
	// position; a cell holds the row's own top token on the colour of the view.
	Heatmap Kind = iota
	// Curves are probability and rank of the tokens at one position, by row: those
	// in Grid.Tracked, else the final row's candidates. A row that does not list a
	// candidate leaves a gap.
	Curves
	// Targets are probability, logit and rank of the grid's targets at one position, by
	// row, and the contrasts.
	Targets
)

// PictureOptions say what Picture draws. The zero value is a PNG of the heat map of
// probabilities.
type PictureOptions struct {
	Format Format
	Kind   Kind
	View   View // the colour of Heatmap
	// Back is how many of the grid's positions Curves and Targets go back from the
	// last: 0 draws the last.
	Back int
	// Fonts are files (TrueType, OpenType) to look for characters that the two
	// outline fonts lack before the pixel font is asked. A PNG then depends on them.
	Fonts []string
}

// Bounds of a picture in pixels.
const (
	longestSide = 16384
	mostPixels  = 48 << 20 // 192 MiB as an image
)

// Picture draws the grid as a PNG or an SVG. The same grid leads to the same bytes.
//
// A heat map of many positions is cut into bands below each other, so that it stays
// readable on a page; where even that is too large for the bounds (16,384 pixels a
// side, 48 megapixels), text shrinks from 8 to 5 points and then is left out. What does
// not fit without text is an error.
//
// Text in a PNG is drawn in Liberation Sans, DejaVu Sans, the fonts of the options, and
// for Chinese, Japanese and Korean a font of 12 dots an em; right-to-left text is put
// in order and Arabic letters are joined. A character that no font has is a frame
// around its code point.
func Picture(w io.Writer, g *lens.Grid, o PictureOptions) error {
	t, err := newTypesetter(o.Fonts)
	if err != nil {
		return err
	}
	p := painter{g: g, o: o, pen: pen{typesetter: t}}
	d, err := p.plan()
	if err != nil {
		return err
	}
	width, height := d.size()
	if err := bounded(width, height); err != nil {
		return err
	}
	if p.surface, err = newSurface(o.Format, t, width, height, caption{p.title(), p.describe(), o.Kind == Heatmap}); err != nil {
		return err
	}
	p.head(width)
	d.draw()
	return p.finish(w)
}

// drawing of one kind, below the title.
type plan interface {
	size() (width, height float64) // of the whole picture
	draw()
}

func (p *painter) plan() (plan, error) {
	switch p.o.Kind {
	case Heatmap:
		if p.empty() {
			return &notice{p, "nothing was read: no layers or no positions"}, nil
		}
		return p.heatmap()
	case Curves, Targets:
		if p.empty() {
			return &notice{p, "nothing was read: no layers or no positions"}, nil
		}
		return p.charts()
	}
	return nil, fmt.Errorf("render: picture: kind %d is unknown (have: Heatmap, Curves, Targets)", p.o.Kind)
}

func bounded(width, height float64) error {
	w, h := math.Round(width/pixel), math.Round(height/pixel)
	if w > longestSide || h > longestSide || w*h > mostPixels {
		return fmt.Errorf("render: picture: it would be %.0f×%.0f pixels; the most is %d a side and %d in all: choose fewer positions or layers", w, h, longestSide, mostPixels)
	}
	return nil
}

// painter draws a grid on a surface.
type painter struct {
	pen
	g *lens.Grid
	o PictureOptions
}

func (p *painter) empty() bool { return len(p.g.Rows) == 0 || len(p.g.Positions) == 0 }

// Sizes of a picture's text, and its margins, in points.
const (
	titleSize  = 11
	textSize   = 8
	margin     = 32 * pixel
	headHeight = 124 * pixel // below margin: prompt, model, what the numbers are
	narrowPage = 840 * pixel // the least that a picture is wide
	gap        = 12 * pixel
)

// title is the prompt, the model and the lens.
func (p *painter) title() string {
	return strings.Join([]string{p.prompt(), p.model(), p.g.Lens + " lens"}, " · ")
}

func (p *painter) prompt() string {
	if p.g.Prompt == nil {
		return fmt.Sprintf("%d token ids", len(p.g.Tokens))
	}
	return quote(*p.g.Prompt)
}

func (p *painter) model() string { return ModelName(p.g.Model) }

// ModelName is a model's name in short, as it is shown.
func ModelName(m lens.ModelInfo) string {
	name := path.Base(strings.ReplaceAll(m.Ref, `\`, "/"))
	if name == "." || name == "/" {
		return m.Type
	}
	return Visible(strings.TrimSuffix(name, ".gguf"))
}

// head draws the prompt, cut where it would be wider than the picture, and below it the
// model, the lens and what the numbers are.
func (p *painter) head(width float64) {
	prompt := p.prompt()
	if room := width - 2*margin; p.g.Prompt != nil && p.wide(prompt, titleSize) > room {
		prompt = `"` + p.short(glyphs(*p.g.Prompt), titleSize, room-p.wide(`""`, titleSize)) + `"`
	}
	y := margin + titleSize
	p.write(prompt, margin, y, titleSize, black, left)
	y += gap + textSize
	p.write(p.model()+" · "+p.g.Lens+" lens", margin, y, textSize, softInk, left)
	p.write(p.subtitle(), margin, y+1.4*textSize, textSize, softInk, left)
}

// subtitle says what the picture's numbers are.
func (p *painter) subtitle() string {
	switch p.o.Kind {
	case Heatmap:
		if p.o.View == Token || int(p.o.View) >= len(views) {
			return "the token that each layer would say next"
		}
		return "colour: " + views[p.o.View].means
	case Curves:
		return "tokens" + p.after() + ", layer by layer"
	}
	return "targets" + p.after() + ", layer by layer"
}

// after names the position of Curves and Targets.
func (p *painter) after() string {
	if p.empty() || p.o.Back < 0 || p.o.Back >= len(p.g.Positions) {
		return ""
	}
	at := p.g.Positions[p.column()]
	return fmt.Sprintf(" after %s at position %d", quote(p.g.Tokens[at].Bytes), at)
}

func (p *painter) column() int { return len(p.g.Positions) - 1 - p.o.Back }

// describe tells in words what the picture shows, for those who do not see it.
func (p *painter) describe() string {
	d := fmt.Sprintf("%s: %d rows, %d positions.", p.subtitle(), len(p.g.Rows), len(p.g.Positions))
	if p.empty() {
		return d
	}
	return d + " " + strings.TrimSpace(crystallisation(p.g)) + "."
}

// notice is a picture that says why there is none.
type notice struct {
	*painter
	says string
}

func (n *notice) size() (float64, float64) { return narrowPage, headHeight + 2*margin + textSize }

func (n *notice) draw() { n.write(n.says, margin, headHeight+margin, textSize, black, left) }

// finite reports whether a number can be drawn.
func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
