package lens

import "fmt"

// Append adds the columns of a grid with the same rows, which goes on where g ends.
func (g *Grid) Append(next *Grid) error {
	if len(g.Rows) != len(next.Rows) {
		return fmt.Errorf("lens: grids of %d and %d rows cannot be joined", len(g.Rows), len(next.Rows))
	}
	for i, row := range g.Rows {
		if row != next.Rows[i] {
			return fmt.Errorf("lens: grids with row %s and row %s cannot be joined", row, next.Rows[i])
		}
	}
	for _, at := range next.Positions {
		g.Positions = append(g.Positions, len(g.Tokens)+at)
	}
	g.Tokens = append(g.Tokens, next.Tokens...)
	for r := range g.Cells {
		g.Cells[r] = append(g.Cells[r], next.Cells[r]...)
	}
	g.Tracked = append(g.Tracked, next.Tracked...)
	g.Final = next.Final
	g.Timing.Forward += next.Timing.Forward
	g.Timing.Lens += next.Timing.Lens
	return nil
}
