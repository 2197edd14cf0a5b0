package render

import (
	"fmt"
	"io"
	"math"
	"path"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/lens"
)

// Format is a file format of pictures.
type Format uint8

// The formats. A PNG has 192 dots an inch and looks the same everywhere, and so does a PDF, whose
// text can be searched and copied and whose fonts are in it. In an SVG text is drawn as its
// outlines, with the text itself over it, unseen; what has no outline is in the reader's fonts.
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
	// Candidates are the tokens that each row ranks highest at one position, side by side,
	// on the colour of their probability.
	Candidates
)

// PictureOptions say what Picture draws. The zero value is a PNG of the heat map of
// probabilities.
type PictureOptions struct {
	Format Format
	Kind   Kind
	View   View // the colour of Heatmap
	// Back is how many of the grid's positions Curves, Targets and Candidates go back from the
	// last: 0 draws the last.
	Back int
	// Fonts are files (TrueType, OpenType) to look for characters that the two
	// outline fonts lack before the pixel font is asked. A PNG or PDF then depends on them.
	Fonts []string

	Style    Style
	Title    string  // instead of the prompt
	Width    float64 // in points, 1/72 inch; 0 is what cells need, or the style's
	FontSize float64 // of cells and labels, in points; 0 is 8, or the style's
	Numbers  Numbers // in cells
	Every    int     // of the grid's rows every so manieth is drawn, counted from the last; 0 is 1
	Origin   Origin
}

// Bounds of a picture in pixels.
const (
	longestSide = 16384
	mostPixels  = 48 << 20 // 192 MiB as an image
)

// Picture draws the grid as a PNG, an SVG or a PDF. The same grid leads to the same bytes.
//
// A heat map of many positions is cut into bands below each other, so that it stays
// readable on a page; where even that is too large for the bounds (16,384 pixels a
// side, 48 megapixels), text shrinks from 8 to 5 points and then is left out. What does
// not fit without text is an error.
//
// Text in a PNG or PDF is drawn in Liberation Sans, DejaVu Sans, the fonts of the options, and
// for Chinese, Japanese and Korean a font of 12 dots an em; right-to-left text is put
// in order and Arabic letters are joined. A character that no font has is a frame
// around its code point.
func Picture(w io.Writer, g *lens.Grid, o PictureOptions) error {
	p, err := newPainter(g, o)
	if err != nil {
		return err
	}
	d, err := p.plan()
	if err != nil {
		return err
	}
	return p.paint(w, d)
}

// plan is a drawing of one kind, below the title.
type plan interface {
	size() (width, height float64) // of the whole picture
	draw()
}

func newPainter(g *lens.Grid, o PictureOptions) (*painter, error) {
	o, err := o.checked()
	if err != nil {
		return nil, err
	}
	t, err := newTypesetter(o.Fonts)
	if err != nil {
		return nil, err
	}
	o.Origin.Edits = append(o.Origin.Edits[:len(o.Origin.Edits):len(o.Origin.Edits)], g.Edits...)
	p := &painter{g: g, o: o, pen: pen{typesetter: t}}
	p.heading = p.gridHeading()
	p.g = everyRow(g, o.Every)
	return p, nil
}

// paint draws a plan.
func (p *painter) paint(w io.Writer, d plan) error {
	width, height := d.size()
	footed := height
	if p.footed() {
		footed += madeHeight
	}
	if err := p.o.wideEnough(width); err != nil {
		return err
	}
	err := p.o.bounded(width, footed)
	if err != nil {
		return err
	}
	about := caption{title: p.heading.whole, describes: p.heading.describes, model: p.heading.model, made: p.heading.made, crisp: p.o.Kind == Heatmap || p.o.Kind == Candidates}
	if p.surface, err = newSurface(p.o, p.typesetter, width, footed, about); err != nil {
		return err
	}
	p.head(width)
	d.draw()
	if p.footed() {
		p.write(p.short(glyphs(p.o.Origin.made()), smallSize, width-2*margin), margin, height, smallSize, softInk, left)
	}
	return p.finish(w)
}

func (p *painter) plan() (plan, error) {
	switch p.o.Kind {
	case Heatmap, Candidates, Curves, Targets:
		if p.empty() {
			return &notice{p, "nothing was read: no layers or no positions"}, nil
		}
	}
	switch p.o.Kind {
	case Heatmap:
		return p.heatmap()
	case Candidates:
		return p.candidates()
	case Curves, Targets:
		return p.charts()
	}
	return nil, fmt.Errorf("render: picture: kind %d is unknown (have: Heatmap, Curves, Targets, Candidates)", p.o.Kind)
}

// painter draws a grid on a surface.
type painter struct {
	pen
	g       *lens.Grid
	o       PictureOptions
	heading heading
}

// heading is what stands above a picture, and what it says of itself.
type heading struct {
	title     []glyph
	quoted    bool
	lines     []string // below it
	whole     string   // all in one line, uncut
	describes string   // for those who do not see it
	model     string
	made      string // how, as JSON
}

func (p *painter) empty() bool { return len(p.g.Rows) == 0 || len(p.g.Positions) == 0 }

// Sizes of a picture's text, and its margins, in points.
const (
	titleSize  = 11
	textSize   = 8
	smallSize  = 6
	margin     = 32 * pixel
	narrowPage = 840 * pixel // the least that a picture is wide
	gap        = 12 * pixel
	lineStep   = 1.4 * textSize
	madeHeight = 2 * smallSize // the line that says how a picture was made
)

// gridHeading is the prompt, the model and the lens, and what the numbers are.
func (p *painter) gridHeading() heading {
	h := heading{model: p.g.Model.Ref, made: madeText(p.g.Made), describes: p.describe()}
	switch {
	case p.o.Title != "":
		h.title = glyphs(p.o.Title)
	case p.g.Prompt != nil:
		h.title, h.quoted = glyphs(*p.g.Prompt), true
	default:
		h.title = laid(p.prompt())
	}
	by, files := lensLines(p.g)
	text := ""
	if p.g.Chat {
		text += " · chat template"
	}
	if n := p.g.Continued; n > 0 {
		text += fmt.Sprintf(" · the last %d of %d tokens its own", n, len(p.g.Tokens))
	}
	reads := p.g.Lens + " lens" + text
	h.lines = append(append(h.lines, p.model()+" · "+by+" lens"+text), files...)
	if e := edited(p.o.Origin.Edits); e != "" {
		h.lines = append(h.lines, e)
	}
	h.lines = append(h.lines, p.subtitle())
	parts := []string{p.prompt(), p.model(), reads}
	if p.o.Title != "" {
		parts = append([]string{p.o.Title}, parts...)
	}
	h.whole = strings.Join(parts, " · ")
	return h
}

func (p *painter) prompt() string {
	if p.g.Prompt == nil {
		return english.Plural(len(p.g.Tokens), "token id", "")
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

// headed reports whether there is a heading; in a paper only one that was asked for.
func (p *painter) headed() bool { return p.o.Style != Paper || p.o.Title != "" }

// lines are those below the title.
func (p *painter) lines() []string {
	if p.o.Style == Paper {
		return nil
	}
	return p.heading.lines
}

// footed reports whether there is a line that says how the picture was made.
func (p *painter) footed() bool { return p.o.Style != Paper && p.o.Origin.made() != "" }

// top is where the drawing begins, below the heading.
func (p *painter) top() float64 {
	if !p.headed() {
		return margin
	}
	y := margin + titleSize
	if n := len(p.lines()); n > 0 {
		y += gap + textSize + float64(n-1)*lineStep
	}
	return snap(y + 31*pixel)
}

// head draws the title, cut where it would be wider than the picture, and below it the
// model, the lens and what the numbers are.
func (p *painter) head(width float64) {
	if !p.headed() {
		return
	}
	room := width - 2*margin
	title := draw(p.heading.title)
	if p.heading.quoted {
		title = `"` + title + `"`
	}
	if p.wide(title, titleSize) > room {
		title = p.short(p.heading.title, titleSize, room)
		if p.heading.quoted {
			title = `"` + p.short(p.heading.title, titleSize, room-p.wide(`""`, titleSize)) + `"`
		}
	}
	y := margin + titleSize
	p.write(title, margin, y, titleSize, black, left)
	y += gap + textSize
	for _, l := range p.lines() {
		p.write(p.short(laid(l), textSize, room), margin, y, textSize, softInk, left)
		y += lineStep
	}
}

// subtitle says what the picture's numbers are.
func (p *painter) subtitle() string {
	switch p.o.Kind {
	case Heatmap:
		if p.o.View == Token || int(p.o.View) >= len(views) {
			return "the token that each layer would say next"
		}
		return "colour: " + views[p.o.View].means
	case Candidates:
		return "what each layer would say" + p.after() + "; colour: probability"
	case Curves:
		return "tokens" + p.after() + ", layer by layer"
	}
	return "targets" + p.after() + ", layer by layer"
}

// after names the position of Curves, Targets and Candidates.
func (p *painter) after() string {
	if p.empty() || p.o.Back < 0 || p.o.Back >= len(p.g.Positions) {
		return ""
	}
	at := p.g.Positions[p.column()]
	return fmt.Sprintf(" after %s at position %d", quote(p.g.Tokens[at].Bytes), at)
}

func (p *painter) column() int { return len(p.g.Positions) - 1 - p.o.Back }

// backward returns an error for a position that the grid does not have.
func (p *painter) backward() error {
	if n := len(p.g.Positions); p.o.Back < 0 || p.o.Back >= n {
		return fmt.Errorf("render: picture: position %d before the last is not in the grid: it has %d (0–%d)", p.o.Back, n, n-1)
	}
	return nil
}

// describe tells in words what the picture shows, for those who do not see it.
func (p *painter) describe() string {
	d := p.subtitle() + ": " + extent(len(thinned(p.g.Rows, p.o.Every)), len(p.g.Rows), len(p.g.Positions))
	if p.empty() {
		return d
	}
	read := shown
	if p.o.Every > 1 {
		read = "read" // not all of them are drawn
	}
	return d + " " + crystallised(p.g, answerOf(p.g), read) + "."
}

// extent says how large a grid is, and of how many rows those are that are drawn.
func extent(drawn, rows, positions int) string {
	of := english.Plural(drawn, "row", "")
	if drawn < rows {
		of = fmt.Sprintf("%d of the %s read", drawn, english.Plural(rows, "row", ""))
	}
	return of + ", " + english.Plural(positions, "position", "") + "."
}

// notice is a picture that says why there is none.
type notice struct {
	*painter
	says string
}

func (n *notice) size() (float64, float64) {
	return n.o.across(narrowPage), n.top() + margin + textSize
}

func (n *notice) draw() {
	n.write(n.short(laid(n.says), textSize, n.o.across(narrowPage)-2*margin), margin, n.top()+textSize, textSize, black, left)
}

// finite reports whether a number can be drawn.
func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
