package lens

import (
	"context"
	"fmt"
	"time"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// A Watch reads the lens of passes that its caller runs, such as the single
// positions of a generation with a cache: give Tap to the pass, evaluate what else is
// wanted of it, then Read.
type Watch struct {
	m      model.Model
	o      Options
	p      *reading
	scope  *mlx.Scope
	states []*mlx.Array
}

// NewWatch checks what is asked. Every position of a pass is read; Positions and Check
// have no meaning here.
func NewWatch(m model.Model, o Options) (*Watch, error) {
	if o.Positions != nil || o.Check || o.Edits != nil {
		return nil, fmt.Errorf("lens: a watch reads every position of a pass, has no logits to check, and edits nothing")
	}
	p, err := planRows(m, &o)
	if err != nil {
		return nil, err
	}
	return &Watch{m: m, o: o, p: p}, nil
}

// Tap returns a tap for one pass; what an earlier pass left is dropped.
func (w *Watch) Tap() *model.Tap {
	w.Close()
	w.scope = mlx.NewScope(w.m.Device())
	w.states = make([]*mlx.Array, len(w.p.places))
	return w.p.tap(w.scope, w.states, nil)
}

// Read returns the lens of the last pass, whose ids these are: its Positions count
// from the first of them.
func (w *Watch) Read(ctx context.Context, ids []int) (*Grid, error) {
	if w.scope == nil {
		return nil, fmt.Errorf("lens: no pass was watched")
	}
	defer w.Close()
	if err := inVocabulary(ids, w.m.Shape().DVocab, "id"); err != nil {
		return nil, err
	}
	if err := w.p.complete(w.states, nil); err != nil {
		return nil, err
	}
	if err := mlx.Eval(w.states...); err != nil {
		return nil, err
	}
	if n := w.states[0].Dim(0); n != len(ids) {
		return nil, fmt.Errorf("lens: the pass had %d positions, and there are %d ids", n, len(ids))
	}
	start := time.Now()
	prompt := Prompt{IDs: ids}
	for i := range ids {
		prompt.Positions = append(prompt.Positions, i)
	}
	scores, err := w.p.score(ctx, w.m, w.states, &w.o, func(float64) {})
	if err != nil {
		return nil, err
	}
	g := w.p.grid(w.m, prompt, scores, 0, &w.o)
	g.Timing.Lens = time.Since(start).Seconds()
	return g, nil
}

// Close drops what was not read.
func (w *Watch) Close() {
	if w.scope != nil {
		w.scope.Close()
		w.scope, w.states = nil, nil
	}
}

// Append adds the columns of a grid with the same rows, which goes on where g ends.
func (g *Grid) Append(next *Grid) error {
	if len(g.Rows) != len(next.Rows) {
		return fmt.Errorf("lens: grids of %d and %d rows cannot be joined", len(g.Rows), len(next.Rows))
	}
	for i, row := range g.Rows {
		if row != next.Rows[i] {
			return fmt.Errorf("lens: grids with row %s and row %s cannot be joined", row, next.Rows[i])
		}
	}
	for _, at := range next.Positions {
		g.Positions = append(g.Positions, len(g.Tokens)+at)
	}
	g.Tokens = append(g.Tokens, next.Tokens...)
	for r := range g.Cells {
		g.Cells[r] = append(g.Cells[r], next.Cells[r]...)
	}
	g.Tracked = append(g.Tracked, next.Tracked...)
	g.Final = next.Final
	g.Timing.Forward += next.Timing.Forward
	g.Timing.Lens += next.Timing.Lens
	return nil
}
