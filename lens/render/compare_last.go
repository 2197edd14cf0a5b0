package render

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/lens"
)

// last draws the candidates of both sides at the last position that is compared, a line for
// each row: how far they are from each other, then those of the first side, then of the
// second, with their probabilities. What does not fit the width is left out at the right.
func (d *compareDrawing) last() {
	n := len(d.c.Positions) - 1
	d.measure()
	const number = len(" 0.000")
	name := "JS"
	if d.o.KL {
		name = "KL"
	}
	side := max(1, (d.o.Width-d.labels-number-3)/2/(d.tokens+1+number)) // candidates
	for r := range d.c.Rows {
		side = min(side, max(1, len(d.c.Cells[r][n].A), len(d.c.Cells[r][n].B)))
	}
	width := side * (d.tokens + 1 + number)
	fmt.Fprintf(d, "%-*s %*s  %-*s  %s\n", d.labels, "row", number-1, name, width, " a", " b")
	for r := len(d.c.Rows) - 1; r >= 0; r-- {
		x := &d.c.Cells[r][n]
		fmt.Fprintf(d, "%-*s ", d.labels, label(d.c.Rows[r]))
		share := 0.0
		if v := d.number(x); d.most > 0 && !math.IsNaN(v) {
			share = 1 - min(v, d.most)/d.most
		}
		text := fmt.Sprintf("%*s", number-1, threePlaces(d.number(x)))
		if d.o.Color != NoColor {
			text = d.o.Color.paint(ramp(share), !x.Agree) + text + reset
		}
		d.WriteString(text + " ")
		d.side(x.A, side)
		d.WriteString(" ")
		d.side(x.B, side)
		d.WriteString("\n")
	}
	at := d.c.Positions[n]
	fmt.Fprintf(d, "\nafter position %d, %s", at[0], quote(d.c.A.Tokens[at[0]].Bytes))
	if a, b := d.c.A.Tokens[at[0]], d.c.B.Tokens[at[1]]; a != b || at[0] != at[1] {
		fmt.Fprintf(d, ", and of b after position %d, %s", at[1], quote(b.Bytes))
	}
	d.WriteString(": the candidates of each side with their probabilities\n")
}

// side draws a side's first candidates.
func (d *compareDrawing) side(candidates []lens.Candidate, n int) {
	for i := range n {
		d.WriteString(" ")
		if i >= len(candidates) {
			fmt.Fprintf(d, "%-*s      ", d.tokens, "")
			continue
		}
		d.WriteString(fit(token(candidates[i].Bytes), d.tokens) + " " + threePlaces(candidates[i].Prob))
	}
}
