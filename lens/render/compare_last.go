package render

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/lens"
)

// last draws the candidates of both sides at the last position that is compared, a line for
// each row: how far they are from each other, then those of the first side, then of the
// second, with their probabilities. What does not fit the width is left out at the right, which is said.
func (d *compareDrawing) last() {
	n := len(d.c.Positions) - 1
	d.measure()
	const number = len(" 0.000")
	name := "JS"
	if d.o.KL {
		name = "KL"
	}
	side := max(1, (d.o.Width-d.labels-number-3)/2/(d.tokens+1+number)) // candidates
	most := 1
	for r := range d.c.Rows {
		most = max(most, len(d.c.Cells[r][n].A), len(d.c.Cells[r][n].B))
	}
	side = min(side, most)
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
		d.side(0, x.A, side)
		d.WriteString(" ")
		d.side(1, x.B, side)
		d.WriteString("\n")
	}
	at := d.c.Positions[n]
	d.WriteString("\n")
	where := fmt.Sprintf("after position %d, %s", at[0], d.sides[0].saidGiven(at[0]))
	if a, b := d.c.A.Tokens[at[0]], d.c.B.Tokens[at[1]]; a != b || at[0] != at[1] {
		where += fmt.Sprintf(", and of b after position %d, %s", at[1], d.sides[1].saidGiven(at[1]))
	}
	words := []string{where + ": the candidates of each side with their probabilities"}
	if side < most {
		words = append(words, fmt.Sprintf("the first %d of %d, for the others do not fit the width", side, most))
	}
	d.flow(listed(append(words, d.explained()...))...)
}

// side draws one of the two sides' first candidates.
func (d *compareDrawing) side(of int, candidates []lens.Candidate, n int) {
	for i := range n {
		d.WriteString(" ")
		if i >= len(candidates) {
			fmt.Fprintf(d, "%-*s      ", d.tokens, "")
			continue
		}
		d.WriteString(fit(d.sides[of].candidate(len(d.c.Positions)-1, candidates[i].Bytes), d.tokens) + " " + threePlaces(candidates[i].Prob))
	}
}
