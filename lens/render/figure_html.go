package render

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

// The page of a figure is tables, which need no script.
var (
	//go:embed html/figure.html
	figureHTML string
	//go:embed html/figure.css
	figureCSS string

	figurePage = template.Must(template.New("figure").Parse(figureHTML))
)

// FigureHTML writes a figure as one self-contained page; a cell says on hover and focus which it is.
// The same figure leads to the same bytes.
func FigureHTML(w io.Writer, f *Figure) error {
	if err := f.fits(); err != nil {
		return err
	}
	v := figureValues{
		Title: f.Title, Notes: f.Notes, Means: f.Means, Made: f.Made, CSS: template.CSS(figureCSS),
		Policy: fmt.Sprintf("default-src 'none'; style-src-attr 'unsafe-inline'; style-src-elem '%s'; base-uri 'none'; form-action 'none'", sourceHash(figureCSS)),
	}
	for i := range f.Grids {
		m := &f.Grids[i]
		grid, scale := figureGrid{Name: m.Name, Means: m.Means, Are: m.Are, Tokens: m.hasTokens(), Kind: m.kind()}, f.scale(m)
		grid.Dense = grid.Kind == "dense"
		if !m.Plain && scale.most > 0 {
			grid.Legend = f.legend(scale)
		}
		for _, c := range m.Columns {
			grid.Columns = append(grid.Columns, figureColumn{shownToken(c.Token), c.Name})
		}
		for _, r := range m.order() {
			row := figureRow{Name: m.Rows[r]}
			for c, x := range m.Values[r] {
				cell := figureCell{Text: f.number(x), Says: fmt.Sprintf("%s %s, %s %s", m.RowsAre, m.Rows[r], m.Are, m.Columns[c].Name)}
				if t := m.Columns[c].Token; t != "" {
					cell.Says += " " + quote(t)
				}
				cell.Says += ": " + number(x)
				if text := m.text(r, c); text != "" {
					cell.Text = shownToken(text) + " " + cell.Text
					cell.Says += " " + quote(text)
				}
				if m.colored(x) {
					cell.Style = template.CSS(fmt.Sprintf("background:%s;color:%s", hex(scale.of(x)), hex(ink(scale.of(x)))))
				}
				row.Cells = append(row.Cells, cell)
			}
			grid.Rows = append(grid.Rows, row)
		}
		v.Grids = append(v.Grids, grid)
	}
	var b bytes.Buffer
	if err := figurePage.Execute(&b, v); err != nil {
		return fmt.Errorf("render: HTML: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("render: HTML: %w", err)
	}
	return nil
}

// shownToken is a token on the page, "" for none.
func shownToken(raw string) string {
	if raw == "" {
		return ""
	}
	return draw(token(raw))
}

type figureValues struct {
	Title, Means, Made, Policy string
	Notes                      []string
	Grids                      []figureGrid
	CSS                        template.CSS
}

type figureGrid struct {
	Name, Means, Are string
	Kind             string // dense or strip, for how it is laid out; "": a table of numbers
	Tokens, Dense    bool
	Legend           *figureLegend
	Columns          []figureColumn
	Rows             []figureRow
}

// kind is how a page lays a grid out: many columns are a heat map, whose cells say their numbers on hover and
// to who reads them aloud, and one long column a strip that goes on beside itself.
func (m *Matrix) kind() string {
	switch {
	case len(m.Columns) > mostNumbers:
		return "dense"
	case len(m.Columns) == 1 && len(m.Rows) > longStrip:
		return "strip"
	}
	return ""
}

const (
	mostNumbers = 32 // columns of numbers that a window of 1,440 pixels has room for
	longStrip   = 20 // rows of one column that such a window shows at once, with what stands around them
)

type figureLegend struct {
	From, To string
	Steps    []template.CSS
}

// legend is a strip of a scale's colours, between its ends.
func (f *Figure) legend(h hues) *figureLegend {
	l := &figureLegend{From: f.number(h.least), To: f.number(h.most)}
	for i := range 24 {
		c := h.of(h.least + (h.most-h.least)*float64(i)/23)
		l.Steps = append(l.Steps, template.CSS("background:"+hex(c)))
	}
	return l
}

type figureColumn struct{ Token, Name string }

type figureRow struct {
	Name  string
	Cells []figureCell
}

type figureCell struct {
	Text, Says string
	Style      template.CSS
}

func hex(c rgb) string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }
