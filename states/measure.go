package states

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/model"
)

// Measure returns an input's edits with what some need to know of the prompt, by a run of it for each of those:
// steer the median length of the states that it changes, after the edits before it (of an even number the
// lower middle one: attention sinks, whose states are many times longer, are no measure), and swap-clamped what passes there without
// edits. What it finds is of this prompt: a token that is generated behind it is steered as strongly, and a
// clamped swap, which has nothing for it, leaves it alone.
func Measure(ctx context.Context, m model.Model, in edit.Input) ([]edit.Edit, error) {
	edits := slices.Clone(in.Edits)
	var steered []int
	for i := range edits {
		e := &edits[i]
		switch {
		case e.Measured():
		case e.Op == edit.Steer:
			steered = append(steered, i)
		default:
			set, err := Capture(ctx, m, edit.Input{IDs: in.IDs, Positions: e.Positions}, []model.Place{e.Place})
			if err != nil {
				return nil, err
			}
			if e.Clean, err = set.Value(e.Place); err != nil {
				return nil, err
			}
		}
	}
	slices.SortStableFunc(steered, func(a, b int) int {
		from, to := edits[a].Place, edits[b].Place
		if from == to {
			return 0
		}
		if model.InForwardOrder([]model.Place{from, to})[0] == from {
			return -1
		}
		return 1
	})
	for _, i := range steered {
		norm, err := median(ctx, m, in.IDs, edits, i)
		if err != nil {
			return nil, err
		}
		edits[i].Norm = norm
	}
	return edits, nil
}

// median returns the median length of what passes where the edit number i steers.
func median(ctx context.Context, m model.Model, ids []int, edits []edit.Edit, i int) (float64, error) {
	e := &edits[i]
	var before []edit.Edit
	for j := range edits {
		if other := &edits[j]; j != i && (other.Place != e.Place || j < i) && edit.Influences(m, other.Place, e.Place) {
			before = append(before, *other)
		}
	}
	set, err := Capture(ctx, m, edit.Input{IDs: ids, Edits: before}, []model.Place{e.Place})
	if err != nil {
		return 0, err
	}
	x, err := set.Arrays[0].Float32()
	if err != nil {
		return 0, err
	}
	positions, err := model.Indices(e.Positions, len(ids), "position")
	if err != nil {
		return 0, err
	}
	d := len(x) / len(ids)
	lengths := make([]float64, len(positions))
	for k, p := range positions {
		sum := 0.0
		for _, v := range x[p*d : (p+1)*d] {
			sum += float64(v) * float64(v)
		}
		lengths[k] = math.Sqrt(sum)
	}
	slices.Sort(lengths)
	norm := lengths[(len(lengths)-1)/2]
	if !(norm > 0 && norm <= math.MaxFloat32) {
		return 0, fmt.Errorf("states: edit %q: the median length of the states is %v: there is nothing to steer by", edit.Brief(e.String()), norm)
	}
	return norm, nil
}
