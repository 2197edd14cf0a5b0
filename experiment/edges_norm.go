package experiment

import (
	"context"
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// passing is what a norm behind attention, y = k·gain⊙x with k² = 1/(mean x² + ε), does around a run: its derivative
//
//	J·v = k·gain⊙(v − x̂·(x̂·v)), x̂ = k·x/√d_model
//
// at each position.
type passing struct {
	factors, direction *mlx.Array // k·gain and x̂, [pos, d_model]
}

// back maps the gradient by what the norm gives, [pos·d_model, 1], to that by what it takes: Jᵀ·g.
func (p *passing) back(g *mlx.Array) *mlx.Array {
	s := g.Scope()
	x := s.Hold(p.direction)
	u := mlx.Multiply(mlx.Reshape(g, x.Shape()...), s.Hold(p.factors))
	along := mlx.KeepDims(mlx.Sum, mlx.Multiply(u, x), -1)
	return mlx.Reshape(mlx.Subtract(u, mlx.Multiply(along, x)), g.Shape()...)
}

// pass takes the norms behind attention as they are in a run between the two.
func (w *wiredEdges) pass(ctx context.Context, in edit.Input) error {
	in.Positions = upTo(w.answer)
	of := &store{m: w.m, inputs: []edit.Input{in}, most: w.source.most, sites: []model.Site{model.AttnRaw, model.AttnOut}}
	for i := range w.written {
		to := &w.written[i]
		if to.through == nil {
			continue
		}
		var values [2]edit.Value
		for k, site := range of.sites {
			var err error
			if values[k], err = of.at(ctx, 0, model.Place{Site: site, Layer: to.layer}, to.layer); err != nil {
				return err
			}
		}
		if err := w.around(to, values[0], values[1]); err != nil {
			return err
		}
	}
	return nil
}

// around sets what the norm of writers does around a run in which it took x and gave y.
func (w *wiredEdges) around(to *written, x, y edit.Value) error {
	n, d, gain := x.Shape[0], w.m.Shape().DModel, to.through.gain
	factors, direction := make([]float32, n*d), make([]float32, n*d)
	for p := range n {
		row := at(x, p)
		k, err := scale(gain, wide(row), wide(at(y, p)), fmt.Sprintf("what follows attention in layer %d", to.layer))
		if err != nil {
			return err
		}
		for i, v := range row {
			factors[p*d+i] = float32(k * gain[i])
			direction[p*d+i] = float32(k * float64(v) / math.Sqrt(float64(d)))
		}
	}
	for _, a := range []*mlx.Array{to.passing.factors, to.passing.direction} {
		if a != nil {
			a.Free()
		}
	}
	to.passing = passing{mlx.FromSlice(w.scope, factors, n, d), mlx.FromSlice(w.scope, direction, n, d)}
	return nil
}
