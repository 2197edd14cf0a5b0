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
	TerminalOptions      // whose View is not used; Last is the last position compared
	KL              bool // cells show KL(a ‖ b) instead of JS
}

// Compare draws a comparison for a terminal: a cell has the best token of the first side,
// and where the sides do not agree that of the second; its colour is how far they are from
// each other, light where they agree. Below it stand the means of each row, and where the sides
// first differ.
func Compare(w io.Writer, c *lens.Comparison, o CompareOptions) error {
	b := bufio.NewWriter(w)
	d := &compareDrawing{Writer: b, c: c, o: o, sides: sidesOf(c)}
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

	sides                   [2]pieces
	labels, tokens, numbers int // columns of row names, of one token, and of the number in a cell
	most                    float64
	left                    int // columns that were left out
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
			d.tokens = max(d.tokens, columns(d.top(0, p, x.A)), columns(d.top(1, p, x.B)))
		}
	}
	d.tokens = min(d.tokens, widest-2)
	if d.o.numbered() {
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
	for i := range d.sides {
		d.sides[i].known, d.sides[i].unknown = false, false // of what is drawn, and not measured
	}
	d.left = inPages(d.Writer, len(d.c.Positions), d.labels, d.cell(), d.o.TerminalOptions, func(from, to int) string {
		return positionsOf(d.sides[0].at[from:to], len(d.c.A.Tokens))
	}, d.page)
}

func (d *compareDrawing) page(from, to int) {
	for r := len(d.c.Rows) - 1; r >= 0; r-- {
		fmt.Fprintf(d, "%-*s", d.labels, label(d.c.Rows[r]))
		for p := from; p < to; p++ {
			d.WriteString(" ")
			d.draw(&d.c.Cells[r][p], p)
		}
		d.WriteString("\n")
	}
	same := true
	for p := from; p < to; p++ {
		at := d.c.Positions[p]
		same = same && d.c.A.Tokens[at[0]] == d.c.B.Tokens[at[1]]
	}
	if same {
		d.input("input", 0, from, to)
		return
	}
	d.input("input a", 0, from, to)
	d.input("input b", 1, from, to)
}

func (d *compareDrawing) input(name string, side, from, to int) {
	d.WriteString(d.o.Color.faint(fmt.Sprintf("%-*s", d.labels, name)))
	for p := from; p < to; p++ {
		d.WriteString(" " + d.o.Color.faint(fit(d.sides[side].given(d.c.Positions[p][side]), d.cell())))
	}
	d.WriteString("\n")
}

func (d *compareDrawing) draw(x *lens.Difference, p int) {
	a, b := d.top(0, p, x.A), d.top(1, p, x.B)
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
	if d.numbers > 0 {
		text += fmt.Sprintf(" %*s", d.numbers-1, threePlaces(n))
	}
	if d.o.Color == NoColor {
		d.WriteString(text)
		return
	}
	share := 0.0
	if d.most > 0 && !math.IsNaN(n) {
		share = 1 - min(n, d.most)/d.most
	}
	d.WriteString(d.o.Color.paint(ramp(share), !x.Agree) + text + reset)
}

// top returns the glyphs of a side's best token at a column, in a slice of their own.
func (d *compareDrawing) top(side, column int, candidates []lens.Candidate) []glyph {
	if len(candidates) == 0 {
		return []glyph{plain("NaN")}
	}
	return append([]glyph(nil), d.sides[side].candidate(column, candidates[0].Bytes)...)
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
	d.WriteString("\n")
	words := []string{means}
	if d.o.Color != NoColor {
		words = []string{means + ":", bar(d.o.Color, threePlaces(d.most), threePlaces(0), ramp)}
	}
	words = append(words, "x≠y: a says x, b says y")
	d.flow(listed(append(words, d.explained()...))...)
	leftOut(d, d.o.TerminalOptions, d.left, "position")
}

// explained says what parts of characters mean, when some were drawn.
func (d *compareDrawing) explained() []string {
	both := pieces{known: d.sides[0].known || d.sides[1].known, unknown: d.sides[0].unknown || d.sides[1].unknown}
	return both.explained()
}

func (d *compareDrawing) flow(texts ...string) { flow(d, d.o.line(), texts...) }

// means draws a line for each row.
func (d *compareDrawing) means() {
	fmt.Fprintf(d, "\nmeans over %s\n  %-*s  %8s  %8s  %8s  %6s\n", english.Plural(len(d.c.Positions), "position", ""), d.labels, "row", "JS", "KL(a‖b)", "KL(b‖a)", "agree")
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
	d.WriteString("\n")
	var of []string // what the sentence is true of, where that is not all
	if layers := ofLayers(d.c.Rows, d.c.A.Model.Layers, shown); strings.HasSuffix(layers, shown) {
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
		d.flow(fmt.Sprintf("the sides do not diverge%s: no JS is above %g nats", limits, d.c.Threshold))
		return
	}
	at := d.c.First.Position
	where := fmt.Sprintf("the sides first diverge at %s, position %d, after %s", rowName(d.c.First.Row), at[0], d.sides[0].saidGiven(at[0]))
	if a, b := d.c.A.Tokens[at[0]], d.c.B.Tokens[at[1]]; a != b {
		where += " and " + d.sides[1].saidGiven(at[1])
	}
	d.flow(fmt.Sprintf("%s%s (JS above %g nats)", where, limits, d.c.Threshold))
}
