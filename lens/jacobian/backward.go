package jacobian

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// backward is a prompt's way back from the stream behind the last block to that behind each source
// layer. Cotangents stand at the positions of V = [skip, n), n being the prompt's length without its last position,
// and so does all that is asked of a gradient. What is before V is a constant, whose keys and values a
// cache has; what is behind it nothing of V depends on.
type backward struct {
	m        model.Model
	sources  []int // layers, ascending
	segments []*segment
	tokens   *mlx.Array // those of V, [1, pos]
	tap      *model.Tap
	scope    *mlx.Scope
	kept     int         // positions in V
	ways     map[int]way // by a segment's first block; the same for all prompts

	// where the rows go back by the blocks' matrices
	parted map[int]*model.Parts // by block; else nil
	on     lanes
	piece  int        // about what the largest array of a piece takes, in bytes
	all    *mlx.Array // the tokens of all positions, [1, n]
}

// segment is a run of blocks that are gone through together: one, where a pass can begin
// behind each.
type segment struct {
	from, to int
	whole    *mlx.Array   // the stream that enters it at all positions, where its matrices will be asked for
	enters   *mlx.Array   // the stream that enters it, [1, pos, d_model] of V; nil before the first block
	before   *model.Cache // what the blocks remember of the positions before V; nil: there are none
	inner    []int        // source layers whose stream is inside
}

// newBackward runs a prompt forward once. ids: at least skip + 2. parted: of the blocks, where their matrices are wanted.
func newBackward(ctx context.Context, m model.Model, ids, sources []int, skip int, ways map[int]way, parted map[int]*model.Parts) (*backward, error) {
	on, err := lanesOf(m.Device())
	if err != nil {
		return nil, err
	}
	b := &backward{m: m, sources: sources, ways: ways, parted: parted, on: on, piece: pieceBytes, scope: mlx.NewScope(m.Device()), kept: len(ids) - 1 - skip, tap: &model.Tap{Lengths: []int{len(ids)}}}
	if err := b.forward(ctx, ids[:len(ids)-1], skip); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// parts returns the segments of a model above the lowest source layer, in forward order.
func parts(m model.Model, sources []int) []*segment {
	shape := m.Shape()
	from := sources[0] + 1
	if !shape.Resumable(from) {
		from = 0
	}
	var all []*segment
	for at := from; at < shape.Layers; {
		s := &segment{from: at, to: at + 1}
		for s.to < shape.Layers && !shape.Resumable(s.to) {
			s.to++
		}
		for layer := s.from; layer < s.to-1; layer++ {
			if slices.Contains(sources, layer) {
				s.inner = append(s.inner, layer)
			}
		}
		all = append(all, s)
		at = s.to
	}
	return all
}

func (b *backward) forward(ctx context.Context, ids []int, skip int) error {
	b.segments = parts(b.m, b.sources)
	tokens := model.Tokens(b.scope, ids)
	b.all = tokens
	b.tokens = mlx.Slice(tokens, 1, mlx.Between(skip, len(ids)))
	var places []model.Place
	for _, s := range b.segments {
		if s.from > 0 {
			places = append(places, model.Place{Site: model.ResidPost, Layer: s.from - 1})
		}
	}
	pass := b.scope.NewScope()
	defer pass.Close()
	keep, states := model.Keep(pass, places)
	tap := (&model.Tap{Lengths: b.tap.Lengths}).Then(keep)
	if last := model.Reach(b.m, pass.Hold(tokens), nil, tap, places); last.Err() != nil {
		return last.Err()
	}
	if err := mlx.Eval(states...); err != nil {
		return err
	}
	before := pass.Hold(mlx.Slice(tokens, 1, mlx.Between(0, skip)))
	for _, s := range b.segments {
		if err := ctx.Err(); err != nil {
			return err
		}
		var h *mlx.Array
		if s.from > 0 {
			h, states = states[0], states[1:]
			if b.parted != nil {
				s.whole = b.scope.Hold(h)
				continue
			}
			s.enters = b.scope.Hold(mlx.Contiguous(mlx.Slice(h, 1, mlx.Between(skip, len(ids)))))
			if err := mlx.Eval(s.enters); err != nil {
				return err
			}
			h = mlx.Slice(h, 1, mlx.Between(0, skip))
		}
		if skip == 0 {
			continue
		}
		s.before = model.NewCache(b.m)
		if out := b.through(s, h, before, s.before, b.tap); out.Err() != nil {
			return out.Err()
		}
		if err := s.before.Eval(); err != nil {
			return err
		}
	}
	return nil
}

// through maps what enters a segment to what leaves it.
func (b *backward) through(s *segment, h, tokens *mlx.Array, cache *model.Cache, tap *model.Tap) *mlx.Array {
	if s.from == 0 {
		return b.m.Stream(tokens, cache, tap, s.to)
	}
	return b.m.Resume(h, tokens, cache, tap, s.from, s.to)
}

// visitor takes rows of a layer's J, [row, d_model] float32, of the cotangents from that index on.
type visitor func(layer, from int, rows []float32) error

// rows calls visit with the rows of J that cotangents give, for each source layer, the last first: with all at once, or from several
// goroutines with some each. cotangents: [n, d_model].
func (b *backward) rows(ctx context.Context, cotangents *mlx.Array, visit visitor) error {
	if b.parted != nil {
		return b.closedRows(ctx, cotangents, visit)
	}
	n, d := cotangents.Dim(0), cotangents.Dim(1)
	scope := mlx.NewScope(b.m.Device())
	defer scope.Close()
	back := mlx.BroadcastTo(mlx.ExpandDims(scope.Hold(cotangents), 1), n, b.kept, d) // [n, pos, d_model]
	for i := len(b.segments) - 1; i >= 0; i-- {
		if err := ctx.Err(); err != nil {
			return err
		}
		s := b.segments[i]
		products, err := b.back(scope, s, back)
		if err != nil {
			return fmt.Errorf("jacobian: from behind block %d to before block %d: %w", s.to-1, s.from, err)
		}
		layers := s.inner
		if back.Free(); s.from > 0 {
			back = products[0]
			layers = append([]int{s.from - 1}, s.inner...)
		}
		for k := len(layers) - 1; k >= 0; k-- {
			if !b.source(layers[k]) {
				continue
			}
			if err := mean(products[k], layers[k], visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// source reports whether a layer gets a matrix.
func (b *backward) source(layer int) bool { return slices.Contains(b.sources, layer) }

// mean is that over the positions, [n, d_model].
func mean(gradient *mlx.Array, layer int, visit visitor) error {
	rows := mlx.Mean(mlx.AsType(gradient, mlx.Float32), 1)
	defer rows.Free()
	x, err := mlx.Data[float32](rows)
	if err != nil {
		return err
	}
	return visit(layer, 0, x)
}

// back takes cotangents [n, pos, d_model] of what leaves a segment to those of what enters it, if it is
// not the first, and of the streams inside. The segment runs forward once for all cotangents, where MLX
// can map its gradient over them; else once for each.
func (b *backward) back(scope *mlx.Scope, s *segment, cotangents *mlx.Array) ([]*mlx.Array, error) {
	work := scope.NewScope()
	defer work.Close()
	cotangents = work.Hold(cotangents)
	way := b.ways[s.from]
	if way == unknown {
		way = b.choose(work, s, cotangents)
		b.ways[s.from] = way
	}
	products := b.products(s, cotangents, way)
	if err := mlx.Eval(products...); err != nil {
		return nil, err
	}
	for i, p := range products {
		products[i] = scope.Hold(p)
	}
	return products, nil
}

// way is how a segment's gradients are computed.
type way int

const (
	unknown way = iota
	mapped      // one run forward, its gradient mapped over the cotangents
	rerun       // a run forward for each cotangent
)

// agree is how far the two ways may be apart, as a part of the largest number: they differ in how
// products of other shapes are rounded.
const agree = 1e-3

// choose compares the two ways for one cotangent: some operations of MLX have no rule for being mapped, and a rule
// that is wrong would give wrong numbers.
func (b *backward) choose(scope *mlx.Scope, s *segment, cotangents *mlx.Array) way {
	one := mlx.Slice(cotangents, 0, mlx.Between(0, 1))
	want, got := b.products(s, one, rerun), b.products(s, one, mapped)
	if len(want) != len(got) {
		return rerun
	}
	for i := range want {
		largest := mlx.Max(mlx.Abs(want[i]))
		apart := mlx.Divide(mlx.Max(mlx.Abs(mlx.Subtract(got[i], want[i]))), mlx.Maximum(largest, mlx.Scalar(scope, float32(math.SmallestNonzeroFloat32))))
		x, err := mlx.Data[float32](mlx.AsType(apart, mlx.Float32))
		if err != nil || !(x[0] <= agree) {
			return rerun
		}
	}
	return mapped
}

// products are the vector-Jacobian products of a segment with cotangents [n, pos, d_model].
func (b *backward) products(s *segment, cotangents *mlx.Array, w way) []*mlx.Array {
	if w == rerun {
		return b.product(s, cotangents)
	}
	return mlx.Vmap(func(x []*mlx.Array) []*mlx.Array {
		products := b.product(s, mlx.ExpandDims(x[0], 0))
		for i, p := range products {
			products[i] = mlx.Squeeze(p, 0)
		}
		return products
	}, nil, nil)([]*mlx.Array{cotangents})
}

// product runs a segment for n sequences, and back.
func (b *backward) product(s *segment, cotangents *mlx.Array) []*mlx.Array {
	scope, n, d := cotangents.Scope(), cotangents.Dim(0), b.m.Shape().DModel
	var primals []*mlx.Array
	if s.from > 0 {
		primals = append(primals, mlx.BroadcastTo(scope.Hold(s.enters), n, b.kept, d))
	}
	for range s.inner {
		primals = append(primals, mlx.Zeros(scope, mlx.Float32, n, b.kept, d))
	}
	tokens := mlx.BroadcastTo(scope.Hold(b.tokens), n, b.kept)
	lengths := &model.Tap{Lengths: slices.Repeat(b.tap.Lengths, n)}
	_, products := mlx.VJP(func(x []*mlx.Array) []*mlx.Array {
		var cache *model.Cache
		if s.before != nil {
			cache = s.before.Fork(n)
			defer cache.Close()
		}
		var h *mlx.Array
		if s.from > 0 {
			h, x = x[0], x[1:]
		}
		shift := &model.Tap{
			Wanted: func(at model.Place) bool {
				return at.Site == model.ResidPost && slices.Contains(s.inner, at.Layer)
			},
			Visit: func(at model.Place, y *mlx.Array) *mlx.Array {
				return mlx.Add(y, mlx.AsType(x[slices.Index(s.inner, at.Layer)], y.Dtype()))
			},
		}
		return []*mlx.Array{b.through(s, h, tokens, cache, lengths.Then(shift))}
	}, primals, []*mlx.Array{cotangents})
	return products
}

// Close frees what is kept of the prompt.
func (b *backward) Close() {
	for _, s := range b.segments {
		if s.before != nil {
			s.before.Close()
		}
	}
	b.scope.Close()
}
