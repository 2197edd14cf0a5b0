package jacobian

import (
	"context"
	"fmt"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Where many rows go back at once, what a block does to a position's cotangents is put together
// first, as matrices that serve all of them. Of the MLP at a position it is one [d_model, d_model], made by
// d_model·d_mlp·d_model multiplications instead of 3·d_model·d_mlp for each row. What comes back from z to a position's own
// query is one [d_v, d_head] of each head, and to another's key and value one for each pair of positions, which the pattern's
// softmax is part of. Of what is done by elements, the projection of a norm is left, and one sum.
//
// Rows are kept as cotangents [pos, row, d_model]. A block's MLP goes through in pieces of a few positions with all rows, which share its
// matrix, its attention in pieces of a few rows with all positions. Pieces do not depend on each other, and go through lanes. What they hold is
// small: the processor's caches have much of it, and the C library reuses its memory. They are the same for any number of lanes, and so are the sums.

// pieceBytes is about what the largest array of a piece takes.
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

// closedPays reports whether putting the MLP's matrices together takes no more multiplications than n rows save by them. What is left
// besides, by elements, takes less than the operations of so many rows, and lanes share it.
func closedPays(shape model.Shape, n int) bool {
	saved, made := 3*shape.DMLP-shape.DModel, shape.DModel*shape.DMLP
	return n*saved >= made
}

// closedBytes estimates what n rows take, the matrices, and what is under way in lanes.
func closedBytes(shape model.Shape, lanes, n, positions, keys int) int64 {
	d := shape.DModel
	streams := 2 * positions * n * d
	pairs := 2 * shape.Heads * positions * keys * (2 + 2*shape.DHead) // of a block, and of the next
	weights := 2 * d * (3*shape.DMLP + 2*(shape.Heads+shape.KVHeads)*shape.DHead)
	return 4*int64(streams+pairs+weights) + int64(lanes)*5*pieceBytes
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

// closing is rows on their way back by the blocks' matrices.
type closing struct {
	*backward
	rows   []span // of which each goes through attention by itself
	pieces []span // of positions, of which each goes through the MLP by itself

	state []*mlx.Array // by rows: [pos, row, d_model]
	scope *mlx.Scope   // owns state and next
	next  *matrices    // of the block that comes next
}

// closedRows is rows by the blocks' matrices.
func (b *backward) closedRows(ctx context.Context, cotangents *mlx.Array, visit visitor) error {
	if len(b.on) > 1 {
		defer mlx.OneBLASThread()()
	}
	shape := b.m.Shape()
	n, d := cotangents.Dim(0), cotangents.Dim(1)
	c := &closing{
		backward: b,
		rows:     spans(n, max(1, 3*b.piece/2/(4*b.kept*max(d, shape.Heads*max(b.kept, shape.DHead))))),
		pieces:   spans(b.kept, max(1, b.piece/(4*d*max(shape.DMLP, n)))),
		scope:    mlx.NewScope(b.m.Device()),
	}
	defer func() { c.scope.Close() }()
	for _, rows := range c.rows {
		x := mlx.ExpandDims(rows.of(c.scope.Hold(cotangents), 0), 0)
		c.state = append(c.state, mlx.BroadcastTo(x, b.kept, rows.to-rows.from, d))
	}
	if err := mlx.Eval(c.state...); err != nil {
		return err
	}
	last := len(b.segments) - 1
	var err error
	if c.next, err = b.matrices(c.scope, c.scope, b.segments[last]); err != nil {
		return err
	}
	for i := last; i >= 0; i-- {
		if err := c.block(ctx, i, visit); err != nil {
			return fmt.Errorf("jacobian: from behind block %d to before it: %w", b.segments[i].from, err)
		}
	}
	return nil
}

// block takes cotangents of what leaves the block of segment i to those of what enters it, visits their mean, and makes the
// matrices of the next.
func (c *closing) block(ctx context.Context, i int, visit visitor) error {
	m, state := c.next, c.state
	before, between, behind := c.scope, mlx.NewScope(c.m.Device()), mlx.NewScope(c.m.Device())
	defer before.Close()
	defer between.Close()
	c.next, c.state, c.scope = nil, make([]*mlx.Array, len(c.rows)), behind

	mid := make([]*mlx.Array, len(c.pieces))
	err := c.on.each(ctx, len(c.pieces), func(work *mlx.Scope, k int) (err error) {
		y, err := joined(work, state, 1, c.pieces[k], 0)
		if err != nil {
			return err
		}
		mid[k], err = done(between, work, func(w *mlx.Scope) *mlx.Array { return m.mlp(w.Hold(y), c.pieces[k]) })
		return err
	})
	if err != nil {
		return err
	}
	for _, x := range state {
		x.Free()
	}
	return c.on.each(ctx, 1+len(c.rows), func(work *mlx.Scope, k int) (err error) {
		if k == 0 {
			if i > 0 {
				c.next, err = c.matrices(work, behind, c.segments[i-1])
			}
			return err
		}
		k, rows := k-1, c.rows[k-1]
		y, err := joined(work, mid, 0, rows, 1)
		if err != nil {
			return err
		}
		if c.state[k], err = m.attention(behind, work, y); err != nil {
			return err
		}
		if layer := c.segments[i].from - 1; c.source(layer) {
			return c.visit(work, layer, rows, c.state[k], visit)
		}
		return nil
	})
}

// visit visits the mean of some rows over the positions.
func (c *closing) visit(work *mlx.Scope, layer int, rows span, x *mlx.Array, visit visitor) error {
	mean, err := mlx.Data[float32](mlx.Scale(mlx.Sum(work.Hold(x), 0), 1/float64(c.kept)))
	if err != nil {
		return err
	}
	return visit(layer, rows.from, mean)
}
