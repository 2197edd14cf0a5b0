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

// TerminalOptions say how Terminal draws.
type TerminalOptions struct {
	Width int   // columns of text
	Color Color // NoColor prints the view's number in each cell instead
	View  View
	Last  bool // the last position only, each row's candidates side by side

	OneLine bool    // each sentence is one line, whatever its length
	Numbers Numbers // in cells; usual where there is no colour
	Rest    string  // not empty: of positions that do not all fit Width draw the last only, and say this of the others
}

// Cell widths: a token needs some room to be known, and more than this hides the
// shape of the grid.
const (
	narrowest = 6
	widest    = 12
)

// Terminal draws the grid for a terminal, the last positions first, or alone, when not all
// fit the width, and below it the model's answer at the last position. A number that is not
// of the token in its cell, but of the model's final answer, has an arrow before it.
func Terminal(w io.Writer, g *lens.Grid, o TerminalOptions) error {
	b := bufio.NewWriter(w)
	d := &drawing{Writer: b, g: g, o: o, scale: o.View.scale(g), pieces: pieces{tokens: g.Tokens, at: g.Positions}}
	d.measure()
	if len(g.Rows) > 0 && len(g.Positions) > 0 {
		if g.Lens != "" && g.Lens != "logit" { // the last row need not be what the model says
			d.flow(Visible(g.Lens) + " lens")
		}
		if o.Last {
			d.candidates()
		} else {
			d.pages()
		}
		d.legend()
		d.targets()
		d.tracked()
		d.experts()
		d.answer()
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("render: %w", err)
	}
	return nil
}

type drawing struct {
	*bufio.Writer
	g     *lens.Grid
	o     TerminalOptions
	scale scale
	pieces

	labels  int // the room for row names and the words beside the tokens
	numbers int // the room for the view's numbers
	left    int // columns that were left out
}

func (d *drawing) measure() {
	d.labels = len("input")
	for _, r := range d.g.Rows {
		d.labels = max(d.labels, len(label(r)))
	}
	if !d.numbered() {
		return
	}
	for r := range d.g.Cells {
		for p := range d.g.Cells[r] {
			d.numbers = max(d.numbers, len([]rune(d.o.View.text(d.o.View.number(&d.g.Cells[r][p])))))
		}
	}
}

// label is a row's name in short: 29, 29 mid, embed.
func label(row string) string {
	row, by, several := strings.Cut(row, " (")
	if several {
		return label(row) + " " + strings.TrimSuffix(by, ")")
	}
	var layer int
	var site string
	if n, _ := fmt.Sscanf(row, "layers.%d.%s", &layer, &site); n != 2 {
		return row
	}
	switch site {
	case "resid_post":
		return fmt.Sprint(layer)
	case "resid_mid":
		return fmt.Sprint(layer, " mid")
	case "attn_out":
		return fmt.Sprint(layer, " attn")
	case "mlp_out":
		return fmt.Sprint(layer, " mlp")
	}
	return fmt.Sprint(layer, " ", site)
}

// line is how long the lines of sentences may be.
func (o TerminalOptions) line() int {
	if o.OneLine {
		return math.MaxInt
	}
	return o.Width
}

// numbered reports whether cells have numbers.
func (o TerminalOptions) numbered() bool {
	return o.Numbers == NumbersShown || o.Numbers == NumbersUsual && o.Color == NoColor
}

// numbered reports whether cells carry the view's number as text.
func (d *drawing) numbered() bool {
	return d.o.numbered() && d.o.View != Token
}

// pages draws the columns in pages of the terminal's width.
func (d *drawing) pages() {
	cell := d.cellWidth()
	d.known, d.unknown = false, false // of what is drawn, and not measured
	d.left = inPages(d.Writer, len(d.g.Positions), d.labels, cell, d.o, func(from, to int) string {
		return positionsOf(d.g.Positions[from:to], len(d.g.Tokens))
	}, func(from, to int) { d.page(from, to, cell) })
}

// cellWidth is the room that the tokens want, within what keeps the grid a grid.
func (d *drawing) cellWidth() int {
	want := narrowest
	for i := range d.g.Tokens {
		want = max(want, columns(d.given(i)))
	}
	for r := range d.g.Cells {
		for p := range d.g.Cells[r] {
			want = max(want, columns(d.says(r, p)))
		}
	}
	more := 1 // the mark
	if d.numbered() {
		more += 1 + d.numbers
	}
	want = min(want, widest) + more
	if all := (d.o.Width-d.labels-1)/max(1, len(d.g.Positions)) - 1; all < want && all >= max(narrowest+more, want*3/4) {
		want = all // so that all positions fit
	}
	return min(want, max(1, d.o.Width-d.labels-2))
}

// page draws some positions: what comes next, the rows from the last to the first,
// the input.
func (d *drawing) page(from, to, cell int) {
	d.tokens("next", from, to, cell, 1)
	for r := len(d.g.Rows) - 1; r >= 0; r-- {
		fmt.Fprintf(d, "%-*s", d.labels, label(d.g.Rows[r]))
		for p := from; p < to; p++ {
			d.WriteString(" ")
			d.cell(r, p, cell)
		}
		d.WriteString("\n")
	}
	d.tokens("input", from, to, cell, 0)
}

// tokens draws a line of the prompt's tokens, shifted by one for what came next.
func (d *drawing) tokens(name string, from, to, cell, shift int) {
	d.WriteString(d.o.Color.faint(fmt.Sprintf("%-*s", d.labels, name)))
	for p := from; p < to; p++ {
		text := fit([]glyph{plain("–")}, cell)
		if at := d.g.Positions[p] + shift; at < len(d.g.Tokens) {
			text = fit(d.given(at), cell)
		}
		d.WriteString(" " + d.o.Color.faint(text))
	}
	d.WriteString("\n")
}

// says is what a cell says.
func (d *drawing) says(r, p int) []glyph {
	return d.o.View.saysOf(&d.g.Cells[r][p], &d.pieces, p)
}

// cell draws a row's own top token on the colour of the view, with a star where it
// is the token that came next.
func (d *drawing) cell(r, p, width int) {
	c := &d.g.Cells[r][p]
	gs := d.says(r, p)
	right := false
	switch {
	case d.o.View == Experts && gs == nil:
		gs = []glyph{plain("–")}
	case gs == nil:
		gs = []glyph{plain("NaN")}
	case d.o.View != Experts:
		next := d.g.Positions[p] + 1
		right = next < len(d.g.Tokens) && d.g.Tokens[next].ID == c.Top[0].ID
	}
	x := d.o.View.number(c)
	room := width - 1
	number := ""
	if d.numbered() {
		number = d.o.View.text(x)
		if d.o.View.ofAnswer() && (len(c.Top) == 0 || c.Top[0].ID != c.Answer.ID) {
			number = answers + number
		}
		number = fmt.Sprintf("%*s", 1+d.numbers, number)
		room -= 1 + d.numbers
	}
	mark := " "
	if right {
		mark = "*"
	}
	text := fit(gs, max(1, room)) + mark + number
	if d.o.Color == NoColor || d.o.View == Token {
		d.WriteString(text)
		return
	}
	d.WriteString(d.o.Color.paint(ramp(d.scale.at(x)), right) + text + reset)
}

// candidates draws the last position's candidates, a row each.
func (d *drawing) candidates() {
	last := len(d.g.Positions) - 1
	most := 0
	for r := range d.g.Cells {
		most = max(most, len(d.g.Cells[r][last].Top))
	}
	const prob = len(" 0.123")
	cell := max(narrowest+prob, min(widest+prob+1, (d.o.Width-d.labels)/max(1, most)-1))
	k := min(most, max(1, (d.o.Width-d.labels)/(cell+1)))
	for r := len(d.g.Rows) - 1; r >= 0; r-- {
		fmt.Fprintf(d, "%-*s", d.labels, label(d.g.Rows[r]))
		for _, t := range d.g.Cells[r][last].Top[:min(k, len(d.g.Cells[r][last].Top))] {
			text := fit(d.candidate(last, t.Bytes), cell-prob) + fmt.Sprintf(" %5.3f", t.Prob)
			d.WriteString(" ")
			if d.o.Color == NoColor {
				d.WriteString(text)
				continue
			}
			d.WriteString(d.o.Color.paint(ramp(t.Prob), t.ID == d.g.Final.Token.ID) + text + reset)
		}
		d.WriteString("\n")
	}
	at := d.g.Positions[last]
	flowFaint(d, d.o, fmt.Sprintf("after %s at position %d", d.saidGiven(at), at))
	if k < most {
		d.flow(fmt.Sprintf("the first %s of %d: the others do not fit the width", english.Plural(k, "candidate", ""), most))
	}
}

// legend says what the colour or the number is.
func (d *drawing) legend() {
	d.WriteString("\n")
	var words []string
	view, lo, hi := d.o.View, d.scale.lo, d.scale.hi
	if d.o.Last {
		words, view, lo, hi = []string{"probability of each candidate"}, Prob, 0, 1
	} else if view != Token {
		words = []string{views[view].means}
	}
	if d.o.Color != NoColor && len(words) > 0 {
		if d.scale.at(lo) > d.scale.at(hi) {
			lo, hi = hi, lo // the bar runs from dark to light
		}
		words[0] += ":"
		words = append(words, d.scaleBar(view, lo, hi))
	}
	if !d.o.Last {
		if d.numbered() && view.ofAnswer() {
			words = append(words, answers+" where that is not the cell's own token")
		}
		if view != Experts {
			words = append(words, "* the token that came next")
		}
	}
	words = append(words, d.explained()...)
	d.flow(listed(words)...)
	leftOut(d, d.o, d.left, "position")
}

// scaleBar is the scale's colours, or the one colour of numbers that are all the same.
func (d *drawing) scaleBar(view View, lo, hi float64) string {
	if lo == hi {
		return d.o.Color.paint(ramp(d.scale.at(lo)), false) + noBreak + view.text(lo) + noBreak + reset
	}
	return bar(d.o.Color, view.text(lo), view.text(hi), ramp)
}

// answer draws the last row's candidates at the last position, and where the answer
// crystallises.
func (d *drawing) answer() {
	g := d.g
	last := len(g.Positions) - 1
	top := g.Cells[len(g.Rows)-1][last].Top
	if !d.o.Last {
		fmt.Fprintf(d, "\nafter position %d, %s says\n", g.Positions[last], rowName(g.Rows[len(g.Rows)-1]))
		width := 0
		for _, t := range top {
			width = max(width, columns(d.candidate(last, t.Bytes)))
		}
		for i, t := range top {
			fmt.Fprintf(d, "  %*d  %s  prob %.4f  logit %.2f\n", len(fmt.Sprint(len(top))), i+1, fit(d.candidate(last, t.Bytes), min(width, 40)), t.Prob, t.Logit)
		}
	}
	d.WriteString("\n")
	d.flow(crystallised(g, d.saidAfter(last, g.Final.Token.Bytes), shown))
	if g.Check != nil {
		verdict := "agrees"
		if !g.Check.OK {
			verdict = "DISAGREES"
		}
		d.flow(fmt.Sprintf("check: the last row %s with the model's own logits (largest difference %.2g, tolerance %.2g)", verdict, g.Check.MaxDifference, g.Check.Tolerance))
	}
}
