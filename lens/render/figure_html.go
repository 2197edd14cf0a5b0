package render

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// The page of a figure is tables, and has of the grid's page what is no matter of a grid.
var (
	figurePage    = template.Must(template.ParseFS(pageFiles, "html/figure.html", "html/share.html"))
	figureCSS     = joined("base.css", "figure.css")
	figureJS      = joined(append(slices.Clone(commonScripts), figureScripts...)...)
	figureScripts = []string{"script/figure.js"}
)

// FigureHTML writes a figure as one self-contained page. A cell says at the pointer, on focus and when it is
// touched which it is; the address keeps the one that was chosen. The page saves itself as a picture, prints whole,
// and fits the frame of another page (docs/pages.md). The same figure leads to the same bytes.
func FigureHTML(w io.Writer, f *Figure) error {
	if err := f.fits(); err != nil {
		return err
	}
	v := figureValues{
		Title: f.Title, Notes: f.Notes, Means: f.Means, Made: f.Made, Command: f.Command, CSS: template.CSS(figureCSS), JS: template.JS(figureJS),
		Policy: fmt.Sprintf("default-src 'none'; style-src-attr 'unsafe-inline'; style-src-elem '%s'; script-src '%s'; img-src blob:; base-uri 'none'; form-action 'none'", sourceHash(figureCSS), sourceHash(figureJS)),
		Height: f.embedHeight(),
	}
	v.Embed = embedTag(v.Height)
	scales := f.scales()
	one := len(scales) == 1 && scales[0].most > 0 && !slices.ContainsFunc(f.Grids, func(m Matrix) bool { return m.Plain })
	if one {
		v.Legend = f.legend(scales[0])
	}
	for i := range f.Grids {
		m := &f.Grids[i]
		grid, scale := figureGrid{Name: m.Name, Means: m.Means, Are: cmp.Or(m.Are, m.RowsAre, "row"), Tokens: m.hasTokens(), Kind: m.kind()}, f.scale(m)
		if grid.Means == f.Means { // which stands above
			grid.Means = ""
		}
		if !one && !m.Plain && scale.most > 0 {
			grid.Legend = f.legend(scale)
		}
		for _, c := range m.Columns {
			grid.Columns = append(grid.Columns, figureColumn{shownToken(c.Token), c.Name})
		}
		for i, r := range m.order() {
			row := f.pageRow(m, scale, r)
			if i%m.part() == 0 {
				grid.Parts = append(grid.Parts, nil)
				if m.Are != "" { // else rows are named in the corner
					row.Are = m.RowsAre
				}
			}
			last := len(grid.Parts) - 1
			grid.Parts[last] = append(grid.Parts[last], row)
		}
		v.Grids = append(v.Grids, grid)
	}
	var b bytes.Buffer
	if err := figurePage.ExecuteTemplate(&b, "figure.html", v); err != nil {
		return fmt.Errorf("render: HTML: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("render: HTML: %w", err)
	}
	return nil
}

// pageRow is a row of a grid as its page has it.
func (f *Figure) pageRow(m *Matrix, scale hues, r int) figureRow {
	row := figureRow{Name: m.Rows[r]}
	for c, x := range m.Values[r] {
		cell := figureCell{Text: f.number(x), Says: kinded(m.RowsAre, m.Rows[r]) + ", " + kinded(m.Are, m.Columns[c].Name)}
		if t := m.Columns[c].Token; t != "" {
			cell.Says += " " + quoteOnPage(t)
		}
		cell.Says += ": " + number(x)
		if text := m.text(r, c); text != "" {
			cell.Text = shownToken(text) + " " + cell.Text
			cell.Says += " " + quoteOnPage(text)
		}
		if m.colored(x) {
			cell.Style = template.CSS(fmt.Sprintf("background:%s;color:%s", hex(scale.of(x)), hex(ink(scale.of(x)))))
		}
		row.Cells = append(row.Cells, cell)
	}
	return row
}

// kinded is a name behind what it is the name of, if that has one.
func kinded(kind, name string) string { return strings.TrimSpace(kind + " " + name) }

// quoteOnPage is quote in signs that any reader's fonts have.
func quoteOnPage(raw string) string { return `"` + onPage(glyphs(raw)) + `"` }

// shownToken is a token on the page, "" for none.
func shownToken(raw string) string {
	if raw == "" {
		return ""
	}
	return onPage(token(raw))
}

type figureValues struct {
	Title, Means, Made, Policy string
	Command, Embed             string
	Notes                      []string
	Legend                     *figureLegend // of all grids, where they have one scale
	Grids                      []figureGrid
	CSS                        template.CSS
	JS                         template.JS
	Height                     int // of a frame that shows all of it
}

type figureGrid struct {
	Name, Means, Are string
	Kind             string // dense, strip or many, for how it is laid out; "": a table of few numbers
	Tokens           bool
	Legend           *figureLegend
	Columns          []figureColumn
	Parts            [][]figureRow // one, or those of a strip, each of which is labelled
}

// kind is how a page lays a grid out: many columns are a heat map, whose cells say their numbers on hover and
// to who reads them aloud, one long column a strip that goes on beside itself, and some columns are printed small.
func (m *Matrix) kind() string {
	switch {
	case len(m.Columns) > mostNumbers:
		return "dense"
	case len(m.Columns) == 1 && len(m.Rows) > longStrip:
		return "strip"
	case len(m.Columns) > fewNumbers && m.Texts == nil:
		return "many"
	}
	return ""
}

// part is how many rows stand between a grid's labels: all, or as many as a part of a strip has.
func (m *Matrix) part() int {
	if m.kind() != "strip" {
		return max(1, len(m.Rows))
	}
	return parted(len(m.Rows), parted(len(m.Rows), stripPart))
}

// parted is how many parts of at most so many something has.
func parted(n, most int) int { return (n + most - 1) / most }

// embedHeight is the height, in CSS pixels, at which a frame of 720 shows all of a figure: lines above the grids,
// then grids beside each other as far as there is room.
func (f *Figure) embedHeight() int {
	const width, row, line, glyph = 690, 24, 20, 7.2
	lines := 0
	for _, text := range append(slices.Clone(f.Notes), f.Means) {
		lines += 1 + int(float64(len(text))*6.6)/width
	}
	titles := 1 + min(1, int(float64(len(f.Title))*10)/(width-250))
	height, across, tallest := 60+26*titles+line*lines+24, 0, 0
	for i := range f.Grids {
		m := &f.Grids[i]
		wide, high := 30, 60+row*len(m.Rows)+line
		for c := range m.Columns {
			most := utf8.RuneCountInString(m.Columns[c].Token)
			for r := range m.Rows {
				most = max(most, len(f.number(m.Values[r][c]))+1+utf8.RuneCountInString(m.text(r, c)))
			}
			wide += 13 + int(glyph*float64(most))
		}
		switch m.kind() {
		case "dense":
			wide, high = width, 60+11*len(m.Rows)+90
		case "strip":
			wide, high = width, 60+(row*m.part()+2*line)*parted(parted(len(m.Rows), m.part()), 2)
		}
		if across > 0 && across+32+wide > width {
			height, across, tallest = height+tallest, 0, 0
		}
		across, tallest = across+32+wide, max(tallest, high)
	}
	return min(2000, height+tallest)
}

const (
	fewNumbers  = 12 // columns whose numbers a sheet of paper has room for in their usual size
	mostNumbers = 32 // columns of numbers that a window of 1,440 pixels has room for
	longStrip   = 20 // rows of one column that such a window shows at once, with what stands around them
	stripPart   = 10 // rows of a longer one at most between its labels
)

type figureLegend struct {
	From, To string
	Steps    []figureStep
}

// figureStep is a colour of a scale, behind the number that stands there.
type figureStep struct {
	Mark  string
	Style template.CSS
}

// legend is a strip of a scale's colours, between its ends.
func (f *Figure) legend(h hues) *figureLegend {
	l := &figureLegend{From: f.number(h.least), To: f.number(h.most)}
	for i := range 24 {
		c := h.of(h.least + (h.most-h.least)*float64(i)/23)
		l.Steps = append(l.Steps, figureStep{Style: template.CSS("background:" + hex(c))})
	}
	for _, m := range f.marks(h) {
		l.Steps[int(24*m.at)].Mark = m.text
	}
	return l
}

type figureColumn struct{ Token, Name string }

type figureRow struct {
	Are, Name string // what rows are, in the first of a part
	Cells     []figureCell
}

type figureCell struct {
	Text, Says string
	Style      template.CSS
}

func hex(c rgb) string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }
