package jacobian

import (
	"context"
	"fmt"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Where many rows go back at once, what a block does to a position's cotangents is put together
// first, as matrices that serve all of them. Of the MLP at a position it is one [d_model, d_model], made by
// d_model·d_mlp·d_model multiplications instead of 3·d_model·d_mlp for each row. What comes back from z through a position's own
// query is one of each head, and through another's key and value one for each pair of positions, which the pattern's
// softmax is part of. Nothing is left to do by elements on the rows.
//
// Cotangents are kept position by position, [pos, row, d_model], in pieces of a few positions: arrays so small that the
// processor's caches have them, and that the C library reuses their memory.

// pieceBytes is about what an array of a piece takes.
const pieceBytes = 16 << 20

// parted is a model whose blocks may have parts.
type parted interface {
	Parts(layer int) *model.Parts
}

// partsOf are those of all blocks above the lowest source layer, by layer; nil where one has none, or
// computes in 16 bits, whose roundings are the model's own.
func partsOf(m model.Model, sources []int) map[int]*model.Parts {
	t, ok := m.(parted)
	if !ok {
		return nil
	}
	all := map[int]*model.Parts{}
	for _, s := range parts(m, sources) {
		p := t.Parts(s.from)
		if p == nil || s.from == 0 || s.to != s.from+1 || p.AttnNorm.Weight == nil || p.MLPNorm.Weight == nil || p.AttnNorm.Weight.Dtype() != mlx.Float32 {
			return nil
		}
		all[s.from] = p
	}
	return all
}

// closedPays reports whether putting the matrices together takes clearly fewer multiplications than n rows save by them: what
// is done to matrices by elements, a row's operations do too, but with less to copy.
func closedPays(shape model.Shape, n int) bool {
	saved, made := 3*shape.DMLP-shape.DModel, shape.DModel*(shape.DMLP+shape.DHead)
	return 3*n*saved >= 4*made
}

// closedBytes estimates what n rows take, and the matrices.
func closedBytes(shape model.Shape, n, positions, keys int) int64 {
	d := shape.DModel
	streams := positions * n * (3*d + (shape.Heads+2*shape.KVHeads)*shape.DHead)
	pairs := shape.Heads * positions * keys * (3 + 2*shape.DHead)
	return 4*int64(streams+pairs) + 8*pieceBytes
}

// span are positions of V.
type span struct{ from, to int }

func (s span) of(x *mlx.Array, axis int) *mlx.Array {
	return mlx.Slice(x, axis, mlx.Between(s.from, s.to))
}

// spans cuts n into even parts of at most so many.
func spans(n, most int) []span {
	count := (n + most - 1) / most
	all := make([]span, count)
	for i := range all {
		all[i] = span{i * n / count, (i + 1) * n / count}
	}
	return all
}

// closedRows is rows by the blocks' matrices.
func (b *backward) closedRows(ctx context.Context, cotangents *mlx.Array, visit func(layer int, rows []float32) error) error {
	shape := b.m.Shape()
	n, d := cotangents.Dim(0), cotangents.Dim(1)
	pieces := spans(b.kept, max(1, pieceBytes/(4*d*max(shape.DMLP, n))))
	scope := mlx.NewScope(b.m.Device())
	defer func() { scope.Close() }()
	var state []*mlx.Array // by piece: [pos, row, d_model]
	for _, p := range pieces {
		state = append(state, mlx.BroadcastTo(mlx.ExpandDims(scope.Hold(cotangents), 0), p.to-p.from, n, d))
	}
	for i := len(b.segments) - 1; i >= 0; i-- {
		next := mlx.NewScope(b.m.Device())
		out, err := b.closedBlock(ctx, next, b.segments[i], pieces, state)
		scope.Close()
		scope, state = next, out
		if err != nil {
			return fmt.Errorf("jacobian: from behind block %d to before it: %w", b.segments[i].from, err)
		}
		if err := b.closedMean(state, b.segments[i].from-1, visit); err != nil {
			return err
		}
	}
	return nil
}

// closedMean visits the mean over the positions, if the layer is a source.
func (b *backward) closedMean(state []*mlx.Array, layer int, visit func(layer int, rows []float32) error) error {
	if !b.source(layer) {
		return nil
	}
	work := state[0].Scope().NewScope()
	defer work.Close()
	var sum *mlx.Array
	for _, s := range state {
		of := mlx.Sum(work.Hold(s), 0)
		if sum != nil {
			of = mlx.Add(sum, of)
		}
		sum = of
	}
	x, err := mlx.Data[float32](mlx.Scale(sum, 1/float64(b.kept)))
	if err != nil {
		return err
	}
	return visit(layer, x)
}

// closedBlock takes cotangents of what leaves a block to those of what enters it. scope owns them.
func (b *backward) closedBlock(ctx context.Context, scope *mlx.Scope, s *segment, pieces []span, state []*mlx.Array) ([]*mlx.Array, error) {
	work := scope.NewScope()
	defer work.Close()
	m, err := b.matrices(work, s)
	if err != nil {
		return nil, err
	}
	mid := make([]*mlx.Array, len(pieces))
	for i, p := range pieces {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		y := work.Hold(state[i])
		if mid[i], err = done(work, func(w *mlx.Scope) *mlx.Array { y := w.Hold(y); return mlx.Addmm(y, y, m.mlp(w, p), 1, 1) }); err != nil {
			return nil, err
		}
		state[i].Free()
	}
	n, d := mid[0].Dim(1), mid[0].Dim(2)
	widest := max(d, m.group*b.kept, m.kvHeads*(m.dHead+(m.group+1)*m.dValue))
	var seen []*mlx.Array // by some rows: [pos, row, kv_head·(group·d_v + d_head + d_v)], of z, keys and values
	for _, rows := range spans(n, max(1, 3*pieceBytes/2/(4*b.kept*widest))) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		x, err := done(work, func(w *mlx.Scope) *mlx.Array {
			var some []*mlx.Array
			for _, y := range mid {
				some = append(some, rows.of(w.Hold(y), 1))
			}
			return m.seen(w, mlx.Concatenate(0, some...))
		})
		if err != nil {
			return nil, err
		}
		seen = append(seen, x)
	}
	out := make([]*mlx.Array, len(pieces))
	for i, p := range pieces {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out[i], err = done(scope, func(w *mlx.Scope) *mlx.Array {
			var some []*mlx.Array
			for _, x := range seen {
				some = append(some, p.of(w.Hold(x), 0))
			}
			return mlx.Addmm(w.Hold(mid[i]), mlx.Concatenate(1, some...), m.attention(w, p), 1, 1)
		})
		if err != nil {
			return nil, err
		}
		mid[i].Free()
	}
	return out, nil
}

// done evaluates what make makes in a scope that it gets, and holds it in scope.
func done(scope *mlx.Scope, make func(*mlx.Scope) *mlx.Array) (*mlx.Array, error) {
	work := scope.NewScope()
	defer work.Close()
	x := make(work)
	if err := mlx.Eval(x); err != nil {
		return nil, err
	}
	return scope.Hold(x), nil
}
