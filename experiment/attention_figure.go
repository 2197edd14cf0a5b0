package experiment

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/lens/render"
)

// bestHeads is how many heads of a kind a figure names.
const bestHeads = 5

// Figure shows the scores, a grid of layers and heads for each kind, and the patterns, a grid of
// queries and keys for each head.
func (a *Attending) Figure() *render.Figure {
	f := &render.Figure{Title: "attention in " + (&Run{Prompt: a.Prompt, Tokens: a.Tokens}).text(), Digits: 2}
	f.Notes = named(a.Model)
	f.Means = a.Weight.means()
	if a.Scoring != nil {
		if r := a.Repeated; r != nil {
			f.Title = fmt.Sprintf("attention in %d random tokens that come twice", r.Length)
			f.Notes = append(f.Notes, fmt.Sprintf("%s, seed %d, %s", english.Plural(r.Samples, "sample", ""), r.Seed, r.before()))
		}
		a.scoreFigure(f)
		f.Means = a.Measure.means()
	}
	heads := slices.SortedFunc(maps.Keys(a.Pattern), compareHeads)
	for _, h := range heads {
		m := a.matrix(h)
		m.Means = a.Weight.means()
		f.Grids = append(f.Grids, m)
	}
	return f
}

func (r *Repeats) before() string {
	if len(r.First) == 0 {
		return "nothing before them"
	}
	return fmt.Sprintf("before them id %s", strings.Trim(fmt.Sprint(r.First), "[]"))
}

func (m Measure) means() string {
	switch m {
	case Share:
		return "the part of a head's attention that goes to the keys of a kind"
	case Distance:
		return "1 less the mean distance of a row from one that goes to the keys of a kind"
	}
	return "the mean attention of a query to the key of a kind"
}

func (w Weight) means() string {
	switch w {
	case ValueNorm:
		return "attention times the norm of the key's value"
	case OutputNorm:
		return "attention times the norm of what the key's value adds to the output"
	}
	return "attention of a row's token to a column's"
}

// scoreFigure adds the scores.
func (a *Attending) scoreFigure(f *render.Figure) {
	for _, kind := range a.Kinds {
		m := render.Matrix{Name: string(kind), RowsAre: "layer", Are: "head"}
		columns := 0
		for _, h := range a.Heads {
			columns = max(columns, h.Head+1)
		}
		for i := range columns {
			m.Columns = append(m.Columns, render.Column{Name: strconv.Itoa(i)})
		}
		last := -1
		for _, h := range a.Heads {
			if h.Layer != last {
				last = h.Layer
				m.Rows = append(m.Rows, strconv.Itoa(last))
				m.Values = append(m.Values, missing(columns))
			}
			m.Values[len(m.Values)-1][h.Head] = float64(h.Score[kind])
		}
		f.Grids = append(f.Grids, m)
		if a.Pairs[kind] == 0 {
			reason := "no token of the prompt repeats"
			if kind != DuplicateToken && kind != Induction {
				reason = "no key of the kind is left"
			}
			f.Notes = append(f.Notes, fmt.Sprintf("%s: %s, and the scores say nothing", kind, reason))
			continue
		}
		var best []string
		for _, h := range a.Best(kind)[:min(bestHeads, len(a.Heads))] {
			best = append(best, fmt.Sprintf("%s (%.2f)", Head{h.Layer, h.Head}, float64(h.Score[kind])))
		}
		f.Notes = append(f.Notes, fmt.Sprintf("%s: %s", kind, strings.Join(best, ", ")))
	}
}

// matrix is a head's pattern.
func (a *Attending) matrix(h Head) render.Matrix {
	m := render.Matrix{Name: "head " + h.String(), RowsAre: "query", Are: "key", TopDown: true}
	for _, q := range a.Positions {
		m.Rows = append(m.Rows, strings.TrimSpace(fmt.Sprintf("%d %s", q, render.Piece(a.Tokens, q))))
	}
	for _, k := range a.Keys {
		m.Columns = append(m.Columns, render.Column{Token: render.Part(a.Tokens, k), Name: strconv.Itoa(k)})
	}
	for i, row := range a.Pattern[h] {
		values := missing(len(row))
		for j, x := range row {
			if a.Keys[j] <= a.Positions[i] {
				values[j] = float64(x)
			}
		}
		m.Values = append(m.Values, values)
	}
	return m
}

// Arrays are the patterns, float32 [query, key], as pattern.LAYER.HEAD, with positions and keys; and
// the scores as score.KIND, float32 [head], with heads, int32 [head, 2], their layers and numbers.
func (a *Attending) Arrays() []checkpoint.Array {
	var arrays []checkpoint.Array
	if a.Pattern != nil {
		arrays = append(arrays, checkpoint.Int32Array("positions", a.Positions), checkpoint.Int32Array("keys", a.Keys))
	}
	heads := slices.SortedFunc(maps.Keys(a.Pattern), compareHeads)
	for _, h := range heads {
		arrays = append(arrays, checkpoint.Float32Array("pattern."+h.String(), slices.Concat(a.Pattern[h]...), len(a.Positions), len(a.Keys)))
	}
	if a.Scoring == nil {
		return arrays
	}
	var numbers []int
	for _, h := range a.Heads {
		numbers = append(numbers, h.Layer, h.Head)
	}
	of := checkpoint.Int32Array("heads", numbers)
	of.Shape = []int{len(a.Heads), 2}
	arrays = append(arrays, of)
	for _, kind := range a.Kinds {
		data := make([]float32, len(a.Heads))
		for i, h := range a.Heads {
			data[i] = float32(h.Score[kind])
		}
		arrays = append(arrays, checkpoint.Float32Array("score."+string(kind), data, len(data)))
	}
	return arrays
}

// missing is a row without numbers.
func missing(n int) []float64 { return slices.Repeat([]float64{math.NaN()}, n) }
