package render

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// FigureTerminal draws a figure for a terminal, the last columns first when not all fit the width.
func FigureTerminal(w io.Writer, f *Figure, o TerminalOptions) error {
	if err := f.fits(); err != nil {
		return err
	}
	b := bufio.NewWriter(w)
	d := &figureDrawing{Writer: b, f: f, o: o}
	flow(d, o.line(), f.Title)
	for _, note := range f.Notes {
		flowFaint(d, o, note)
	}
	for i := range f.Grids {
		d.grid(&f.Grids[i])
	}
	for _, h := range f.scales() {
		d.legend(h)
	}
	if len(f.scales()) == 0 {
		d.WriteString("\n")
		flow(d, o.line(), f.Means)
	}
	leftOut(d, o, d.left, "position")
	if err := b.Flush(); err != nil {
		return fmt.Errorf("render: %w", err)
	}
	return nil
}

type figureDrawing struct {
	*bufio.Writer
	f    *Figure
	o    TerminalOptions
	hues     // of the grid that is drawn
	left int // columns that were left out of a grid
}

// grid draws one, in pages of the terminal's width.
func (d *figureDrawing) grid(m *Matrix) {
	d.hues = d.f.scale(m)
	labels := columns(laid(m.Are))
	for i, r := range m.order() {
		labels = max(labels, columns(laid(m.label(i, r))))
	}
	cell := 4
	for i, c := range m.Columns {
		cell = max(cell, len(c.Name))
		if c.Token != "" {
			cell = max(cell, min(columns(token(c.Token)), widest))
		}
		for _, row := range m.Values {
			cell = max(cell, len([]rune(d.f.number(row[i]))))
		}
	}
	fmt.Fprintf(d, "\n%s\n", m.Name)
	texts := 0 // the room for what stands before numbers
	for r := range m.Texts {
		for _, text := range m.Texts[r] {
			texts = max(texts, min(columns(token(text)), 2*widest))
		}
	}
	if texts > 0 {
		cell = max(cell, texts+1+d.numbers(m))
	}
	o := d.o
	if !m.hasTokens() { // heads and the like are no prompt that has an end
		o.Rest = ""
	}
	left := inPages(d.Writer, len(m.Columns), labels, cell, o, func(from, to int) string {
		return fmt.Sprintf("%s %s to %s, %d of %d", m.Are, m.Columns[from].Name, m.Columns[to-1].Name, to-from, len(m.Columns))
	}, func(from, to int) { d.page(m, from, to, labels, cell) })
	d.left = max(d.left, left)
}

// label is what stands before the i-th row from above, which is r; the first says what rows are, but for a name of
// several words, which would take a column's room there and has a line of its own.
func (m *Matrix) label(i, r int) string {
	if i == 0 && !m.above() {
		return kinded(m.RowsAre, m.Rows[r])
	}
	return m.Rows[r]
}

// above reports whether what rows are stands above them.
func (m *Matrix) above() bool { return strings.Contains(m.RowsAre, " ") }

// numbers is the room for a grid's numbers.
func (d *figureDrawing) numbers(m *Matrix) int {
	most := 0
	for _, row := range m.Values {
		for _, x := range row {
			most = max(most, len([]rune(d.f.number(x))))
		}
	}
	return most
}

func (d *figureDrawing) page(m *Matrix, from, to, labels, cell int) {
	if m.above() {
		fmt.Fprintf(d, "%s\n", d.o.Color.faint(m.RowsAre))
	}
	for i, r := range m.order() {
		fmt.Fprintf(d, "%s", pad(m.label(i, r), labels))
		for c := from; c < to; c++ {
			x := m.Values[r][c]
			text := d.f.number(x)
			if words := m.text(r, c); words != "" {
				numbers := d.numbers(m)
				text = fit(token(words), cell-1-numbers) + fmt.Sprintf(" %*s", numbers, text)
			}
			text = strings.Repeat(" ", max(0, cell-columns(laid(text)))) + text
			if d.o.Color != NoColor && m.colored(x) {
				text = d.o.Color.paint(d.of(x), false) + text + reset
			}
			d.WriteString(" " + text)
		}
		d.WriteString("\n")
	}
	var tokens, names strings.Builder
	for _, c := range m.Columns[from:to] {
		text := fit(token(c.Token), cell)
		blank := len(text) - len(strings.TrimRight(text, " "))
		tokens.WriteString(" " + strings.Repeat(" ", blank) + strings.TrimRight(text, " "))
		fmt.Fprintf(&names, " %*s", cell, c.Name)
	}
	if m.hasTokens() {
		fmt.Fprintf(d, "%s\n", d.o.Color.faint(pad("", labels)+tokens.String()))
	}
	fmt.Fprintf(d, "%s\n", d.o.Color.faint(pad(m.Are, labels)+names.String()))
}

// pad fills a name that is shown to a width.
func pad(name string, width int) string {
	return name + strings.Repeat(" ", max(0, width-columns(laid(name))))
}

// legend says what numbers are, and their colours.
func (d *figureDrawing) legend(h hues) {
	d.WriteString("\n")
	words := []string{h.means}
	if d.o.Color != NoColor && h.most > 0 {
		words = []string{h.means + ":", bar(d.o.Color, d.f.number(h.least), d.f.number(h.most), func(x float64) rgb { return h.of(h.least + (h.most-h.least)*x) })}
	}
	flow(d, d.o.line(), words...)
}
