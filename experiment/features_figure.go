package experiment

import (
	"fmt"
	"math"
	"strconv"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
)

// Figure shows the features of each position, how far the reconstruction is from the states, and what
// the features' directions write.
func (f *Features) Figure() *render.Figure {
	run := Run{Prompt: f.Prompt, Tokens: f.Tokens}
	of := f.Sparse.In
	if f.Sparse.Out != f.Sparse.In {
		of += " to " + f.Sparse.Out
	}
	fig := &render.Figure{
		Title: fmt.Sprintf("features of %s at %s", run.text(), of), Digits: 2,
		Means: "activation of a feature, by its number; of a direction the logit of a token",
		Notes: append(named(f.Model), fmt.Sprintf("%s: %d features, %s", f.Sparse.Path, f.Sparse.Features, f.Sparse.Activation)),
	}
	fig.Notes = append(fig.Notes, f.quality()...)
	fig.Grids = append(fig.Grids, f.activations(), f.apart())
	if len(f.Named) > 0 && len(f.Named[0].Raises) > 0 {
		fig.Grids = append(fig.Grids, f.directions("what their directions raise", func(x *Feature) []lens.Candidate { return x.Raises }))
		fig.Grids = append(fig.Grids, f.directions("what they lower", func(x *Feature) []lens.Candidate { return x.Lowers }))
	}
	return fig
}

// quality says how good the reconstruction is, without the numbers that the positions do not have.
func (f *Features) quality() []string {
	explained := "explained variance " + short(f.Explained)
	if math.IsNaN(float64(f.Explained)) {
		explained = "no explained variance of states that do not differ"
	}
	notes := []string{fmt.Sprintf("%s, L0 %s", explained, short(lens.Number(f.L0)))}
	if s := f.Spliced; s != nil {
		note := fmt.Sprintf("with the reconstruction: KL %s nats", short(s.KL))
		if !math.IsNaN(float64(s.CE)) {
			note += fmt.Sprintf("; cross-entropy %s, without %s", short(s.CEOf), short(s.CE))
		}
		notes = append(notes, note)
	}
	return notes
}

// activations are the features of each position by their rank there.
func (f *Features) activations() render.Matrix {
	run := Run{Tokens: f.Tokens}
	m := render.Matrix{Name: "features", RowsAre: "rank", Are: "position", TopDown: true, Columns: run.tokenColumns(f.Positions)}
	most := 1
	for _, c := range f.Cells {
		most = max(most, len(c.Top))
	}
	for rank := range most {
		m.Rows = append(m.Rows, strconv.Itoa(rank+1))
		values, texts := make([]float64, len(f.Cells)), make([]string, len(f.Cells))
		for i, c := range f.Cells {
			if values[i] = math.NaN(); rank < len(c.Top) {
				values[i], texts[i] = c.Top[rank].Activation, "#"+strconv.Itoa(c.Top[rank].Feature)
			}
		}
		m.Values, m.Texts = append(m.Values, values), append(m.Texts, texts)
	}
	return m
}

// apart is the relative error of each position.
func (f *Features) apart() render.Matrix {
	run := Run{Tokens: f.Tokens}
	m := render.Matrix{Name: "reconstruction", Are: "position", Rows: []string{"|x − x̂|/|x|"}, Columns: run.tokenColumns(f.Positions), Values: make([][]float64, 1)}
	for _, c := range f.Cells {
		m.Values[0] = append(m.Values[0], float64(c.Error/c.Norm))
	}
	return m
}

// directions are tokens of each feature.
func (f *Features) directions(name string, of func(*Feature) []lens.Candidate) render.Matrix {
	m := render.Matrix{Name: name, RowsAre: "feature", Are: "rank", TopDown: true}
	for i := range of(&f.Named[0]) {
		m.Columns = append(m.Columns, render.Column{Name: strconv.Itoa(i + 1)})
	}
	for i := range f.Named {
		var values []float64
		var texts []string
		for _, t := range of(&f.Named[i]) {
			values, texts = append(values, t.Logit), append(texts, t.Bytes)
		}
		m.Rows, m.Values, m.Texts = append(m.Rows, strconv.Itoa(f.Named[i].Feature)), append(m.Values, values), append(m.Texts, texts)
	}
	return m
}

// Arrays are positions and l0, int32, norm and error, float32, [pos]; and the features of each position
// and their activations, [pos, rank], as float32, 0 where a position has fewer.
func (f *Features) Arrays() []checkpoint.Array {
	var l0 []int
	var norms, errs, ids, activations []float32
	most := 1
	for _, c := range f.Cells {
		most = max(most, len(c.Top))
	}
	for _, c := range f.Cells {
		l0, norms, errs = append(l0, c.L0), append(norms, float32(c.Norm)), append(errs, float32(c.Error))
		for rank := range most {
			a := Activation{}
			if rank < len(c.Top) {
				a = c.Top[rank]
			}
			ids, activations = append(ids, float32(a.Feature)), append(activations, float32(a.Activation))
		}
	}
	n := len(f.Cells)
	return []checkpoint.Array{
		checkpoint.Int32Array("positions", f.Positions), checkpoint.Int32Array("l0", l0), checkpoint.Float32Array("norm", norms, n), checkpoint.Float32Array("error", errs, n),
		checkpoint.Float32Array("features", ids, n, most), checkpoint.Float32Array("activations", activations, n, most),
	}
}
