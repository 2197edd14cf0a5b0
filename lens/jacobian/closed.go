package jacobian

import (
	"context"
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Where many rows go back at once, what a block does to a position's cotangents is put together
// first, as matrices that serve all of them. Of the MLP at a position it is one [d_model, d_model], made by
// d_model·d_mlp·d_model multiplications instead of 3·d_model·d_mlp for each row. What comes back from z to a position's own
// query is another, with W_Q, and to another's key and value one for each pair of positions, which the pattern's
// softmax is part of. The projections of the norms are in them: nothing is left to be done by elements.
//
// Cotangents are kept as [pos, row, d_model], in pieces of a few positions with all rows, which share a position's matrices. A piece goes by itself
// from the values and keys of one block through the MLP, to z and to the queries of the block before; then some rows of a kv head
// go by themselves from z at all positions to its values and keys, in runs: keys behind a run's queries have no pairs with them. Pieces do not
// depend on each other, and go through lanes, as do rows of heads. What they hold is small: the processor's caches have much of it, and the C
// library reuses its memory. They are the same for any number of lanes, and so are the sums.

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
	streams := positions * n * (2*d + (shape.Heads+2*shape.KVHeads)*shape.DHead) // between two blocks, z, and values and keys
	pairs := 2 * shape.Heads * positions * keys * (2 + 2*shape.DHead)            // of a block, and of the next
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
	pieces []span // of positions, of which each goes by itself from a block's values and keys through the block before
	runs   []span // of pieces, whose queries see keys together
	tasks  []task // of which each goes by itself from z to the block's values and keys

	// of what entered the block that was gone through last: by pieces, [T', row, d_model], what comes by the same positions, and [T', row, 1],
	// what its norm takes of it; and by tasks, for each run, [T', row', d_head], what comes by their values and keys
	mid, along   []*mlx.Array
	values, keys [][]*mlx.Array
	last         *matrices  // of this block; nil at first
	next         *matrices  // of the block that comes next
	scope        *mlx.Scope // owns the matrices
}

// task are some rows of a kv head.
type task struct {
	kv   int
	rows span
}

// runLength is about how many positions a run has. Half the square of it are pairs of a query with a key behind it.
const runLength = 32

// closedRows is rows by the blocks' matrices.
func (b *backward) closedRows(ctx context.Context, cotangents *mlx.Array, visit visitor) error {
	if len(b.on) > 1 {
		defer mlx.OneBLASThread()()
	}
	shape := b.m.Shape()
	n, d := cotangents.Dim(0), cotangents.Dim(1)
	c := &closing{backward: b, scope: mlx.NewScope(b.m.Device())}
	defer func() { c.scope.Close() }()
	c.pieces = spans(b.kept, max(1, b.piece/(4*d*max(shape.DMLP, n))))
	runs := (b.kept + runLength - 1) / runLength
	c.runs = spans(len(c.pieces), (len(c.pieces)+runs-1)/runs)
	for _, rows := range spans(n, max(1, b.piece/(4*shape.Heads/shape.KVHeads*b.kept*max(shape.DHead, min(b.kept, runLength))))) {
		for kv := range shape.KVHeads {
			c.tasks = append(c.tasks, task{kv, rows})
		}
	}
	for _, at := range c.pieces {
		c.mid = append(c.mid, mlx.BroadcastTo(c.scope.Hold(cotangents), at.to-at.from, n, d))
	}
	last := len(b.segments) - 1
	var err error
	if c.next, err = b.matrices(c.scope, c.scope, b.segments[last], c.seen()); err != nil {
		return err
	}
	for i := last; i >= 0; i-- {
		if err := c.block(ctx, i, visit); err != nil {
			return fmt.Errorf("jacobian: from behind block %d to before it: %w", b.segments[i].from, err)
		}
	}
	return c.first(ctx, visit)
}

// seen are the runs as positions.
func (c *closing) seen() []span {
	all := make([]span, len(c.runs))
	for i, r := range c.runs {
		all[i] = span{c.pieces[r.from].from, c.pieces[r.to-1].to}
	}
	return all
}

// block takes cotangents of what leaves the block of segment i to those of what enters it, visits the mean of those that leave it, and
// makes the matrices of the next.
func (c *closing) block(ctx context.Context, i int, visit visitor) error {
	m, layer := c.next, c.segments[i].to-1
	before, behind := c.scope, mlx.NewScope(c.m.Device())
	defer before.Close()
	mid, along, z, sums := c.perPiece(), c.perPiece(), c.perPiece(), c.perPiece()
	err := c.on.each(ctx, len(c.pieces), func(work *mlx.Scope, k int) error {
		y, err := c.leaves(work, k)
		if err != nil {
			return err
		}
		sums[k] = sum(y)
		mid[k], along[k], z[k] = m.query(m.mlp(y, c.pieces[k]), c.pieces[k])
		return done(work, sums[k], mid[k], along[k], z[k])
	})
	if err != nil {
		return err
	}
	free(c.values...)
	free(c.keys...)
	c.mid, c.along, c.values, c.keys = mid, along, make([][]*mlx.Array, len(c.tasks)), make([][]*mlx.Array, len(c.tasks))
	c.last, c.next, c.scope = m.last(behind), nil, behind
	err = c.on.each(ctx, 2+len(c.tasks), func(work *mlx.Scope, k int) (err error) {
		switch {
		case k == 0 && i > 0:
			c.next, err = c.matrices(work, behind, c.segments[i-1], c.seen())
		case k == 1 && i < len(c.segments)-1 && c.source(layer):
			err = c.visit(work, layer, sums, visit)
		case k > 1:
			err = c.pair(work, m, z, k-2)
		}
		return err
	})
	free(z, sums)
	return err
}

// perPiece is room for an array of each piece.
func (c *closing) perPiece() []*mlx.Array { return make([]*mlx.Array, len(c.pieces)) }

// pair takes a task from z to values and keys.
func (c *closing) pair(work *mlx.Scope, m *matrices, z []*mlx.Array, task int) error {
	t := c.tasks[task]
	runs, err := c.of(work, z, t)
	if err != nil {
		return err
	}
	v, k := m.pair(t.kv, runs)
	c.values[task], c.keys[task] = v, k
	return done(work, append(v, k...)...)
}

// first visits the mean of cotangents of what enters the first of the blocks.
func (c *closing) first(ctx context.Context, visit visitor) error {
	sums := c.perPiece()
	err := c.on.each(ctx, len(c.pieces), func(work *mlx.Scope, k int) error {
		y, err := c.leaves(work, k)
		if err != nil {
			return err
		}
		sums[k] = sum(y)
		return done(work, sums[k])
	})
	if err != nil {
		return err
	}
	free(c.values...)
	free(c.keys...)
	defer free(sums)
	return c.visit(c.scope, c.segments[0].from-1, sums, visit)
}

// sum is that of a piece's positions, [1, row·d_model], as a product: MLX adds rows of few numbers one by one.
func sum(y *mlx.Array) *mlx.Array {
	return mlx.Matmul(mlx.Ones(y.Scope(), mlx.Float32, 1, y.Dim(0)), mlx.Reshape(y, y.Dim(0), -1))
}

// leaves are cotangents of what entered the last block, and so of what leaves the next, at the positions of a piece. It frees what it is made of.
func (c *closing) leaves(work *mlx.Scope, k int) (*mlx.Array, error) {
	step := work.NewScope()
	defer step.Close()
	y := step.Hold(c.mid[k])
	c.mid[k].Free()
	if c.last == nil {
		return work.Hold(y), nil
	}
	along := step.Hold(c.along[k])
	c.along[k].Free()
	var rows []*mlx.Array
	at, kv := c.pieces[k], c.m.Shape().KVHeads
	run := slices.IndexFunc(c.runs, func(r span) bool { return k < r.to })
	first := c.pieces[c.runs[run].from].from
	within := span{at.from - first, at.to - first} // the run
	for i := 0; i < len(c.tasks); i += kv {
		var heads []*mlx.Array
		for _, v := range c.values[i : i+kv] {
			heads = append(heads, within.of(step.Hold(v[run]), 0))
		}
		for _, k := range c.keys[i : i+kv] {
			heads = append(heads, within.of(step.Hold(k[run]), 0))
		}
		rows = append(rows, mlx.Concatenate(2, heads...))
	}
	y = c.last.keys(y, along, mlx.Concatenate(1, rows...), at)
	all, err := c.on.step(work, step, y)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// of are the cotangents of z that a task takes, by runs, [group, T', row, d_head].
func (c *closing) of(work *mlx.Scope, z []*mlx.Array, t task) ([]*mlx.Array, error) {
	shape := c.m.Shape()
	group := shape.Heads / shape.KVHeads
	all := make([]*mlx.Array, len(c.runs))
	step := work.NewScope()
	defer step.Close()
	for i, r := range c.runs {
		var run []*mlx.Array
		for _, x := range z[r.from:r.to] { // [T', row, head, d_head]
			x = t.rows.of(step.Hold(x), 1)
			x = span{t.kv * group, (t.kv + 1) * group}.of(x, 2)
			run = append(run, mlx.Transpose(x, 2, 0, 1, 3))
		}
		all[i] = mlx.Concatenate(1, run...)
	}
	return c.on.step(work, step, all...)
}

// visit visits the mean over the positions, of the sums of pieces.
func (c *closing) visit(work *mlx.Scope, layer int, sums []*mlx.Array, visit visitor) error {
	all := work.Hold(sums[0])
	for _, s := range sums[1:] {
		all = mlx.Add(all, work.Hold(s))
	}
	mean, err := mlx.Data[float32](mlx.Scale(all, 1/float64(c.kept)))
	if err != nil {
		return err
	}
	return visit(layer, 0, mean)
}
