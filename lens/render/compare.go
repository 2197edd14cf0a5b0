package render

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/lens"
)

// CompareOptions say how Compare draws.
type CompareOptions struct {
	Width int
	Color Color
	KL    bool // cells show KL(a ‖ b) instead of JS
	Last  bool // the candidates of the last position compared, side by side, instead of the grid
}

// Compare draws a comparison for a terminal: a cell has the best token of the first side,
// and where the sides do not agree that of the second; its colour is how far they are from
// each other, light where they agree. Below it stand the means of each row, and where the sides
// first differ.
func Compare(w io.Writer, c *lens.Comparison, o CompareOptions) error {
	b := bufio.NewWriter(w)
	d := &compareDrawing{Writer: b, c: c, o: o}
	if o.Last {
		d.last()
	} else {
		d.measure()
		d.pages()
		d.legend()
	}
	d.targets()
	d.means()
	d.verdict()
	if err := b.Flush(); err != nil {
		return fmt.Errorf("render: %w", err)
	}
	return nil
}

// CompareJSON writes a comparison as one object on one line (schema mlxlens.compare/1).
func CompareJSON(w io.Writer, c *lens.Comparison) error { return WriteJSON(w, c) }

type compareDrawing struct {
	*bufio.Writer
	c *lens.Comparison
	o CompareOptions

	labels, tokens, numbers int // columns of row names, of one token, and of the number in a cell
	most                    float64
}

func (d *compareDrawing) number(x *lens.Difference) float64 {
	if d.o.KL {
		return x.KL
	}
	return x.JS
}

func (d *compareDrawing) measure() {
	d.labels = len("input a")
	for _, r := range d.c.Rows {
		d.labels = max(d.labels, len(label(r)))
	}
	d.tokens = 3
	for r := range d.c.Cells {
		for p := range d.c.Cells[r] {
			x := &d.c.Cells[r][p]
			d.tokens = max(d.tokens, columns(top(x.A)), columns(top(x.B)))
		}
	}
	d.tokens = min(d.tokens, widest-2)
	if d.o.Color == NoColor {
		d.numbers = len(" 0.000")
	}
	d.most = math.Ln2
	if !d.o.KL {
		return
	}
	for r := range d.c.Cells {
		for p := range d.c.Cells[r] {
			if x := d.c.Cells[r][p].KL; !math.IsInf(x, 0) && !math.IsNaN(x) {
				d.most = max(d.most, x)
			}
		}
	}
	if d.numbers > 0 {
		d.numbers = len(fmt.Sprintf(" %.3f", d.most))
	}
}

// width of a cell: two tokens, what stands between them, the number.
func (d *compareDrawing) cell() int { return 2*d.tokens + 1 + d.numbers }

func (d *compareDrawing) pages() {
	for d.tokens > 3 && d.labels+1+d.cell() > d.o.Width {
		d.tokens--
	}
	n := len(d.c.Positions)
	perPage := max(1, (d.o.Width-d.labels)/(d.cell()+1))
	for to := n; to > 0; to -= perPage {
		from := max(0, to-perPage)
		if n > perPage {
			fmt.Fprintf(d, "positions %d–%d of %d\n", d.c.Positions[from][0], d.c.Positions[to-1][0], len(d.c.A.Tokens))
		}
		d.page(from, to)
		if from > 0 {
			fmt.Fprintln(d)
		}
	}
}

func (d *compareDrawing) page(from, to int) {
	for r := len(d.c.Rows) - 1; r >= 0; r-- {
		fmt.Fprintf(d, "%-*s", d.labels, label(d.c.Rows[r]))
		for p := from; p < to; p++ {
			d.WriteString(" ")
			d.draw(&d.c.Cells[r][p])
		}
		d.WriteString("\n")
	}
	same := true
	for p := from; p < to; p++ {
		at := d.c.Positions[p]
		same = same && d.c.A.Tokens[at[0]] == d.c.B.Tokens[at[1]]
	}
	if same {
		d.input("input", d.c.A.Tokens, 0, from, to)
		return
	}
	d.input("input a", d.c.A.Tokens, 0, from, to)
	d.input("input b", d.c.B.Tokens, 1, from, to)
}

func (d *compareDrawing) input(name string, tokens []lens.Token, side, from, to int) {
	d.WriteString(d.o.Color.faint(fmt.Sprintf("%-*s", d.labels, name)))
	for p := from; p < to; p++ {
		d.WriteString(" " + d.o.Color.faint(fit(token(tokens[d.c.Positions[p][side]].Bytes), d.cell())))
	}
	d.WriteString("\n")
}

func (d *compareDrawing) draw(x *lens.Difference) {
	a, b := top(x.A), top(x.B)
	text := ""
	if x.Agree {
		text = fit(a, 2*d.tokens+1)
	} else {
		text = fit(append(append(a, plain("≠")), b...), 2*d.tokens+1)
		if columns(a) > d.tokens || columns(b) > d.tokens {
			text = fit(a, d.tokens) + "≠" + fit(b, d.tokens)
		}
	}
	n := d.number(x)
	if d.o.Color == NoColor {
		d.WriteString(text + fmt.Sprintf(" %*s", d.numbers-1, threePlaces(n)))
		return
	}
	share := 0.0
	if d.most > 0 && !math.IsNaN(n) {
		share = 1 - min(n, d.most)/d.most
	}
	d.WriteString(d.o.Color.paint(ramp(share), !x.Agree) + text + reset)
}

// top returns the best token's glyphs, in a slice of their own.
func top(candidates []lens.Candidate) []glyph {
	if len(candidates) == 0 {
		return []glyph{plain("NaN")}
	}
	return append([]glyph(nil), token(candidates[0].Bytes)...)
}

func threePlaces(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return "–"
	}
	return fmt.Sprintf("%.3f", x)
}

func (d *compareDrawing) legend() {
	means := "Jensen–Shannon divergence of the two sides in nats, 0 to ln 2 = 0.693"
	if d.o.KL {
		means = "KL(a ‖ b) in nats"
	}
	fmt.Fprintf(d, "\n%s; x≠y: a says x, b says y\n", means)
}

// means draws a line for each row.
func (d *compareDrawing) means() {
	fmt.Fprintf(d, "\nmeans over %d positions\n  %-*s  %8s  %8s  %8s  %6s\n", len(d.c.Positions), d.labels, "row", "JS", "KL(a‖b)", "KL(b‖a)", "agree")
	for r := len(d.c.Rows) - 1; r >= 0; r-- {
		m := d.c.ByRow[r]
		name := label(d.c.Rows[r])
		if d.c.RowsB[r] != d.c.Rows[r] {
			name += " : " + label(d.c.RowsB[r])
		}
		fmt.Fprintf(d, "  %-*s  %8s  %8s  %8s  %5.1f%%\n", d.labels, name, fourPlaces(m.JS), fourPlaces(m.KL), fourPlaces(m.KLBA), 100*m.Agree)
	}
}

func fourPlaces(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return "–"
	}
	return fmt.Sprintf("%.4f", x)
}

// verdict says at which row and position the sides first differ.
func (d *compareDrawing) verdict() {
	var of []string // what the sentence is true of, where that is not all
	if layers := ofLayers(d.c.Rows, d.c.A.Model.Layers); strings.HasSuffix(layers, "shown") {
		of = append(of, layers)
	}
	if n := len(d.c.Positions); n < min(len(d.c.A.Tokens), len(d.c.B.Tokens)) {
		of = append(of, fmt.Sprintf("of the %s compared", english.Plural(n, "position", "")))
	}
	limits := ""
	if len(of) > 0 {
		limits = ", " + strings.Join(of, " and ")
	}
	if d.c.First == nil {
		fmt.Fprintf(d, "\nthe sides do not diverge%s: no JS is above %g nats\n", limits, d.c.Threshold)
		return
	}
	at := d.c.First.Position
	fmt.Fprintf(d, "\nthe sides first diverge at %s, position %d, after %s", rowName(d.c.First.Row), at[0], quote(d.c.A.Tokens[at[0]].Bytes))
	if a, b := d.c.A.Tokens[at[0]], d.c.B.Tokens[at[1]]; a != b {
		fmt.Fprintf(d, " and %s", quote(b.Bytes))
	}
	fmt.Fprintf(d, "%s (JS above %g nats)\n", limits, d.c.Threshold)
}
