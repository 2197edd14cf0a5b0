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
	d := &figureDrawing{Writer: b, f: f, o: o, hues: f.hues()}
	fmt.Fprintf(d, "%s\n", f.Title)
	for _, note := range f.Notes {
		fmt.Fprintf(d, "%s\n", o.Color.faint(note))
	}
	for i := range f.Grids {
		d.grid(&f.Grids[i])
	}
	d.legend()
	if err := b.Flush(); err != nil {
		return fmt.Errorf("render: %w", err)
	}
	return nil
}

type figureDrawing struct {
	*bufio.Writer
	f *Figure
	o TerminalOptions
	hues
}

// grid draws one, in pages of the terminal's width.
func (d *figureDrawing) grid(m *Matrix) {
	labels := columns(glyphs(m.RowsAre))
	labels = max(labels, columns(glyphs(m.Are)))
	for _, r := range m.Rows {
		labels = max(labels, columns(glyphs(r)))
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
	n := len(m.Columns)
	perPage := max(1, (d.o.Width-labels-1)/(cell+1))
	for to := n; to > 0; to -= perPage {
		from := max(0, to-perPage)
		if n > perPage {
			fmt.Fprintf(d, "%s %s to %s of %d\n", m.Are, m.Columns[from].Name, m.Columns[to-1].Name, n)
		}
		d.page(m, from, to, labels, cell)
		if from > 0 {
			fmt.Fprintln(d)
		}
	}
}

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
	for i, r := range m.order() {
		name := m.Rows[r]
		if i == 0 && len(m.Rows) > 1 {
			name = strings.TrimSpace(m.RowsAre + " " + name)
		}
		if columns(glyphs(name)) > labels {
			name = m.Rows[r]
		}
		fmt.Fprintf(d, "%s", pad(name, labels))
		for c := from; c < to; c++ {
			x := m.Values[r][c]
			text := d.f.number(x)
			if words := m.text(r, c); words != "" {
				numbers := d.numbers(m)
				text = fit(token(words), cell-1-numbers) + fmt.Sprintf(" %*s", numbers, text)
			}
			text = strings.Repeat(" ", max(0, cell-columns(glyphs(text)))) + text
			if d.o.Color != NoColor && finite(x) {
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
	return name + strings.Repeat(" ", max(0, width-columns(glyphs(name))))
}

// legend says what the numbers and the colours are.
func (d *figureDrawing) legend() {
	fmt.Fprintf(d, "\n%s", d.f.Means)
	if d.o.Color != NoColor && d.most > 0 {
		lo := 0.0
		if d.f.negative() {
			lo = -d.most
		}
		fmt.Fprintf(d, ": %s ", d.f.number(lo))
		for i := range 16 {
			d.WriteString(d.o.Color.paint(d.of(lo+(d.most-lo)*float64(i)/15), false) + " ")
		}
		fmt.Fprintf(d, "%s %s", reset, d.f.number(d.most))
	}
	d.WriteString("\n")
}
