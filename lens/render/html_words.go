package render

import (
	"fmt"
	"slices"
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

// papers are those that a page's lenses are from; an embedding's or a dictionary's reading has none.
func papers(g *lens.Grid) []string {
	of := map[string]string{
		"": "logit lens: nostalgebraist 2020", "logit": "logit lens: nostalgebraist 2020", "negated logit": "logit lens: nostalgebraist 2020",
		"tuned": "tuned lens: Belrose et al. 2023", "jacobian": "Jacobian lens: Gurnee et al. 2026",
	}
	names := []string{g.Lens}
	if len(g.Lenses) > 0 {
		names = nil
	}
	for _, l := range g.Lenses {
		names = append(names, l.Name)
	}
	var all []string
	for _, name := range names {
		kind, _, _ := strings.Cut(name, ":")
		if paper := of[kind]; paper != "" && !slices.Contains(all, paper) {
			all = append(all, paper)
		}
	}
	return all
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
