package lens

// Extend adds columns of the same grid, as [Options].Part gets them: those that follow the ones that g
// has. What the columns know of the whole, its tokens, how many of them are its own and the final answer, becomes g's.
func (g *Grid) Extend(columns *Grid) {
	g.Tokens, g.Continued, g.Final, g.Contrasts = columns.Tokens, columns.Continued, columns.Final, columns.Contrasts
	g.Positions = append(g.Positions[:len(g.Positions):len(g.Positions)], columns.Positions...)
	cells := make([][]Cell, len(g.Cells))
	for r, row := range g.Cells {
		cells[r] = append(row[:len(row):len(row)], columns.Cells[r]...)
	}
	g.Cells = cells
	g.Tracked = append(g.Tracked[:len(g.Tracked):len(g.Tracked)], columns.Tracked...)
}
