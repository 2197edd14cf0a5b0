package audit

import (
	"context"
	"fmt"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// measured is what a sequence has, [row][scored position], the last row the final one.
type measured struct {
	from  int // the first position
	pairs [][]pair
	apart [][]float64 // ‖candidate − reference‖ / ‖reference‖ of the stream
}

func (m *measured) finalKL() []float64 {
	last := m.pairs[len(m.pairs)-1]
	kl := make([]float64, len(last))
	for i, p := range last {
		kl[i] = p.kl
	}
	return kl
}

// measure reads the lens of both models at the positions [from, to).
func (a *Audit) measure(ctx context.Context, ids []int, from, to int) (*measured, error) {
	found := &measured{from: from, pairs: make([][]pair, len(a.places)), apart: make([][]float64, len(a.places))}
	var caches [2]*model.Cache
	if len(ids) > a.room.part {
		for i, m := range []model.Model{a.reference, a.candidate} {
			caches[i] = model.NewCache(m)
			defer caches[i].Close()
		}
	}
	for start := 0; start < to; start += a.room.part {
		end := min(start+a.room.part, len(ids))
		if err := a.measurePart(ctx, ids, caches, start, end, max(start, from), min(end, to), found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// measurePart computes the positions [start, end), and reads [from, to) of them.
func (a *Audit) measurePart(ctx context.Context, ids []int, caches [2]*model.Cache, start, end, from, to int, found *measured) error {
	scope := mlx.NewScope(a.reference.Device())
	defer scope.Close()
	var states [2][]*mlx.Array
	for i, m := range []model.Model{a.reference, a.candidate} {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if states[i], err = a.trace(scope, m, ids[start:end], caches[i], from-start, to-start); err != nil {
			return err
		}
		a.worked(a.forwardWork(end-start, 0))
	}
	if from >= to {
		return nil
	}
	next := ids[from+1 : to+1]
	for r, at := range a.places {
		if err := ctx.Err(); err != nil {
			return err
		}
		apart, err := relativeError(scope, states[0][r], states[1][r])
		if err != nil {
			return err
		}
		pairs, err := a.pairs(scope, a.reference.Unembed, a.candidate.Unembed, a.reference.FinalNorm(states[0][r]), a.candidate.FinalNorm(states[1][r]), next)
		if err != nil {
			return err
		}
		for i := range pairs {
			if !pairs[i].finiteness || !finite(apart[i]) {
				return fmt.Errorf("audit: sequence %d: what the models have at %s, position %d, has NaN or an infinity", a.Done+1, at, from+i)
			}
		}
		found.pairs[r] = append(found.pairs[r], pairs...)
		found.apart[r] = append(found.apart[r], apart...)
		a.worked(2 * a.headWork(to-from))
	}
	return nil
}

// trace runs a model on ids that continue a cache, and returns the stream at each place, of the positions [from, to)
// of the pass, [to−from, d_model].
func (a *Audit) trace(scope *mlx.Scope, m model.Model, ids []int, cache *model.Cache, from, to int) ([]*mlx.Array, error) {
	pass := scope.NewScope()
	defer pass.Close()
	states := make([]*mlx.Array, 0, len(a.places))
	row := 0
	tap := &model.Tap{
		Wanted: func(at model.Place) bool { return from < to && row < len(a.places) && at == a.places[row] },
		Visit: func(_ model.Place, x *mlx.Array) *mlx.Array {
			row++
			states = append(states, rowsOf(scope, x, from, to))
			return x
		},
	}
	h := m.Stream(model.Tokens(pass, ids), cache, tap, m.Shape().Layers)
	if err := h.Err(); err != nil {
		return nil, err
	}
	if cache != nil {
		if err := cache.Eval(); err != nil {
			return nil, err
		}
	}
	return states, mlx.Eval(states...)
}

// rowsOf returns the positions [from, to) of [1, pos, d_model], as [to−from, d_model] held by scope.
func rowsOf(scope *mlx.Scope, x *mlx.Array, from, to int) *mlx.Array {
	return scope.Hold(mlx.Squeeze(mlx.Slice(x, 1, mlx.Between(from, to)), 0))
}

// relativeError returns ‖c − r‖ / ‖r‖ of each row of two arrays [n, d_model].
func relativeError(scope *mlx.Scope, r, c *mlx.Array) ([]float64, error) {
	part := scope.NewScope()
	defer part.Close()
	r, c = mlx.AsType(part.Hold(r), mlx.Float32), mlx.AsType(part.Hold(c), mlx.Float32)
	square := func(x *mlx.Array) *mlx.Array { return mlx.Sum(mlx.Square(x), -1) }
	data, err := mlx.Data[float32](mlx.Sqrt(mlx.Divide(square(mlx.Subtract(c, r)), square(r))))
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(data))
	for i, x := range data {
		out[i] = float64(x)
	}
	return out, nil
}
