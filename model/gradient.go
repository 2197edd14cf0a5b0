package model

import (
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
)

// Objective is a number of a run: Of what passes some places, given in their order.
type Objective struct {
	Places []Place
	Of     func(y []*mlx.Array) *mlx.Array // one element
}

// Gradient returns the objective of a run, and its gradient with respect to what passes some
// places:
//
//	∂L/∂x for x at each place of wrt,   L = objective.Of(y)
//
// x being what flows on there, after the tap, which may be nil. A gradient has the shape of
// what passes its place, and is float32; it is 0 where the objective does not depend on the
// place. Gradients go through packed and dense weights alike. The run has no cache, and goes
// no further than the objective's places. Nothing is computed before it is evaluated; the
// results are in the tokens' scope.
//
// tokens: [batch, pos] int32.
func Gradient(m Model, tokens *mlx.Array, tap *Tap, objective Objective, wrt []Place) (value *mlx.Array, gradients []*mlx.Array, err error) {
	if err := Whole(m, "a gradient"); err != nil {
		return nil, nil, fmt.Errorf("model: %w", err)
	}
	for _, at := range slices.Concat(objective.Places, wrt) {
		if err := m.Check(at); err != nil {
			return nil, nil, fmt.Errorf("model: gradient: %w", err)
		}
	}
	if slices.ContainsFunc(wrt, func(at Place) bool { return at.Site == ExpertIDs }) {
		return nil, nil, fmt.Errorf("model: gradient: %s are whole numbers, and nothing can be derived by them: take %s or %s", ExpertIDs, RouterLogits, ExpertWeights)
	}
	if len(objective.Places) == 0 || len(wrt) == 0 {
		return nil, nil, fmt.Errorf("model: gradient: there is no place that the objective is of, or none that it is derived by")
	}
	for _, places := range [][]Place{objective.Places, wrt} {
		if once := InForwardOrder(places); len(once) < len(places) {
			return nil, nil, fmt.Errorf("model: gradient: a place is named twice: %v", places)
		}
	}
	scope := tokens.Scope()
	zeros := make([]*mlx.Array, len(wrt))
	argnums := make([]int, len(wrt))
	for i, at := range wrt {
		zeros[i], argnums[i] = mlx.Zeros(scope, mlx.Float32, passingShape(m, tokens, at)...), i
	}
	var missed error
	run := func(shifts []*mlx.Array) []*mlx.Array {
		// its derivative by a shift of 0 is that by what is shifted
		shift := &Tap{
			Wanted: func(at Place) bool { return slices.Contains(wrt, at) },
			Visit: func(at Place, x *mlx.Array) *mlx.Array {
				return mlx.Add(x, mlx.AsType(shifts[slices.Index(wrt, at)], x.Dtype()))
			},
		}
		keep, kept := Keep(shifts[0].Scope(), objective.Places)
		last := Reach(m, tokens, nil, tap.Then(shift).Then(keep), objective.Places)
		for i, y := range kept {
			if y == nil {
				if missed = last.Err(); missed == nil {
					missed = fmt.Errorf("model: gradient: the model never reached %s", objective.Places[i])
				}
				return []*mlx.Array{mlx.Failed("gradient", missed)}
			}
		}
		return []*mlx.Array{objective.Of(kept)}
	}
	values, gradients := mlx.ValueAndGrad(run, argnums...)(zeros...)
	if missed != nil {
		return nil, nil, missed
	}
	return values[0], gradients, values[0].Err()
}

// passingShape returns the shape of what passes a place in a run without a cache.
func passingShape(m Model, tokens *mlx.Array, at Place) []int {
	var shape []int
	for _, axis := range at.Site.Axes() {
		switch axis {
		case Batch:
			n := tokens.Dim(0)
			if at.Site == PosEmbed {
				n = 1 // the same for every row
			}
			shape = append(shape, n)
		case Pos, Key:
			shape = append(shape, tokens.Dim(1))
		default:
			shape = append(shape, m.Shape().In(at.Layer).Size(axis))
		}
	}
	return shape
}
