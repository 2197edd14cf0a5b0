package render

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/lens"
)

// CompareFigure is a comparison as a figure, for pages: a cell has the best token of the first side, and
// where the sides do not agree that of the second, and the Jensen–Shannon divergence, or with kl KL(a ‖ b).
func CompareFigure(c *lens.Comparison, kl bool) *Figure {
	p := &comparePainter{c: c, kl: kl}
	h := p.compareHeading()
	f := &Figure{Title: draw(h.title), Notes: h.lines[:len(h.lines)-1], Means: "Jensen–Shannon divergence of the two sides in nats: 0 the same, ln 2 = 0.693 nothing in common; x≠y: a says x, b says y", Digits: 3, Made: madeText(c.Made)}
	m := Matrix{Name: "JS", RowsAre: "layer", Are: "position"}
	if kl {
		f.Means, m.Name = "KL(a ‖ b) in nats; x≠y: a says x, b says y", "KL"
	}
	for r := range c.Rows {
		name := label(c.Rows[r])
		if c.RowsB[r] != c.Rows[r] {
			name += " : " + label(c.RowsB[r])
		}
		m.Rows = append(m.Rows, name)
		values, texts := make([]float64, len(c.Positions)), make([]string, len(c.Positions))
		for i := range c.Positions {
			x := &c.Cells[r][i]
			if values[i] = x.JS; kl {
				values[i] = x.KL
			}
			texts[i] = both(bestOf(c.A.Tokens, c.Positions[i][0], x.A), bestOf(c.B.Tokens, c.Positions[i][1], x.B), x.Agree)
		}
		m.Values, m.Texts = append(m.Values, values), append(m.Texts, texts)
	}
	for _, at := range c.Positions {
		a, b := Part(c.A.Tokens, at[0]), Part(c.B.Tokens, at[1])
		name := strconv.Itoa(at[0])
		if at[0] != at[1] {
			name = fmt.Sprintf("%d : %d", at[0], at[1])
		}
		m.Columns = append(m.Columns, Column{Token: both(a, b, a == b), Name: name})
	}
	f.Grids = []Matrix{m}
	return f
}

// both are the bytes of two sides' tokens, or of the one on which they agree.
func both(a, b string, agree bool) string {
	if agree {
		return a
	}
	if rest, blank := strings.CutPrefix(b, " "); blank {
		b = "·" + rest // as the first one's blank is shown
	}
	return a + "≠" + b
}

// bestOf is the best token after a position.
func bestOf(tokens []lens.Token, at int, all []lens.Candidate) string {
	if len(all) == 0 {
		return ""
	}
	return PartAfter(tokens, at, all[0].Bytes)
}
