package lens

import (
	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// stream reads a side's states part by part.
type stream struct {
	*run
	cache    *model.Cache
	scope    *mlx.Scope
	from, to int          // the part that states are of
	first    int          // the number, among the positions read, of its first
	states   []*mlx.Array // [positions read in the part, d_model]
	longest  int
}

// newStream checks a side, whose positions are resolved.
func newStream(side Side, o Options) (*stream, error) {
	if err := model.Whole(side.Model, "lens: a comparison"); err != nil {
		return nil, err
	}
	p, err := newPlan(side.Model, &o)
	if err != nil {
		return nil, err
	}
	batch, err := p.batch(side.Model, []edit.Input{side.Input})
	if err != nil {
		return nil, err
	}
	if err := p.fit(side.Model, 1, batch.Longest, batch.Reads(), &o); err != nil {
		return nil, err
	}
	s := &stream{run: &run{plan: p, m: side.Model, o: &o, batch: batch, worked: func(float64) {}, experts: chosen{}}, longest: batch.Longest}
	if s.longest > p.room.pass {
		s.cache = model.NewCache(side.Model)
	}
	return s, nil
}

// share computes both sides in one pass where they are of one model, and fit it together.
func (c *comparing) share(sides [2]Side) error {
	a, b := c.sides[0], c.sides[1]
	if a.m != b.m || a.o.MaxMemory > 0 || 2*max(a.longest, b.longest) > a.room.pass {
		return nil
	}
	both := *a.run
	var err error
	if both.batch, err = both.plan.batch(a.m, []edit.Input{a.batch.Inputs[0], b.batch.Inputs[0]}); err != nil {
		return err
	}
	a.scope = mlx.NewScope(a.m.Device())
	b.scope = a.scope.NewScope()
	longest := both.batch.Longest
	states, _, err := both.trace(a.scope, 0, longest, nil)
	if err != nil {
		return err
	}
	n := a.batch.Reads()
	for _, h := range states {
		a.states = append(a.states, mlx.Slice(h, 0, mlx.Between(0, n)))
		b.states = append(b.states, b.scope.Hold(mlx.Slice(h, 0, mlx.Between(n, h.Dim(0)))))
	}
	a.to, b.to = longest, longest
	return nil
}

func (s *stream) close() {
	if s == nil {
		return
	}
	if s.scope != nil {
		s.scope.Close()
	}
	if s.cache != nil {
		s.cache.Close()
	}
}

func (c *comparing) close() {
	for _, s := range c.sides {
		s.close()
	}
}

// reach computes the parts up to the one that a position is in.
func (s *stream) reach(position int) error {
	for position >= s.to {
		if s.scope != nil {
			if s.states != nil {
				s.first += s.states[0].Dim(0)
			}
			s.scope.Close()
			mlx.TrimCache()
		}
		s.scope = mlx.NewScope(s.m.Device())
		s.from, s.to = s.to, min(s.to+s.room.pass, s.longest)
		var err error
		if s.states, _, err = s.trace(s.scope, s.from, s.to, s.cache); err != nil {
			return err
		}
	}
	return nil
}

// logits returns a row's logits [n, d_vocab] of the positions read from number i on.
func (s *stream) logits(scope *mlx.Scope, r, i, n int) *mlx.Array {
	row := s.rows[r]
	var by unembedding = s.m
	if head, ok := row.translator.(Head); ok {
		by = head
	}
	h := mlx.AsType(mlx.Slice(scope.Hold(s.states[row.state]), 0, mlx.Between(i-s.first, i-s.first+n)), mlx.Float32)
	return mlx.AsType(by.Unembed(readable(s.m, row.translator, s.place(r), h), 0, s.m.Shape().DVocab), mlx.Float32)
}

func (s *stream) rowNames() []string {
	names := make([]string, s.shown())
	for r := range names {
		names[r] = s.place(r).String()
	}
	return names
}

func (s *stream) describe() Compared {
	g := header(s.m, s.batch.Inputs[0], s.o)
	return Compared{Model: g.Model, Lens: g.Lens, Tokens: g.Tokens, Edits: g.Edits}
}
