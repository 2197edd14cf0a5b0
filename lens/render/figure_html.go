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
		grid, scale := figureGrid{Name: m.Name, Means: m.Means, Are: m.Are, Tokens: m.hasTokens()}, f.scale(m)
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
	Tokens           bool
	Columns          []figureColumn
	Rows             []figureRow
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
