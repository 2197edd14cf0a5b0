package experiment

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// mapped is a state of a place as it is put elsewhere.
func (s *scoping) mapped(at model.Place, h []float32) ([]float32, error) {
	if s.o.Map == nil {
		return h, nil
	}
	d := s.m.Shape().DModel
	if s.m.Shape().In(at.Layer).Sizes(at.Site)[0] != d || len(h) != d {
		return nil, refuse("%s maps states of d_model %d, and %s is none", s.o.Map.Name(), d, at)
	}
	ok, err := s.o.Map.Has(at)
	if err != nil || !ok {
		return h, err
	}
	scope := mlx.NewScope(s.m.Device())
	defer scope.Close()
	return mlx.Data[float32](mlx.AsType(s.o.Map.Translate(at, mlx.FromSlice(scope, h, 1, d)), mlx.Float32))
}

// scopedAt is the place of a cell in the result, and what is put where; row −1 is the baseline.
type scopedAt struct {
	row, column int
	edits       []edit.Edit
}

// cells are all runs, the baseline first.
func (s *scoping) cells() []scopedAt {
	all := []scopedAt{{row: -1}}
	for i, from := range s.from {
		to := s.to
		if to == nil {
			to = []model.Place{from}
		}
		s.out.Cells = append(s.out.Cells, make([]Scoped, len(to)))
		for j, at := range to {
			all = append(all, scopedAt{i, j, []edit.Edit{{Place: at, Positions: s.into.Positions, Op: edit.Set, Value: s.values[i]}}})
		}
	}
	return all
}

// all makes the runs, many at once.
func (s *scoping) all(ctx context.Context) error {
	if err := s.prefix(ctx); err != nil {
		return err
	}
	all := s.cells()
	for done := 0; done < len(all); {
		rows, err := s.rows()
		if err != nil {
			return err
		}
		of := all[done:min(done+rows, len(all))]
		scoped, err := s.run(ctx, of)
		if err != nil {
			return err
		}
		for i, c := range of {
			if c.row < 0 {
				s.out.Baseline = scoped[i]
			} else {
				s.out.Cells[c.row][c.column] = scoped[i]
			}
		}
		if done += len(of); s.o.Progress != nil {
			s.o.Progress(float64(done) / float64(len(all)))
		}
		mlx.TrimCache()
	}
	return nil
}

// prefix computes the positions before the one that is patched, which all runs have in common.
func (s *scoping) prefix(ctx context.Context) error {
	at := s.into.Positions[0]
	if at == 0 {
		return nil
	}
	b, err := edit.NewBatch(s.m, s.into)
	if err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	s.before = model.NewCache(s.m)
	for from := 0; from < at; from += model.PassPositions {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := min(from+model.PassPositions, at)
		scope := mlx.NewScope(s.m.Device())
		err := s.m.Stream(b.Tokens(scope, from, to), s.before, b.Tap(from, to), s.m.Shape().Layers).Err()
		if err == nil {
			err = s.before.Eval()
		}
		scope.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// rows is how many runs go through together.
func (s *scoping) rows() (int, error) {
	positions := len(s.into.IDs) - s.into.Positions[0]
	rows := max(1, passRows/positions)
	if s.o.MaxMemory == 0 {
		return rows, nil
	}
	shape, whole := s.m.Shape(), len(s.into.IDs)+s.o.Continue
	free, err := model.Free(s.m, s.o.MaxMemory)
	if err != nil {
		return 0, err
	}
	for {
		need := 4 * (int64(shape.Block(rows, positions, whole)) + int64(rows)*int64(shape.Remembered(whole)+positions*shape.DModel+3*shape.DVocab))
		switch {
		case need <= free:
			return rows, nil
		case rows == 1:
			return 0, fmt.Errorf("experiment: a run of %d positions needs at least %d MB beside the weights, and %d MB are left for it: give a shorter prompt to patch, or allow more memory",
				whole, (need+1<<20-1)>>20, max(0, free>>20))
		}
		rows /= 2
	}
}

// run makes some runs together, and lets each go on.
func (s *scoping) run(ctx context.Context, of []scopedAt) ([]Scoped, error) {
	inputs := make([]edit.Input, len(of))
	for i, c := range of {
		inputs[i] = s.into
		inputs[i].Edits = append(slices.Clone(s.into.Edits), c.edits...)
	}
	b, err := edit.NewBatch(s.m, inputs...)
	if err != nil {
		return nil, fmt.Errorf("experiment: %w", err)
	}
	cache := model.NewCache(s.m)
	if s.before != nil {
		cache = s.before.Fork(len(of))
	}
	defer cache.Close()
	out := make([]Scoped, len(of))
	from, n := s.into.Positions[0], len(s.into.IDs)
	scope := mlx.NewScope(s.m.Device())
	next, err := s.step(scope, b.Tokens(scope, from, n), cache, b.Tap(from, n), func(logits []float32) error {
		vocab := s.m.Shape().DVocab
		for i := range out {
			out[i].Top, out[i].Target = lens.Score(logits[i*vocab:(i+1)*vocab], s.o.Top, *s.o.Target, s.o.Label)
			if p := out[i].Target.Prob; math.IsNaN(p) {
				return fmt.Errorf("experiment: the logits of a run are not numbers: a state or its map is beyond what the model can compute with")
			}
		}
		return nil
	})
	scope.Close()
	ended := make([]bool, len(of))
	for k := 1; err == nil && k <= s.o.Continue; k++ {
		for i, id := range next {
			if ended[i] = ended[i] || slices.Contains(s.o.Stop, int(id)); !ended[i] {
				out[i].Continued = append(out[i].Continued, token(int(id), s.o.Label))
			}
		}
		if k == s.o.Continue || !slices.Contains(ended, false) {
			break
		}
		if err = ctx.Err(); err != nil {
			break
		}
		scope := mlx.NewScope(s.m.Device())
		tap := b.Tap(n+k-1, n+k)
		tap.Lengths = slices.Repeat([]int{n + k}, len(of))
		next, err = s.step(scope, mlx.FromSlice(scope, next, len(of), 1), cache, tap, nil)
		scope.Close()
	}
	return out, err
}

// step runs the model on ids that continue the cache, and returns what each row chooses next, the
// likeliest.
func (s *scoping) step(scope *mlx.Scope, tokens *mlx.Array, cache *model.Cache, tap *model.Tap, read func(logits []float32) error) (next []int32, err error) {
	h := s.m.Stream(tokens, cache, tap, s.m.Shape().Layers)
	last := mlx.Squeeze(mlx.Slice(h, 1, mlx.Between(h.Dim(1)-1, h.Dim(1))), 1) // [row, d_model]
	logits := mlx.AsType(model.ToLogits(s.m, last), mlx.Float32)
	likeliest := model.Likeliest(logits)
	if part := s.m.Part(); part != nil { // the first rank's choice is everyone's
		if likeliest, err = part.Spread(scope, likeliest, 0, likeliest.Shape()...); err != nil {
			return nil, err
		}
	}
	chosen, err := mlx.Data[uint32](likeliest)
	if err != nil {
		return nil, err
	}
	if read != nil {
		if err := mlx.Borrow(logits, read); err != nil {
			return nil, err
		}
	}
	next = make([]int32, len(chosen))
	for i, id := range chosen {
		next[i] = int32(id)
	}
	return next, cache.Eval()
}
