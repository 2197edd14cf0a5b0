package lens

import (
	"context"
	"fmt"
	"time"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// A Reader reads the lens of passes that its caller runs, such as the single
// positions of a generation with a cache, after the edits that the caller makes: give Tap
// to the pass, evaluate what else is wanted of it, then Read.
type Reader struct {
	m      model.Model
	o      Options
	p      *plan
	scope  *mlx.Scope
	states []*mlx.Array
}

// NewReader checks what is asked. Every position of a pass is read; Check has no meaning
// here.
func NewReader(m model.Model, o Options) (*Reader, error) {
	if o.Check {
		return nil, fmt.Errorf("lens: a reader has no logits to check")
	}
	p, err := newPlan(m, &o)
	if err != nil {
		return nil, err
	}
	return &Reader{m: m, o: o, p: p}, nil
}

// Tap returns a tap for one pass; what an earlier pass left is dropped.
func (r *Reader) Tap() *model.Tap {
	r.Close()
	r.scope = mlx.NewScope(r.m.Device())
	r.states = make([]*mlx.Array, len(r.p.kept()))
	return r.p.tap(r.scope, r.states, nil)
}

// Read returns the lens of the last pass, whose ids these are: its Positions count
// from the first of them.
func (r *Reader) Read(ctx context.Context, ids []int) (*Grid, error) {
	if r.scope == nil {
		return nil, fmt.Errorf("lens: no pass had its tap")
	}
	defer r.Close()
	if err := edit.CheckIDs(ids, r.m.Shape().DVocab, "id"); err != nil {
		return nil, fmt.Errorf("lens: %w", err)
	}
	if err := r.p.complete(r.m, r.states, nil); err != nil {
		return nil, err
	}
	if err := r.last(len(ids)); err != nil {
		return nil, err
	}
	if err := mlx.Eval(there(r.states)...); err != nil {
		return nil, err
	}
	if n := r.p.reference(r.states).Dim(0); n != len(ids) {
		return nil, fmt.Errorf("lens: the pass had %d positions, and there are %d ids", n, len(ids))
	}
	start := time.Now()
	in := edit.Input{IDs: ids}
	for i := range ids {
		in.Positions = append(in.Positions, i)
	}
	scores, err := r.p.score(ctx, r.m, r.states, &r.o, func([][]score, int, int, float64) {})
	if err != nil {
		return nil, err
	}
	experts := chosen{}
	if err := r.p.readExperts(r.m, r.states, experts); err != nil {
		return nil, err
	}
	g := r.p.grid(r.m, in, scores, 0, &r.o)
	experts.put(g, 0)
	g.Timing.Lens = time.Since(start).Seconds()
	if err := g.finite(); err != nil {
		return nil, err
	}
	return g, nil
}

// last completes the states of a rank that lacks the last layer.
func (r *Reader) last(n int) error {
	part := r.m.Part()
	if part == nil {
		return nil
	}
	at := r.p.rows[len(r.p.rows)-1].state
	h, err := part.Spread(r.scope, r.states[at], r.m.Shape().Layers-1, n, r.m.Shape().DModel)
	r.states[at] = h
	return err
}

// Close drops what was not read.
func (r *Reader) Close() {
	if r.scope != nil {
		r.scope.Close()
		r.scope, r.states = nil, nil
	}
}
