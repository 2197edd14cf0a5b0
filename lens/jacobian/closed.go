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
// Cotangents are kept as [pos, d_model, row], in pieces of a few positions with all rows, which share a position's matrices, and so that a head's
// are no part of a matrix' rows: MLX copies such an operand of a product, by elements. A piece goes by itself
// from the values and keys of one block through the MLP, to z and to the queries of the block before; then some rows of a kv head
// go by themselves from z at the positions from a run's on to its values and keys: keys behind a query have no pairs with it. So the last run of a
// block is done, and goes on to the block before, while its first is under way, and no lane waits for all. What they hold is small: the processor's
// caches have much of it, and the C library reuses its memory. They are the same for any number of lanes, and so are the sums.

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

// closedBytes estimates what n rows take at most: between blocks and in them, by runs of which two more are under way; a block's pairs of
// queries and keys, and those of a run that are made; what else is made of a block, while that of the next is made; and what is under way in lanes.
func closedBytes(shape model.Shape, lanes, n, positions, keys int) int64 {
	d, h, run := shape.DModel, shape.DHead, min(positions, runLength)
	streams := (positions + 2*run) * n * (d + (shape.Heads+2*shape.KVHeads)*h)
	pairs := shape.Heads * (positions*(positions+run)/2*(h+1) + 2*run*positions*h)
	block := shape.Heads*positions*(h*h+keys) + d*(3*shape.DMLP+2*(shape.Heads+shape.KVHeads)*h)
	made := (shape.Heads*positions+shape.KVHeads*keys)*h*h + 2*keys*(shape.Heads*keys+2*shape.DMLP)
	return 4*int64(streams+pairs+2*block+made) + int64(lanes)*5*pieceBytes
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
	scope      *mlx.Scope
	cotangents *mlx.Array // [d_model, row]
	pieces     []span     // of positions, of which each goes by itself from a block's values and keys through the block before
	runs       []span     // of pieces, whose queries see keys together
	tasks      []task     // of which each goes by itself from z of a run, and of those behind it, to the run's values and keys
	blocks     []*closed
	jobs       []*job
}

// task are some rows of a kv head.
type task struct {
	kv   int
	rows span
}

// runLength is about how many positions a run has. Half the square of it are pairs of a query with a key behind it.
const runLength = 32

// closed is a block that rows go back through.
type closed struct {
	segment *segment
	m       *matrices
	scope   *mlx.Scope // owns m
	after   *mlx.Scope // owns what of m is needed when the rows have left it
	last    *matrices  // that

	// of the rows that leave the block: by pieces, [T', d_model, row], what comes by the same positions, [T', 1, row], what
	// its norm takes of it, z, and the sum over the positions
	mid, along, z, sums []*mlx.Array
	// by tasks and runs: z, and [T', d_head, row'], what comes by values and keys
	heads, values, keys [][]*mlx.Array
	paired              [][]*job // by runs: those of the tasks
}

// closedRows is rows by the blocks' matrices.
func (b *backward) closedRows(ctx context.Context, cotangents *mlx.Array, visit visitor) error {
	if len(b.on) > 1 {
		defer mlx.OneBLASThread()()
	}
	shape := b.m.Shape()
	n, d := cotangents.Dim(0), cotangents.Dim(1)
	c := &closing{backward: b, scope: mlx.NewScope(b.m.Device())}
	defer c.close()
	c.cotangents = mlx.Contiguous(mlx.Swapaxes(c.scope.Hold(cotangents), 0, 1))
	if err := mlx.Eval(c.cotangents); err != nil {
		return err
	}
	c.pieces = spans(b.kept, max(1, b.piece/(4*d*max(shape.DMLP, n))))
	runs := (b.kept + runLength - 1) / runLength
	c.runs = spans(len(c.pieces), (len(c.pieces)+runs-1)/runs)
	run := min(b.kept, runLength)
	for _, rows := range spans(n, max(1, b.piece/(4*shape.Heads/shape.KVHeads*run*max(run, shape.DHead)))) {
		for kv := range shape.KVHeads {
			c.tasks = append(c.tasks, task{kv, rows})
		}
	}
	c.plan(visit)
	return b.on.run(ctx, c.jobs)
}

// close frees what an error left.
func (c *closing) close() {
	for _, b := range c.blocks {
		b.scope.Close()
		b.after.Close()
	}
	c.scope.Close()
}

// plan puts the jobs in order. A block's runs go backward: the keys of the last have no pairs with queries of others.
func (c *closing) plan(visit visitor) {
	var above, next *closed
	next, made := c.block(len(c.segments) - 1)
	for i := len(c.segments) - 1; i >= 0; i-- {
		block, wait := next, made
		var all []*job
		for r := len(c.runs) - 1; r >= 0; r-- {
			if r == 0 && i > 0 {
				next, made = c.block(i - 1)
			}
			leave := c.leave(above, r, func(work *mlx.Scope, k int, y *mlx.Array) error {
				block.sums[k] = sum(y)
				m := block.m
				block.mid[k], block.along[k], block.z[k] = m.query(m.mlp(y, c.pieces[k]), c.pieces[k])
				return block.at(done(work, block.sums[k], block.mid[k], block.along[k], block.z[k]))
			}, wait)
			seen := c.do(func(work *mlx.Scope) error { return block.at(block.m.see(work, block.scope, r)) }, wait)
			c.pair(block, r, append(slices.Clone(leave), seen))
			all = append(all, leave...)
		}
		c.visit(above, block.sums, block.segment.to-1, visit, all)
		above = block
	}
	sums := c.perPiece()
	var all []*job
	for r := len(c.runs) - 1; r >= 0; r-- {
		all = append(all, c.leave(above, r, func(work *mlx.Scope, k int, y *mlx.Array) error {
			sums[k] = sum(y)
			return done(work, sums[k])
		})...)
	}
	c.visit(above, sums, above.segment.from-1, visit, all)
}

// do adds a job, behind others.
func (c *closing) do(do func(work *mlx.Scope) error, behind ...*job) *job {
	j := newJob(do, behind...)
	c.jobs = append(c.jobs, j)
	return j
}

// perPiece is room for an array of each piece.
func (c *closing) perPiece() []*mlx.Array { return make([]*mlx.Array, len(c.pieces)) }

// perTask is room for an array of each task and run.
func (c *closing) perTask() [][]*mlx.Array {
	all := make([][]*mlx.Array, len(c.tasks))
	for t := range all {
		all[t] = make([]*mlx.Array, len(c.runs))
	}
	return all
}

// block is that of segment i, whose matrices the job makes.
func (c *closing) block(i int) (*closed, *job) {
	device := c.m.Device()
	b := &closed{
		segment: c.segments[i], scope: mlx.NewScope(device), after: mlx.NewScope(device),
		mid: c.perPiece(), along: c.perPiece(), z: c.perPiece(), sums: c.perPiece(),
		heads: c.perTask(), values: c.perTask(), keys: c.perTask(), paired: make([][]*job, len(c.runs)),
	}
	c.blocks = append(c.blocks, b)
	return b, c.do(func(work *mlx.Scope) (err error) {
		if b.m, err = c.matrices(work, b.scope, b.segment, c.seen()); err == nil {
			b.last = b.m.last(b.after)
		}
		return b.at(err)
	})
}

// at says of which block an error is.
func (b *closed) at(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("jacobian: back through block %d: %w", b.segment.from, err)
}

// seen are the runs as positions.
func (c *closing) seen() []span {
	all := make([]span, len(c.runs))
	for i, r := range c.runs {
		all[i] = span{c.pieces[r.from].from, c.pieces[r.to-1].to}
	}
	return all
}

// leave has to do with y, the cotangents of what leaves a block, for each piece of a run, as soon as those of the values and keys of the block
// above are there, and behind another job. Then it frees these.
func (c *closing) leave(above *closed, run int, do func(work *mlx.Scope, piece int, y *mlx.Array) error, behind ...*job) (jobs []*job) {
	if above != nil {
		behind = append(behind, above.paired[run]...)
	}
	for k := c.runs[run].from; k < c.runs[run].to; k++ {
		jobs = append(jobs, c.do(func(work *mlx.Scope) error {
			y, err := c.leaves(work, above, run, k)
			if err != nil {
				return err
			}
			return do(work, k, y)
		}, behind...))
	}
	if above != nil {
		c.do(func(*mlx.Scope) error {
			for t := range c.tasks {
				above.values[t][run].Free()
				above.keys[t][run].Free()
			}
			return nil
		}, jobs...)
	}
	return jobs
}

// leaves are cotangents of what leaves a block, at the positions of a piece. It frees what it is made of.
func (c *closing) leaves(work *mlx.Scope, above *closed, run, k int) (*mlx.Array, error) {
	at := c.pieces[k]
	if above == nil {
		return mlx.BroadcastTo(work.Hold(c.cotangents), at.to-at.from, c.cotangents.Dim(0), c.cotangents.Dim(1)), nil
	}
	step := work.NewScope()
	defer step.Close()
	y, along := step.Hold(above.mid[k]), step.Hold(above.along[k])
	above.mid[k].Free()
	above.along[k].Free()
	first := c.pieces[c.runs[run].from].from
	within := span{at.from - first, at.to - first} // the run
	kv := c.m.Shape().KVHeads
	var rows []*mlx.Array
	for i := 0; i < len(c.tasks); i += kv {
		var heads []*mlx.Array
		for _, by := range [][][]*mlx.Array{above.values, above.keys} {
			for _, x := range by[i : i+kv] {
				heads = append(heads, within.of(step.Hold(x[run]), 0))
			}
		}
		rows = append(rows, mlx.Concatenate(1, heads...))
	}
	all, err := c.on.step(work, step, above.last.keys(y, along, mlx.Concatenate(2, rows...), at))
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// sum is that of a piece's positions, [1, d_model·row], as a product: MLX adds rows of few numbers one by one.
func sum(y *mlx.Array) *mlx.Array {
	return mlx.Matmul(mlx.Ones(y.Scope(), mlx.Float32, 1, y.Dim(0)), mlx.Reshape(y, y.Dim(0), -1))
}

// pair takes tasks from z of a run, and of those behind it, to the run's values and keys, when its pieces have left the block.
func (c *closing) pair(b *closed, run int, behind []*job) {
	for i, t := range c.tasks {
		wait := behind
		if run+1 < len(c.runs) {
			wait = append(slices.Clone(behind), b.paired[run+1][i])
		}
		b.paired[run] = append(b.paired[run], c.do(func(work *mlx.Scope) error {
			z, err := c.of(work, b.z[c.runs[run].from:c.runs[run].to], t)
			if err != nil {
				return err
			}
			b.heads[i][run] = z
			b.values[i][run], b.keys[i][run] = b.m.pair(work, t.kv, run, b.heads[i])
			err = done(work, z, b.values[i][run], b.keys[i][run])
			if run == 0 {
				free(b.heads[i])
			}
			return b.at(err)
		}, wait...))
	}
	c.do(func(*mlx.Scope) error {
		free(b.z[c.runs[run].from:c.runs[run].to])
		if run == 0 {
			b.scope.Close()
		}
		return nil
	}, b.paired[run]...)
}

// of are the cotangents of z that a task takes of a run's pieces, [group, T', d_head, row].
func (c *closing) of(work *mlx.Scope, z []*mlx.Array, t task) (*mlx.Array, error) {
	shape := c.m.Shape()
	group := shape.Heads / shape.KVHeads
	step := work.NewScope()
	defer step.Close()
	var run []*mlx.Array
	for _, x := range z { // [T', head, d_head, row]
		x = span{t.kv * group, (t.kv + 1) * group}.of(step.Hold(x), 1)
		run = append(run, mlx.Swapaxes(t.rows.of(x, 3), 0, 1))
	}
	all, err := c.on.step(work, step, mlx.Concatenate(1, run...))
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// visit visits the mean over the positions of what leaves a layer, of the sums of pieces, when all have left it, and frees what the block
// above had for them.
func (c *closing) visit(above *closed, sums []*mlx.Array, layer int, visit visitor, left []*job) {
	c.do(func(work *mlx.Scope) error {
		if above == nil {
			free(sums)
			return nil
		}
		above.after.Close()
		defer free(sums)
		if !c.source(layer) {
			return nil
		}
		all := work.Hold(sums[0])
		for _, s := range sums[1:] {
			all = mlx.Add(all, work.Hold(s))
		}
		all = mlx.Swapaxes(mlx.Reshape(all, c.cotangents.Shape()...), 0, 1)
		mean, err := mlx.Data[float32](mlx.Scale(all, 1/float64(c.kept)))
		if err != nil {
			return err
		}
		return visit(layer, 0, mean)
	}, left...)
}
