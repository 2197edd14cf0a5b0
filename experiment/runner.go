package experiment

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// variant is a run that differs from a base: it has more edits.
type variant struct {
	base  int // by number
	edits []edit.Edit
	from  int // the first position that they change
}

// runner runs variants of bases, inputs of the same ids, up to the logits of one position.
//
// What they have in common is computed once: the blocks before the first that they change, and
// the positions before the first that they or the bases change.
type runner struct {
	m      model.Model
	bases  []edit.Input
	answer int         // the position that is read
	stores []*store    // that take of the bound too
	below  *store      // the bases' resid_post, nil where the model cannot be taken up in the middle
	starts []int       // positions at which passes begin, ascending
	most   int         // positions that a pass computes, of all rows together
	bound  int64       // bytes, 0: none
	passed func(n int) // told of blocks that positions went through

	caches map[int]*model.Cache // of what comes before each start
	stream func() mlx.Dtype     // the stream's type
}

// passRows bounds the positions of a pass: with so many its products are as efficient as with
// more, and fewer positions are computed for the sake of the batch.
const passRows = 256

// startEvery is how many positions there are at least between those at which passes begin.
const startEvery = 32

// newRunner prepares to run variants that change nothing before a position.
func newRunner(m model.Model, bases []edit.Input, answer, from int, bound int64) *runner {
	r := &runner{m: m, bases: bases, answer: answer, most: passRows, bound: bound, caches: map[int]*model.Cache{}, passed: func(int) {}}
	r.stream = sync.OnceValue(func() mlx.Dtype { return streamType(m) })
	for _, b := range bases {
		for _, e := range b.Edits {
			from = min(from, firstOf(e, answer+1))
		}
	}
	from = max(0, min(from, answer))
	r.starts = []int{from}
	if len(bases) == 1 && len(bases[0].Edits) == 0 { // else what comes later is not the same in all
		step := max(startEvery, (answer-from)/8)
		for p := from + step; p <= answer; p += step {
			r.starts = append(r.starts, p)
		}
	}
	if m.Shape().Resumable(m.Shape().Layers - 1) {
		r.below = &store{m: m, sites: []model.Site{model.ResidPost}, most: captureBytes(bound, 8)}
		for _, b := range bases {
			b.Positions = nil
			r.below.inputs = append(r.below.inputs, b)
		}
		r.stores = []*store{r.below}
	}
	return r
}

// firstOf returns the first of n positions that an edit changes.
func firstOf(e edit.Edit, n int) int {
	if e.Positions == nil && e.Value.Positions == nil {
		return 0
	}
	first := n
	for _, p := range slices.Concat(e.Positions, e.Value.Positions) {
		if p < 0 {
			p += n
		}
		first = min(first, p)
	}
	return first
}

// work counts the positions that so many variants go through blocks with, from a block on.
func (r *runner) work(variants, layer int) float64 {
	return float64(variants * (r.answer + 1 - r.starts[0]) * (r.m.Shape().Layers - layer))
}

// tell tells of what was done of so much work, by the part; to nobody where there is nobody.
func (r *runner) tell(total float64, progress func(done float64)) {
	done := 0.0
	r.passed = func(n int) {
		if done += float64(n); progress != nil && total > 0 {
			progress(min(1, done/total))
		}
	}
}

// streamType is the type of a model's stream behind its first block.
func streamType(m model.Model) mlx.Dtype {
	scope := mlx.NewScope(m.Device())
	defer scope.Close()
	return m.Stream(model.Tokens(scope, []int{0}), nil, nil, 1).Dtype() // nothing is computed, but on ranks
}

// stopped reports whether somebody has asked for what there is, on ranks the first one's caller.
func (r *runner) stopped(stop <-chan struct{}) (bool, error) {
	part := r.m.Part()
	if part == nil {
		return stopped(stop), nil
	}
	asked := int64(0)
	if stopped(stop) {
		asked = 1
	}
	asked, err := part.Ranks.First(asked)
	return asked != 0, err
}

// close lets go what comes before each start; runs that need it compute it again.
func (r *runner) close() {
	for _, c := range r.caches {
		c.Close()
	}
	clear(r.caches)
	mlx.TrimCache()
}

// run runs variants whose edits change no block before one, and gives the stream behind the last
// one at the position that is read, [variant, d_model], with the numbers of the variants that they are of.
func (r *runner) run(ctx context.Context, layer int, variants []variant, read func(of []int, last *mlx.Array) error) error {
	if !r.m.Shape().Resumable(layer) {
		layer = 0
	}
	order := make([]int, len(variants))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(r.start(variants[a]), r.start(variants[b])) })
	for len(order) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		start := r.start(variants[order[0]])
		rows, part, err := r.fit(r.answer + 1 - start)
		if err != nil {
			return err
		}
		n := 1
		for n < min(rows, len(order)) && r.start(variants[order[n]]) == start {
			n++
		}
		chosen := make([]variant, n)
		for i, at := range order[:n] {
			chosen[i] = variants[at]
		}
		if err := r.batch(ctx, layer, start, part, chosen, func(last *mlx.Array) error { return read(order[:n], last) }); err != nil {
			return err
		}
		r.passed(n * (r.answer + 1 - start) * (r.m.Shape().Layers - layer))
		order = order[n:]
	}
	return nil
}

// start is the last position at which a pass may begin that computes a variant.
func (r *runner) start(v variant) int {
	start := r.starts[0]
	for _, s := range r.starts {
		if s <= v.from {
			start = s
		}
	}
	return start
}

// fit returns how many rows go through together of so many positions each, and in parts of how
// many positions.
func (r *runner) fit(positions int) (rows, part int, err error) {
	part = min(positions, model.PassPositions)
	rows = max(1, r.most/positions)
	if r.bound == 0 {
		return rows, part, nil
	}
	s, beside := r.m.Shape(), int64(0)
	for _, of := range r.stores {
		takes, err := of.takes()
		if err != nil {
			return 0, 0, err
		}
		beside += takes
	}
	free, err := model.Free(r.m, r.bound-beside)
	if err != nil {
		return 0, 0, err
	}
	for {
		kept := s.Remembered(r.answer + 1)
		need := 4 * (int64(s.Block(rows, part, r.answer+1)) + int64(rows)*int64(kept+positions*s.DModel+3*s.DVocab))
		switch {
		case need <= free:
			return rows, part, nil
		case rows > 1:
			rows /= 2
		case part > leastPart:
			part /= 2
		default:
			return 0, 0, fmt.Errorf("experiment: a run of %d positions needs at least %d MB beside the weights, and %d MB are left for it: give shorter prompts, or allow more memory",
				r.answer+1, (need+1<<20-1)>>20, max(0, free>>20))
		}
	}
}

// leastPart bounds the positions of a part from below, as the lens does.
const leastPart = 16

// batch runs variants together, from a block and a position on, in parts of so many positions.
func (r *runner) batch(ctx context.Context, layer, start, part int, variants []variant, read func(last *mlx.Array) error) error {
	inputs := make([]edit.Input, len(variants))
	for i, v := range variants {
		inputs[i] = r.bases[v.base]
		inputs[i].Edits = append(slices.Clone(inputs[i].Edits), v.edits...)
	}
	b, err := edit.NewBatch(r.m, inputs...)
	if err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	scope := mlx.NewScope(r.m.Device())
	defer scope.Close()
	cache, err := r.before(start, len(variants), start+part <= r.answer)
	if err != nil {
		return err
	}
	defer closeCache(cache)
	var last *mlx.Array
	for from := start; from <= r.answer; from += part {
		to := min(from+part, r.answer+1)
		if last, err = r.part(ctx, scope, b, cache, layer, from, to, variants); err != nil {
			return err
		}
		if to <= r.answer {
			if err := cache.Eval(); err != nil {
				return err
			}
		}
	}
	last = mlx.Squeeze(mlx.Slice(last, 1, mlx.Between(last.Dim(1)-1, last.Dim(1))), 1) // [row, d_model]
	return read(last)
}

// part computes the stream behind the last block of the positions [from, to).
func (r *runner) part(ctx context.Context, scope *mlx.Scope, b *edit.Batch, cache *model.Cache, layer, from, to int, variants []variant) (*mlx.Array, error) {
	layers := r.m.Shape().Layers
	tokens, tap := b.Tokens(scope, from, to), b.Tap(from, to)
	if layer == 0 {
		h := r.m.Stream(tokens, cache, tap, layers)
		return h, h.Err()
	}
	d := r.m.Shape().DModel
	var data []float32
	for base := range r.bases {
		below, err := r.below.at(ctx, base, entering(layer), layer-1)
		if err != nil {
			return nil, err
		}
		data = append(data, below.Data[from*d:to*d]...)
	}
	base := make([]int32, len(variants))
	for i, v := range variants {
		base[i] = int32(v.base)
	}
	h := mlx.FromSlice(scope, data, len(r.bases), to-from, d)
	h = mlx.AsType(mlx.Take(h, mlx.FromSlice(scope, base), 0), r.stream()) // [variant, pos, d_model]
	h = r.m.Resume(h, tokens, cache, tap, layer, layers)
	return h, h.Err()
}

// before returns a cache of what comes before a position, in so many rows; nil where nothing
// does, and none is needed.
func (r *runner) before(start, rows int, parts bool) (*model.Cache, error) {
	if start == 0 {
		if !parts {
			return nil, nil
		}
		return model.NewCache(r.m), nil
	}
	if r.caches[start] == nil {
		b, err := edit.NewBatch(r.m, edit.Input{IDs: r.bases[0].IDs})
		if err != nil {
			return nil, fmt.Errorf("experiment: %w", err)
		}
		cache := model.NewCache(r.m)
		for from := 0; from < start; from += model.PassPositions {
			to := min(from+model.PassPositions, start)
			scope := mlx.NewScope(r.m.Device())
			err := r.m.Stream(b.Tokens(scope, from, to), cache, b.Tap(from, to), r.m.Shape().Layers).Err()
			if err == nil {
				err = cache.Eval()
			}
			scope.Close()
			if err != nil {
				cache.Close()
				return nil, err
			}
		}
		r.caches[start] = cache
	}
	return r.caches[start].Fork(rows), nil
}

func closeCache(c *model.Cache) {
	if c != nil {
		c.Close()
	}
}
