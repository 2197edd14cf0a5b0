package model

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
)

// Part is what a process holds of a model that several hold together.
type Part struct {
	Span
	Ranks *Ranks // nil: there are no others, and passes go through these layers alone
	Spans []Span // what each rank holds
}

// Held returns the layers that a process holds: all of a model that is whole.
func Held(m Model) Span {
	if p := m.Part(); p != nil {
		return p.Span
	}
	return Span{0, m.Shape().Layers}
}

// Computes reports whether a process computes what passes a place: of a model that is whole all of them, on ranks those of
// its layers, the first one the embeddings, and every one what comes behind the last block.
func Computes(m Model, at Place) bool { return at.AfterBlocks() || Held(m).Has(at.Layer) }

// Free returns how many bytes of a bound MLX's arrays leave. On ranks it is the least that any has left, so that all
// divide the work alike.
func Free(m Model, bound int64) (int64, error) {
	left := bound - int64(mlx.ActiveMemory())
	if m.Part() == nil {
		return left, nil
	}
	return m.Part().Ranks.Least(left)
}

// Whole returns an error for a model of which other processes hold layers, for who needs all of it.
func Whole(m Model, what string) error {
	p := m.Part()
	if p == nil {
		return nil
	}
	return fmt.Errorf("%s does not run on ranks: it needs all layers in one process, and this one holds %s of %d", what, p.Span, m.Shape().Layers)
}

// pipeline is through for ranks that each hold some of the blocks: the one that holds block from begins, with x, and each
// next one goes on with what the one before sends. What comes out goes round, so that every rank returns it. All is
// evaluated on the way.
func (t *Transformer) pipeline(x func() *mlx.Array, pass *Pass, from, blocks int) *mlx.Array {
	h, err := t.alongRanks(x, pass, from, blocks)
	if err != nil {
		return mlx.Failed("stream", err)
	}
	pass.Cache.advance(pass.Tokens.Dim(1))
	return h
}

func (t *Transformer) alongRanks(begin func() *mlx.Array, pass *Pass, from, blocks int) (*mlx.Array, error) {
	r := t.Held.Ranks
	if r == nil {
		return nil, fmt.Errorf("model: a pass through blocks %d to %d: this process holds %s alone", from, blocks, t.Held.Span)
	}
	if err := r.goOn(); err != nil {
		return nil, err
	}
	first, last := t.stages(from, blocks)
	shape := []int{pass.Tokens.Dim(0), pass.Tokens.Dim(1), t.Sizes.DModel}
	var h *mlx.Array
	own := r.Rank() >= first && r.Rank() <= last
	if own {
		var passOn bool
		var err error
		if r.Rank() == first {
			h = begin()
		} else {
			h, passOn, err = r.receive(pass.scope, shape)
		}
		if err == nil {
			h, err = t.ownBlocks(h, pass, from, blocks)
			passOn = true
		}
		if err != nil {
			return nil, t.Held.tell(err, passOn)
		}
		if err := r.send(h, nil); err != nil {
			return nil, err
		}
	}
	if r.Rank() == last {
		return h, nil
	}
	return t.Held.follow(pass.scope, last, shape) // what came out of the last stage goes round
}

// Spread gives every rank an array of the one that holds a layer, in scope; h is that on this rank, and shape its.
func (p *Part) Spread(scope *mlx.Scope, h *mlx.Array, layer int, shape ...int) (*mlx.Array, error) {
	from := slices.IndexFunc(p.Spans, func(s Span) bool { return s.Has(layer) })
	if p.Ranks.Rank() != from {
		return p.follow(scope, from, shape)
	}
	return h, p.Ranks.send(h, nil)
}

// follow receives what goes round from a rank, and sends it on unless that is the next.
func (p *Part) follow(scope *mlx.Scope, from int, shape []int) (*mlx.Array, error) {
	h, passOn, err := p.Ranks.receive(scope, shape)
	if err != nil {
		return nil, p.tell(err, passOn)
	}
	if p.Ranks.right() != from {
		err = p.Ranks.send(h, nil)
	}
	return h, err
}

// stages returns the ranks that a pass from block from to blocks goes through; the one that holds block from where it goes
// through none.
func (t *Transformer) stages(from, blocks int) (first, last int) {
	for rank, s := range t.Held.Spans {
		if s.Has(min(from, t.Sizes.Layers-1)) {
			first, last = rank, rank
		}
	}
	for rank, s := range t.Held.Spans {
		if blocks > from && s.Has(blocks-1) {
			last = rank
		}
	}
	return first, last
}

// ownBlocks goes through those of the blocks that are held, and computes what comes out.
func (t *Transformer) ownBlocks(h *mlx.Array, pass *Pass, from, blocks int) (*mlx.Array, error) {
	own := t.Held.within(from, blocks)
	for i := own.From; i < own.To; i++ {
		h = mlx.Within(h, func(x *mlx.Array) *mlx.Array { return t.Blocks[i].Forward(x, i, pass) })
	}
	return h, mlx.Eval(h)
}

// tell sends an error on to the next rank, which waits for something, and names who has it.
func (p *Part) tell(err error, passOn bool) error {
	r := p.Ranks
	if !passOn {
		return err
	}
	said := err
	if !errors.Is(err, ErrRanks) {
		said = fmt.Errorf("rank %d: %w", r.Rank(), err)
	}
	_ = r.send(nil, said) // this rank's error is the one to tell of
	return r.end(err)
}
