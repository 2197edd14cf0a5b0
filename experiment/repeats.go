package experiment

import (
	"math/rand/v2"
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/model"
)

// Repeats are random tokens that come twice, x_1 … x_n x_1 … x_n: only a head that looks back at
// what followed a token can tell the second half (Olsson et al. 2022, arXiv:2209.11895).
type Repeats struct {
	Length  int     `json:"length"` // n, the period
	Samples int     `json:"samples"`
	Seed    uint64  `json:"seed"`
	First   []int   `json:"first"` // ids put before, such as BOS
	IDs     [][]int `json:"ids"`   // of the samples
}

// Draw draws the samples: in each, n ids of some, nil for all of a model's vocabulary, that differ
// from each other. The same seed draws the same ids from the same ids.
func (r *Repeats) Draw(m model.Model, from []int) error {
	shape := m.Shape()
	if from == nil {
		from, _ = model.Indices(nil, shape.DVocab, "id")
	}
	if err := edit.CheckIDs(slices.Concat(r.First, from), shape.DVocab, "id"); err != nil {
		return refuse("%w", err)
	}
	switch n := len(r.First) + 2*r.Length; {
	case r.Length < 2 || r.Samples < 1:
		return refuse("%d samples of %d random tokens: want 1 or more of 2 or more", r.Samples, r.Length)
	case r.Length > len(from):
		return refuse("%d random tokens that differ are asked for, and there are %d to draw from", r.Length, len(from))
	case n > shape.Context:
		return refuse("%d random tokens twice are %d with what comes before, and the context is %d", r.Length, n, shape.Context)
	}
	r.IDs = nil
	for sample := range r.Samples {
		g := rand.New(rand.NewPCG(r.Seed, uint64(sample)))
		left, drawn := slices.Clone(from), make([]int, r.Length)
		for i := range drawn {
			j := i + g.IntN(len(left)-i)
			left[i], left[j] = left[j], left[i]
			drawn[i] = left[i]
		}
		r.IDs = append(r.IDs, slices.Concat(r.First, drawn, drawn))
	}
	return nil
}

// Inputs are the samples as inputs.
func (r *Repeats) Inputs() []edit.Input {
	inputs := make([]edit.Input, len(r.IDs))
	for i, ids := range r.IDs {
		inputs[i] = edit.Input{IDs: ids}
	}
	return inputs
}
