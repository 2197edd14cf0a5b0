package render

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/lens"
)

// What a page says in words of the grid that it shows.

func pageTitle(g *lens.Grid) string {
	if g.Prompt != nil {
		return Visible(*g.Prompt)
	}
	return english.Plural(len(g.Tokens), "token", "")
}

func subtitle(g *lens.Grid) string {
	parts := []string{g.Lens + " lens"}
	if g.Model.Ref != "" {
		name := strings.TrimRight(strings.ReplaceAll(g.Model.Ref, `\`, "/"), "/")
		parts = append(parts, name[strings.LastIndex(name, "/")+1:])
	}
	parts = append(parts, english.Plural(g.Model.Layers, "layer", ""), fmt.Sprintf("d_model %d", g.Model.DModel))
	if q := g.Model.Quantization; q != "" && q != "none" {
		parts = append(parts, q)
	}
	parts = append(parts, english.Plural(len(g.Tokens), "token", ""))
	if g.Chat {
		parts = append(parts, "chat template")
	}
	if g.BOSAdded {
		parts = append(parts, "BOS added")
	}
	if g.Continued > 0 {
		parts = append(parts, fmt.Sprintf("the last %d its own", g.Continued))
	}
	for _, e := range g.Edits {
		parts = append(parts, "edit "+e)
	}
	return strings.Join(parts, " · ")
}

// lastPosition is the last position's candidates, the final row first.
func lastPosition(g *lens.Grid) []pageRow {
	last, of := len(g.Positions)-1, pieces{tokens: g.Tokens, at: g.Positions}
	var rows []pageRow
	for r := len(g.Rows) - 1; r >= 0; r-- {
		row := pageRow{Name: label(g.Rows[r])}
		for _, t := range g.Cells[r][last].Top {
			row.Candidates = append(row.Candidates, fmt.Sprintf("%s %.3f", onPage(of.candidate(last, t.Bytes)), t.Prob))
		}
		rows = append(rows, row)
	}
	return rows
}
