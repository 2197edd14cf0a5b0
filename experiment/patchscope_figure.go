package experiment

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
)

// Figure shows what follows for each state that was put into the prompt: its best token, the
// target's probability, and how the prompt goes on.
func (s *Scope) Figure() *render.Figure {
	target := strconv.Quote(render.Visible(s.Target.Bytes))
	f := &render.Figure{
		Title:  fmt.Sprintf("%s at position %d put into %s at position %d", s.Source.text(), s.Source.Position, s.Into.text(), s.Into.Position),
		Digits: 3, Means: "the likeliest token, and the probability of " + target,
		Notes: append(named(s.Model), "site "+string(s.Site)),
	}
	if s.Map != "" {
		f.Notes = append(f.Notes, "mapped by "+s.Map)
	}
	f.Notes = append(f.Notes, fmt.Sprintf("the prompt as it is goes on %q; probability of %s there %s", render.Visible(s.Baseline.goesOn()), target, short(lens.Number(s.Baseline.Target.Prob))))
	next := render.Matrix{Name: "what the model says next", RowsAre: "from layer", Rows: layerNames(s.Layers), Columns: s.columns(), Are: "to layer"}
	more := render.Matrix{Name: "how it goes on", RowsAre: "from layer", Rows: next.Rows, Columns: next.Columns, Are: next.Are}
	for _, row := range s.Cells {
		var numbers []float64
		var best, continued []string
		for _, c := range row {
			numbers, best, continued = append(numbers, c.Target.Prob), append(best, c.Top[0].Bytes), append(continued, c.goesOn())
		}
		next.Values, next.Texts = append(next.Values, numbers), append(next.Texts, best)
		more.Values, more.Texts = append(more.Values, numbers), append(more.Texts, continued)
	}
	f.Grids = append(f.Grids, next)
	if s.continues() {
		f.Grids = append(f.Grids, more)
	}
	return f
}

func (s *Scope) columns() []render.Column {
	if s.ToLayers == nil {
		return []render.Column{{Name: "the same"}}
	}
	var columns []render.Column
	for _, name := range layerNames(s.ToLayers) {
		columns = append(columns, render.Column{Name: name})
	}
	return columns
}

// continues reports whether more than the next token was asked for.
func (s *Scope) continues() bool { return len(s.Baseline.Continued) > 1 || s.longest() > 1 }

func (s *Scope) longest() int {
	most := 0
	for _, row := range s.Cells {
		for _, c := range row {
			most = max(most, len(c.Continued))
		}
	}
	return most
}

// goesOn is the continuation, or the likeliest token where there is none.
func (c *Scoped) goesOn() string {
	if len(c.Continued) == 0 {
		return c.Top[0].Bytes
	}
	var b strings.Builder
	for _, t := range c.Continued {
		b.WriteString(t.Bytes)
	}
	return b.String()
}

// Arrays are the target's probabilities, target_prob [layer, to layer], with the layers, int32.
func (s *Scope) Arrays() []checkpoint.Array {
	var probs []float32
	for _, row := range s.Cells {
		for _, c := range row {
			probs = append(probs, float32(c.Target.Prob))
		}
	}
	arrays := []checkpoint.Array{checkpoint.Int32Array("layers", s.Layers), checkpoint.Float32Array("target_prob", probs, len(s.Cells), len(s.Cells[0]))}
	if s.ToLayers != nil {
		arrays = append(arrays, checkpoint.Int32Array("to_layers", s.ToLayers))
	}
	return arrays
}
