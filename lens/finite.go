package lens

import (
	"fmt"
	"math"
)

// finite returns an error that names the first row where the stream, or what is read of it,
// holds NaN or an infinity: no number behind that means anything, and a picture of it looks like
// a finding.
func (g *Grid) finite() error {
	for r, row := range g.Cells {
		for p := range row {
			if c := &row[p]; len(c.Top) == 0 || !isFinite(c.Top[0].Logit) || !isFinite(c.LogSumExp) || !isFinite(c.Norm) {
				return notFinite(g.Rows[r], g.Positions[p])
			}
		}
	}
	for _, row := range g.Cells {
		for p := range row {
			if math.IsNaN(row[p].KL) { // of what all rows are compared with, and that need not be one
				return notFinite("the model's last state", g.Positions[p])
			}
		}
	}
	return nil
}

func isFinite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

func notFinite(row string, position int) error {
	return fmt.Errorf("lens: %s at position %d holds NaN or an infinity: the numbers grow beyond float32 on the way there; "+
		"look for an edit, a translator or a number of the config that is far too large", row, position)
}
