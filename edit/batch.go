package edit

import (
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Batch is inputs that go through a model together, row by row, the shorter padded behind.
//
// Padding needs no mask of its own. Attention is causal: a token sees what is before it,
// and padding is behind every token that is read.
type Batch struct {
	Inputs  []Input // with their positions resolved: ascending, none negative
	Longest int     // tokens of the longest

	rows []*row
}

// row is the edits of an input by their place, in order.
type row struct {
	of    map[model.Place][]*resolved
	masks map[model.Place]int // how many of a place's edits, the first ones, follow from those of scores
}

// NewBatch checks inputs, and resolves their positions and edits.
func NewBatch(m model.Model, inputs ...Input) (*Batch, error) {
	if m == nil || len(inputs) == 0 {
		return nil, fmt.Errorf("there is no model, or no input")
	}
	b := &Batch{}
	for _, in := range inputs {
		if err := in.Check(m); err != nil {
			return nil, err
		}
		var err error
		if in.Positions, err = model.Indices(in.Positions, len(in.IDs), "position"); err != nil {
			return nil, err
		}
		r := &row{of: map[model.Place][]*resolved{}, masks: map[model.Place]int{}}
		for i := range in.Edits {
			e, err := in.Edits[i].resolve(m, len(in.IDs))
			if err != nil {
				return nil, err
			}
			r.of[e.Place] = append(r.of[e.Place], e)
			if e.Op == Mask {
				at, hidden := model.Place{Site: model.Pattern, Layer: e.Place.Layer}, e.hidden()
				r.of[at] = slices.Insert(r.of[at], r.masks[at], hidden)
				r.masks[at]++
			}
		}
		b.Inputs, b.rows = append(b.Inputs, in), append(b.rows, r)
		b.Longest = max(b.Longest, len(in.IDs))
	}
	return b, nil
}

// Len returns how many rows there are.
func (b *Batch) Len() int { return len(b.rows) }

// Reads returns how many positions of all rows are read.
func (b *Batch) Reads() int {
	n := 0
	for _, in := range b.Inputs {
		n += len(in.Positions)
	}
	return n
}

// Tokens returns the ids of the positions [from, to), as a pass takes them: [row, to−from],
// padded with 0.
func (b *Batch) Tokens(scope *mlx.Scope, from, to int) *mlx.Array {
	ids := make([]int32, 0, b.Len()*(to-from))
	for _, in := range b.Inputs {
		for p := from; p < to; p++ {
			id := 0
			if p < len(in.IDs) {
				id = in.IDs[p]
			}
			ids = append(ids, int32(id))
		}
	}
	return mlx.FromSlice(scope, ids, b.Len(), to-from)
}

// Read returns which of the positions [from, to) of all rows are read, row·(to−from) +
// position−from, those of the first row first.
func (b *Batch) Read(from, to int) []int32 {
	var at []int32
	for i, in := range b.Inputs {
		for _, p := range in.Positions {
			if p >= from && p < to {
				at = append(at, int32(i*(to-from)+p-from))
			}
		}
	}
	return at
}

// Tap returns the edits as a tap of the pass that computes the positions [from, to) of all
// rows. It says how long the rows are, without edits too.
func (b *Batch) Tap(from, to int) *model.Tap {
	tap := &model.Tap{}
	edited, layers := map[model.Place]bool{}, map[int]bool{}
	for i, r := range b.rows {
		tap.Lengths = append(tap.Lengths, len(b.Inputs[i].IDs))
		for at := range r.of {
			edited[at], layers[at.Layer] = true, true
		}
	}
	if len(edited) > 0 {
		tap.Wanted = func(at model.Place) bool { return edited[at] }
		tap.Visit = func(at model.Place, x *mlx.Array) *mlx.Array { return b.apply(at, x, from, to) }
		tap.Changes = func(layer int) bool { return layers[layer] }
	}
	return tap
}
