package render

import (
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/lens"
)

// way is a lens' way through the layers.
type way struct {
	lens string
	rows []int // those of the grid that it reads
	at   []int // of each the stop
}

// through puts the numbers of a lens' rows where they stand among so many stops; NaN where it reads none.
func (w *way) through(byRow []float64, stops int) []float64 {
	out := make([]float64, stops)
	for i := range out {
		out[i] = math.NaN()
	}
	for i, r := range w.rows {
		out[w.at[i]] = byRow[r]
	}
	return out
}

// throughLayers are the places of a chart from left to right, and the way of each of a grid's lenses, as on its page
// (pins.js). Of one lens the stops are its rows.
func throughLayers(g *lens.Grid) (stops []string, lines []way) {
	stopOf := make([]int, len(g.Rows))
	for r := range g.Rows {
		name := label(g.Rows[r])
		if len(g.Lenses) > 0 {
			name = label(*placeOf(&g.Rows[r]))
		}
		i := slices.Index(stops, name)
		if i < 0 || len(g.Lenses) == 0 {
			i, stops = len(stops), append(stops, name)
		}
		stopOf[r] = i
	}
	readings := g.Lenses
	if len(readings) == 0 {
		readings = []lens.Reading{{Rows: make([]int, len(g.Rows))}}
		for r := range g.Rows {
			readings[0].Rows[r] = r
		}
	}
	for _, by := range readings {
		l := way{lens: by.Kind, rows: by.Rows}
		for _, r := range by.Rows {
			l.at = append(l.at, stopOf[r])
		}
		lines = append(lines, l)
	}
	return stops, lines
}

// thinned are the rows of every so manieth place, counted from the last: those of all lenses at it.
func thinned(rows []string, every int) []int {
	var kept []int
	places, last := -1, ""
	for r := len(rows) - 1; r >= 0; r-- {
		if place := *placeOf(&rows[r]); places < 0 || place != last {
			places, last = places+1, place
		}
		if places%max(1, every) == 0 {
			kept = append(kept, r)
		}
	}
	slices.Reverse(kept)
	return kept
}

// chosen are the elements at some indices.
func chosen[T any](all []T, at []int) []T {
	out := make([]T, 0, len(at))
	for _, i := range at {
		out = append(out, all[i])
	}
	return out
}

// everyRow is a grid with the rows of every so manieth place, counted from the last.
func everyRow(g *lens.Grid, every int) *lens.Grid {
	if every <= 1 {
		return g
	}
	out, kept := *g, thinned(g.Rows, every)
	out.Rows, out.Cells = chosen(g.Rows, kept), chosen(g.Cells, kept)
	out.Tracked, out.Lenses = slices.Clone(g.Tracked), slices.Clone(g.Lenses)
	for p := range out.Tracked {
		out.Tracked[p] = slices.Clone(out.Tracked[p])
		for i, t := range out.Tracked[p] {
			out.Tracked[p][i].Logit, out.Tracked[p][i].Prob, out.Tracked[p][i].Rank = chosen(t.Logit, kept), chosen(t.Prob, kept), chosen(t.Rank, kept)
		}
	}
	for k, by := range g.Lenses {
		out.Lenses[k].Rows = nil
		for i, r := range kept {
			if slices.Contains(by.Rows, r) {
				out.Lenses[k].Rows = append(out.Lenses[k].Rows, i)
			}
		}
	}
	return &out
}
