package experiment

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// named reads the directions of the features that are among the top of a position.
func (f *encoding) named() error {
	of := map[int]*Feature{}
	for i, c := range f.out.Cells {
		for _, a := range c.Top {
			now, ok := of[a.Feature]
			if !ok {
				now = &Feature{Feature: a.Feature}
				of[a.Feature] = now
			}
			if a.Activation > now.Most {
				now.Most, now.At = a.Activation, f.in.Positions[i]
			}
		}
	}
	var all []*Feature
	for _, feature := range of {
		all = append(all, feature)
	}
	slices.SortFunc(all, func(a, b *Feature) int { return cmp.Or(cmp.Compare(b.Most, a.Most), cmp.Compare(a.Feature, b.Feature)) })
	sizes := f.m.Shape().In(f.e.Out.Layer).Sizes(f.e.Out.Site)
	reads := f.o.Tokens > 0 && len(sizes) == 1 && f.e.Out.Site.Axis(model.DModel) >= 0 // else no row of it is a direction of the stream
	for some := range slices.Chunk(all, max(1, (16<<20)/f.m.Shape().DVocab)) {
		if reads {
			if err := f.writes(some); err != nil {
				return err
			}
		}
		for _, feature := range some {
			f.out.Named = append(f.out.Named, *feature)
		}
	}
	return nil
}

// writes finds the tokens that directions raise and lower.
func (f *encoding) writes(of []*Feature) error {
	scope := mlx.NewScope(f.m.Device())
	defer scope.Close()
	ids := make([]int, len(of))
	for i, feature := range of {
		ids[i] = feature.Feature
	}
	logits := mlx.AsType(model.ToLogits(f.m, f.e.Directions(scope, ids)), mlx.Float32)
	vocab := f.m.Shape().DVocab
	return mlx.Borrow(logits, func(logits []float32) error {
		for i, feature := range of {
			own := logits[i*vocab : (i+1)*vocab]
			feature.Raises, _ = lens.Score(own, f.o.Tokens, 0, f.o.Label)
			feature.Lowers = lens.Lowest(own, f.o.Tokens, f.o.Label)
		}
		return nil
	})
}

// splice runs the prompt with the reconstruction beside the prompt as it is.
func (f *encoding) splice(ctx context.Context) error {
	if !f.o.Splice {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	n, shape := len(f.in.IDs), f.m.Shape()
	need := 4 * (int64(shape.Block(2, n, n)) + int64(2*n*shape.DModel) + 8*spliceNumbers)
	free, err := model.Free(f.m, f.o.MaxMemory)
	if err != nil {
		return err
	}
	if f.o.MaxMemory > 0 && need > free {
		return fmt.Errorf("experiment: to splice the reconstruction in takes %d MB beside the weights, and %d MB are left for it: give a shorter prompt, or allow more memory", (need+1<<20-1)>>20, max(0, free>>20))
	}
	value := edit.Value{Shape: append([]int{len(f.in.Positions)}, shape.In(f.e.Out.Layer).Sizes(f.e.Out.Site)...), Data: f.back, Positions: f.in.Positions}
	spliced := f.in
	spliced.Edits = append(slices.Clone(f.in.Edits), edit.Edit{Place: f.e.Out, Op: edit.Set, Value: value})
	b, err := edit.NewBatch(f.m, f.in, spliced)
	if err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	scope := mlx.NewScope(f.m.Device())
	defer scope.Close()
	h := f.m.Stream(b.Tokens(scope, 0, n), nil, b.Tap(0, n), shape.Layers) // [2, pos, d_model]
	if err := mlx.Eval(h); err != nil {
		return err
	}
	sums := &spliceSums{}
	for some := range slices.Chunk(f.in.Positions, max(1, spliceNumbers/shape.DVocab)) {
		if err := sums.add(f.m, h, some, f.in.IDs); err != nil {
			return err
		}
	}
	f.out.Spliced = sums.means(len(f.in.Positions))
	if math.IsNaN(float64(f.out.Spliced.KL)) {
		return fmt.Errorf("experiment: with the reconstruction the logits are not numbers")
	}
	return nil
}

// spliceNumbers bounds the logits of a run that are there at once.
const spliceNumbers = 4 << 20

type spliceSums struct {
	kl, ce, spliced float64
	steps           int
}

// add takes in some positions of both runs, h [2, pos, d_model].
func (s *spliceSums) add(m model.Model, h *mlx.Array, positions, ids []int) error {
	scope := h.Scope().NewScope()
	defer scope.Close()
	at, next := make([]int32, len(positions)), make([]int32, len(positions))
	for i, p := range positions {
		if at[i] = int32(p); p+1 < len(ids) {
			next[i] = int32(ids[p+1])
		}
	}
	x := mlx.Take(scope.Hold(h), mlx.FromSlice(scope, at), 1)
	logP := mlx.AsType(model.ToLogits(m, x), mlx.Float32) // [2, n, d_vocab]
	logP = mlx.Subtract(logP, mlx.ExpandDims(mlx.LogSumExp(logP, -1), -1))
	of := func(run int) *mlx.Array { return mlx.Squeeze(mlx.Slice(logP, 0, mlx.Between(run, run+1)), 0) }
	kl := mlx.Sum(mlx.Multiply(mlx.Exp(of(0)), mlx.Subtract(of(0), of(1))), -1) // [n]
	index := mlx.FromSlice(scope, next, 1, len(next), 1)
	said := mlx.TakeAlongAxis(logP, mlx.BroadcastTo(index, 2, len(next), 1), -1) // [2, n, 1]
	if err := mlx.Eval(kl, said); err != nil {
		return err
	}
	kls, err := mlx.Data[float32](kl)
	if err != nil {
		return err
	}
	logs, err := mlx.Data[float32](said)
	if err != nil {
		return err
	}
	for i, p := range positions {
		s.kl += max(0, float64(kls[i])) // NaN stays
		if p+1 < len(ids) {
			s.ce -= float64(logs[i])
			s.spliced -= float64(logs[len(positions)+i])
			s.steps++
		}
	}
	return nil
}

func (s *spliceSums) means(n int) *Spliced {
	steps := float64(s.steps) // 0 gives NaN
	return &Spliced{KL: lens.Number(s.kl / float64(n)), CE: lens.Number(s.ce / steps), CEOf: lens.Number(s.spliced / steps), Steps: s.steps}
}
