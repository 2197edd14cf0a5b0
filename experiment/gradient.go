package experiment

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// gradients computes the gradient of a metric of runs, of one length and read at one position, by what
// passes places of them. It goes through the blocks some at a time, the last ones first, and computes
// what these keep for the way back when it comes to them (Chen et al. 2016, arXiv:1604.06174): the
// memory is that of these blocks, and of the stream between them.
type gradients struct {
	m      model.Model
	q      Question
	clean  *mlx.Array // the clean run's logits, [1, d_vocab]
	rows   []edit.Input
	answer int
	bound  int64 // bytes, 0: none

	beside int64 // bytes of the bound that the rest of the experiment takes
	stream int64 // and of them the stream between the blocks, 0: none was shared out

	lowest int          // the first block that is gone through
	below  *store       // whose first input has what enters it, the same for all rows; nil: the rows have their own
	most   int          // blocks that are gone through together at most, 0: as memory allows
	wanted []model.Site // by which is derived, in each layer that has them, and where the first block is the lowest by those before it
}

// gradientBytes is how much the blocks that are gone through together keep when no bound is given.
const gradientBytes = 2 << 30

// differentiable refuses metrics that have no gradient.
func (q Question) differentiable(atClean bool) error {
	switch {
	case q.Metric == Rank:
		return refuse("%s is a count and has no gradient: take %s or %s", Rank, LogitDiff, LogProb)
	case atClean && q.Metric.Distance():
		return refuse("%s is a distance from the clean run, and its gradient there is 0 or none: take a metric of a token, or the gradient at the corrupted run", q.Metric)
	}
	return nil
}

// blocks returns how many blocks are gone through together, of so many runs.
func (g *gradients) blocks(rows int) (int, error) {
	least, fixed, each := g.needs(rows)
	free := int64(gradientBytes)
	if g.bound > 0 {
		free = g.bound - int64(mlx.ActiveMemory()) - g.beside
	}
	n, all := int((free-fixed)/each), g.m.Shape().Layers-g.lowest
	if g.most > 0 {
		n = min(n, g.most)
	}
	if n < least {
		if g.bound > 0 {
			return 0, fmt.Errorf("experiment: a gradient of %d runs of %d positions, through %d blocks at once, needs %d MB beside the weights, and %d MB are left for it: give shorter prompts or fewer steps, or allow more memory",
				rows, g.answer+1, least, (g.beside+fixed+int64(least)*each+1<<20-1)>>20, max(0, free+g.beside)>>20)
		}
		n = least
	}
	return min(n, all), nil
}

// needs is what a gradient of so many runs takes: blocks that are gone through together at least, and bytes, of
// each of them and whatever their number.
func (g *gradients) needs(rows int) (least int, fixed, each int64) {
	s, positions := g.m.Shape(), g.answer+1
	least = 1
	for from := g.lowest + 1; from < s.Layers; from++ {
		if !s.Resumable(from) {
			least = s.Layers - g.lowest
		}
	}
	return least, 4 * int64(rows) * int64(8*positions*s.DModel+3*s.DVocab), 8 * int64(s.Block(rows, positions, positions)) // there and back
}

// fit refuses a gradient of so many runs that a bound has no room for, before anything is computed, and divides what
// is left among the stream between the blocks and stores that the experiment has beside it.
func (g *gradients) fit(rows int, stores ...*store) error {
	if g.bound == 0 {
		return nil
	}
	if !g.m.Shape().Resumable(g.lowest) {
		g.lowest = 0
	}
	of := edit.Input{IDs: make([]int, g.answer+1), Positions: upTo(g.answer)}
	stream := &store{m: g.m, sites: []model.Site{model.ResidPost}, inputs: slices.Repeat([]edit.Input{of}, rows)}
	least, fixed, each := g.needs(rows)
	left := g.bound - int64(mlx.ActiveMemory()) - g.beside - fixed - int64(least)*each
	taken, err := share(left, append(stores, stream)...)
	if err != nil {
		return err
	}
	g.beside, g.stream = g.beside+taken, stream.most
	_, err = g.blocks(rows)
	return err
}

// run calls visit with the gradient of each row's metric by what passes each place, float32 [row, pos, …],
// the last blocks first, and returns the metrics.
func (g *gradients) run(ctx context.Context, visit func(at model.Place, x []float32) error) (metrics []float64, err error) {
	if !g.m.Shape().Resumable(g.lowest) {
		g.lowest, g.below = 0, nil
	}
	n, err := g.blocks(len(g.rows))
	if err != nil {
		return nil, err
	}
	batch, err := edit.NewBatch(g.m, g.rows...)
	if err != nil {
		return nil, fmt.Errorf("experiment: %w", err)
	}
	own := &store{m: g.m, sites: []model.Site{model.ResidPost}, most: cmp.Or(g.stream, captureBytes(g.bound, 8))}
	for _, in := range g.rows {
		in.Positions = upTo(g.answer)
		own.inputs = append(own.inputs, in)
	}
	scope := mlx.NewScope(g.m.Device())
	defer scope.Close()
	var back *mlx.Array // the gradient by the stream that leaves the blocks
	for to := g.m.Shape().Layers; to > g.lowest; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		from := max(g.lowest, to-n)
		h, err := g.entering(ctx, scope, own, from)
		if err != nil {
			return nil, err
		}
		values, next, err := g.part(scope, batch, h, back, from, to, visit)
		if err != nil {
			return nil, err
		}
		if back == nil {
			metrics = values
		}
		back, to = next, from
		mlx.TrimCache()
	}
	return metrics, nil
}

// upTo returns the positions up to one.
func upTo(last int) []int {
	out := make([]int, last+1)
	for i := range out {
		out[i] = i
	}
	return out
}

// entering returns the stream that enters a block, [row, pos, d_model]; nil before the first.
func (g *gradients) entering(ctx context.Context, scope *mlx.Scope, own *store, from int) (*mlx.Array, error) {
	if from == 0 {
		return nil, nil
	}
	at := entering(from)
	var data []float32
	for row := range g.rows {
		s := own
		if from == g.lowest && g.below != nil {
			s, row = g.below, 0
		}
		v, err := s.at(ctx, row, at, s.lowest(at.Layer))
		if err != nil {
			return nil, err
		}
		data = append(data, v.Data[:(g.answer+1)*g.m.Shape().DModel]...)
	}
	h := mlx.FromSlice(scope, data, len(g.rows), g.answer+1, g.m.Shape().DModel)
	return mlx.AsType(h, streamType(g.m)), nil
}

// part goes through the blocks [from, to), and back: the gradient of the stream that enters them.
func (g *gradients) part(scope *mlx.Scope, batch *edit.Batch, h, back *mlx.Array, from, to int, visit func(model.Place, []float32) error) (metrics []float64, entering *mlx.Array, err error) {
	inner := mlx.NewScope(g.m.Device())
	defer inner.Close()
	places := g.places(from, to)
	var primals []*mlx.Array
	for _, at := range places {
		primals = append(primals, mlx.Zeros(inner, mlx.Float32, g.shape(at)...))
	}
	if from > 0 {
		primals = append(primals, h)
	}
	cotangent := back
	if back == nil {
		cotangent = mlx.Ones(inner, mlx.Float32, len(g.rows))
	}
	values, products := mlx.VJP(g.through(inner, batch, places, from, to, back == nil), primals, []*mlx.Array{cotangent})
	all := slices.Clone(products)
	if back == nil {
		all = append(all, values[0])
	}
	if err := mlx.Eval(all...); err != nil {
		return nil, nil, err
	}
	if from > 0 {
		entering = scope.Hold(products[len(places)])
	}
	for i := len(places) - 1; i >= 0; i-- {
		x, err := mlx.Data[float32](products[i])
		if err != nil {
			return nil, nil, err
		}
		if err := visit(places[i], x); err != nil {
			return nil, nil, err
		}
		products[i].Free()
	}
	if back != nil {
		return nil, entering, nil
	}
	of, err := evaluated(values[0])
	if err != nil {
		return nil, nil, err
	}
	return of[0], entering, nil
}

// through returns the blocks [from, to) as a function of shifts of places, and of the stream that enters
// them: to the stream that leaves them, or behind the last to the metrics, [row].
func (g *gradients) through(scope *mlx.Scope, batch *edit.Batch, places []model.Place, from, to int, last bool) mlx.Func {
	tokens, tap := batch.Tokens(scope, 0, g.answer+1), batch.Tap(0, g.answer+1)
	return func(x []*mlx.Array) []*mlx.Array {
		// the derivative by a shift of 0 is that by what is shifted
		shifted := tap.Then(&model.Tap{
			Wanted: func(at model.Place) bool { return slices.Contains(places, at) },
			Visit: func(at model.Place, y *mlx.Array) *mlx.Array {
				return mlx.Add(y, mlx.AsType(x[slices.Index(places, at)], y.Dtype()))
			},
		})
		var out *mlx.Array
		if from > 0 {
			out = g.m.Resume(x[len(places)], tokens, nil, shifted, from, to)
		} else {
			out = g.m.Stream(tokens, nil, shifted, to)
		}
		if !last {
			return []*mlx.Array{out}
		}
		read := mlx.Squeeze(mlx.Slice(out, 1, mlx.Between(g.answer, g.answer+1)), 1) // [row, d_model]
		return []*mlx.Array{mlx.AsType(g.q.of(g.m, g.m.FinalNorm(read), g.clean), mlx.Float32)}
	}
}

// places are those of the wanted sites in the blocks [from, to), and before the first of all.
func (g *gradients) places(from, to int) []model.Place {
	var places []model.Place
	for _, site := range g.wanted {
		if !site.PerLayer() && from == 0 && g.m.Check(model.Place{Site: site}) == nil {
			places = append(places, model.Place{Site: site})
		}
		for layer := from; layer < to && site.PerLayer(); layer++ {
			if at := (model.Place{Site: site, Layer: layer}); g.m.Check(at) == nil {
				places = append(places, at)
			}
		}
	}
	return model.InForwardOrder(places)
}

// shape is what passes a place, [row, pos, …].
func (g *gradients) shape(at model.Place) []int {
	return append([]int{len(g.rows), g.answer + 1}, g.m.Shape().In(at.Layer).Sizes(at.Site)...)
}
