package render

import (
	"bufio"
	"fmt"
	"io"
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
}

// Cell widths: a token needs some room to be known, and more than this hides the
// shape of the grid.
const (
	narrowest = 6
	widest    = 12
)

// Terminal draws the grid for a terminal, the last positions first when not all fit
// the width, and below it the model's answer at the last position.
func Terminal(w io.Writer, g *lens.Grid, o TerminalOptions) error {
	b := bufio.NewWriter(w)
	d := &drawing{Writer: b, g: g, o: o, scale: o.View.scale(g)}
	d.measure()
	if len(g.Rows) > 0 && len(g.Positions) > 0 {
		if g.Lens != "" && g.Lens != "logit" { // the last row need not be what the model says
			fmt.Fprintf(d, "%s lens\n", Visible(g.Lens))
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

	labels  int // the room for row names and the words beside the tokens
	numbers int // the room for the view's numbers
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

// numbered reports whether cells carry the view's number as text.
func (d *drawing) numbered() bool { return d.o.Color == NoColor && d.o.View != Token }

// pages draws the columns in pages of the terminal's width.
func (d *drawing) pages() {
	cell := d.cellWidth()
	perPage := max(1, (d.o.Width-d.labels-1)/(cell+1))
	n := len(d.g.Positions)
	for to := n; to > 0; to -= perPage {
		from := max(0, to-perPage)
		if n > perPage {
			fmt.Fprintf(d, "positions %d–%d of %d\n", d.g.Positions[from], d.g.Positions[to-1], len(d.g.Tokens))
		}
		d.page(from, to, cell)
		if from > 0 {
			fmt.Fprintln(d)
		}
	}
}

// cellWidth is the room that the tokens want, within what keeps the grid a grid.
func (d *drawing) cellWidth() int {
	want := narrowest
	see := func(raw string) { want = max(want, columns(token(raw))) }
	for _, t := range d.g.Tokens {
		see(t.Bytes)
	}
	for r := range d.g.Cells {
		for p := range d.g.Cells[r] {
			want = max(want, columns(d.o.View.says(&d.g.Cells[r][p])))
		}
	}
	want = min(want, widest) + 1 // the mark
	if d.numbered() {
		want += 1 + d.numbers
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
			text = fit(token(d.g.Tokens[at].Bytes), cell)
		}
		d.WriteString(" " + d.o.Color.faint(text))
	}
	d.WriteString("\n")
}

// cell draws a row's own top token on the colour of the view, with a star where it
// is the token that came next.
func (d *drawing) cell(r, p, width int) {
	c := &d.g.Cells[r][p]
	gs := d.o.View.says(c)
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
		number = fmt.Sprintf(" %*s", d.numbers, d.o.View.text(x))
		room -= len([]rune(number))
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
	k := 0
	for r := range d.g.Cells {
		k = max(k, len(d.g.Cells[r][last].Top))
	}
	cell := max(narrowest, min(widest+7, (d.o.Width-d.labels)/max(1, k)-1)) // 7: a probability
	k = min(k, max(1, (d.o.Width-d.labels)/(cell+1)))
	for r := len(d.g.Rows) - 1; r >= 0; r-- {
		fmt.Fprintf(d, "%-*s", d.labels, label(d.g.Rows[r]))
		for _, t := range d.g.Cells[r][last].Top[:min(k, len(d.g.Cells[r][last].Top))] {
			prob := fmt.Sprintf(" %5.3f", t.Prob)
			text := fit(token(t.Bytes), max(1, cell-len(prob))) + prob
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
	fmt.Fprintf(d, "%s\n", d.o.Color.faint(fmt.Sprintf("after %s at position %d", quote(d.g.Tokens[at].Bytes), at)))
}

// legend says what the colour or the number is.
func (d *drawing) legend() {
	if d.o.Last {
		d.WriteString("\nprobability of each candidate")
	} else {
		if d.o.View == Token {
			d.WriteString("\n* the token that came next\n")
			return
		}
		fmt.Fprintf(d, "\n%s", views[d.o.View].means)
	}
	if d.o.Color != NoColor {
		lo, hi := d.scale.lo, d.scale.hi
		if d.scale.at(lo) > d.scale.at(hi) {
			lo, hi = hi, lo // the bar runs from dark to light
		}
		view := d.o.View
		if d.o.Last {
			view, lo, hi = Prob, 0, 1
		}
		fmt.Fprintf(d, ": %s ", view.text(lo))
		for i := range 16 {
			d.WriteString(d.o.Color.paint(ramp(float64(i)/15), false) + " ")
		}
		fmt.Fprintf(d, "%s %s", reset, view.text(hi))
	}
	if !d.o.Last && d.o.View != Experts {
		d.WriteString("; * the token that came next")
	}
	d.WriteString("\n")
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
			width = max(width, columns(token(t.Bytes)))
		}
		for i, t := range top {
			fmt.Fprintf(d, "  %*d  %s  prob %.4f  logit %.2f\n", len(fmt.Sprint(len(top))), i+1, fit(token(t.Bytes), min(width, 40)), t.Prob, t.Logit)
		}
	}
	d.WriteString("\n" + crystallisation(g))
	if g.Check != nil {
		verdict := "agrees"
		if !g.Check.OK {
			verdict = "DISAGREES"
		}
		fmt.Fprintf(d, "check: the last row %s with the model's own logits (largest difference %.2g, tolerance %.2g)\n", verdict, g.Check.MaxDifference, g.Check.Tolerance)
	}
}

func rowName(row string) string {
	if place, by, several := strings.Cut(row, " ("); several {
		return rowName(place) + " (" + by
	}
	if l := label(row); !strings.ContainsAny(l, "abcdefghijklmnopqrstuvwxyz") {
		return "layer " + l
	}
	return label(row)
}

// ofLayers says of which layers a sentence about rows is true: "of 30 layers", or where not
// each has a row "of the 3 layers shown".
func ofLayers(rows []string, layers int) string {
	of := map[string]bool{} // several lenses may read one
	for _, row := range rows {
		if place, _, _ := strings.Cut(row, " ("); strings.HasSuffix(place, ".resid_post") {
			of[place] = true
		}
	}
	shown := len(of)
	if shown >= layers {
		return "of " + english.Plural(layers, "layer", "")
	}
	return fmt.Sprintf("of the %s shown", english.Plural(shown, "layer", ""))
}

// crystallisation is a sentence on where the final answer first appears, and stays.
func crystallisation(g *lens.Grid) string {
	answer, of := quote(g.Final.Token.Bytes), ofLayers(g.Rows, g.Model.Layers)
	switch f := g.Final; {
	case f.FirstTop1 == nil:
		return fmt.Sprintf("%s, the model's answer, is top-1 in no row shown\n", answer)
	case f.StableFrom == nil:
		return fmt.Sprintf("%s, the model's answer, is first top-1 at %s, %s, and does not stay so in the rows shown\n", answer, rowName(*f.FirstTop1), of)
	case *f.FirstTop1 == *f.StableFrom:
		return fmt.Sprintf("%s is top-1 from %s on, %s\n", answer, rowName(*f.FirstTop1), of)
	default:
		return fmt.Sprintf("%s is first top-1 at %s and stays so from %s on, %s\n", answer, rowName(*f.FirstTop1), rowName(*f.StableFrom), of)
	}
}
