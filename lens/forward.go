package lens

import (
	"context"
	"fmt"
	"time"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// run reads prompts, whose positions are resolved: several in one pass, the shorter
// padded behind, or a single one, in parts where it is long.
//
// Padding needs no mask of its own. Attention is causal: a token sees what is before it,
// and padding is behind every token that is read.
func (p *reading) run(ctx context.Context, m model.Model, prompts []Prompt, o *Options) ([]*Grid, error) {
	longest, read := 0, 0
	for _, prompt := range prompts {
		longest = max(longest, len(prompt.IDs))
		read += len(prompt.Positions)
	}
	if err := p.fit(m, len(prompts), longest, read, o); err != nil {
		return nil, err
	}
	r := &run{reading: p, m: m, o: o, prompts: prompts, scores: make([][]score, len(p.rows))}
	r.worked = o.progress(p.work(m, len(prompts)*longest, read, o))
	if len(prompts) > 1 || longest <= p.room.pass {
		if err := r.part(ctx, nil, 0, longest); err != nil {
			return nil, err
		}
		return r.grids(), nil
	}
	cache := model.NewCache(m)
	defer cache.Close()
	for from := 0; from < longest && r.read < read; from += p.room.pass {
		if err := r.part(ctx, cache, from, min(from+p.room.pass, longest)); err != nil {
			return nil, err
		}
	}
	return r.grids(), nil
}

// run is the work on prompts that go through together.
type run struct {
	*reading
	m       model.Model
	o       *Options
	prompts []Prompt
	worked  func(work float64)

	read   int       // positions so far
	scores [][]score // [row][position], those of the first prompt first
	check  *Check
	timing Timing
}

// part is the positions [from, to) of every prompt on their way through the model.
type part struct {
	ids  [][]int32 // to−from each, padded with 0
	read []int32   // sequence·(to−from) + position
	from int
	work float64 // of a layer
}

// cut returns the positions [from, to) of every prompt.
func (r *run) cut(from, to int) *part {
	t := &part{from: from, work: forwardWork(r.m) * float64(len(r.prompts)*(to-from)) / float64(r.m.Shape().Layers)}
	for i, prompt := range r.prompts {
		ids := make([]int32, to-from)
		copy(ids, int32s(prompt.IDs[min(from, len(prompt.IDs)):min(to, len(prompt.IDs))]))
		t.ids = append(t.ids, ids)
		for _, at := range prompt.Positions {
			if at >= from && at < to {
				t.read = append(t.read, int32(i*(to-from)+at-from))
			}
		}
	}
	return t
}

// part traces and scores the positions [from, to) of every prompt.
func (r *run) part(ctx context.Context, cache *model.Cache, from, to int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if cache != nil {
		defer mlx.ClearCache() // the next part has scores of another size
	}
	t := r.cut(from, to)
	scope := mlx.NewScope(r.m.Device())
	defer scope.Close()
	start := time.Now()
	states, logits, err := r.trace(scope, t, cache)
	if err != nil {
		return err
	}
	r.timing.Forward += time.Since(start).Seconds()
	if len(t.read) == 0 {
		return nil
	}
	start = time.Now()
	scores, err := r.score(ctx, r.m, states, r.o, r.worked)
	if err != nil {
		return err
	}
	for i := range scores {
		r.scores[i] = append(r.scores[i], scores[i]...)
	}
	r.read += len(t.read)
	if r.o.Check {
		c, err := r.reading.check(r.m, states, logits)
		if err != nil {
			return err
		}
		if r.check == nil || !(c.MaxDifference <= r.check.MaxDifference) {
			r.check = c
		}
	}
	r.timing.Lens += time.Since(start).Seconds()
	return nil
}

// trace runs the model on a part, which continues the cache, and returns the stream
// at each place, [positions read, d_model], and the model's own logits there when they
// are to be checked; nothing where no position is read.
func (r *run) trace(scope *mlx.Scope, t *part, cache *model.Cache) ([]*mlx.Array, *mlx.Array, error) {
	pass := scope.NewScope()
	defer pass.Close()
	var ids []int32
	for _, s := range t.ids {
		ids = append(ids, s...)
	}
	tokens := mlx.FromSlice(pass, ids, len(t.ids), len(t.ids[0]))
	edits, err := newEditing(r.o.Edits, t.from, len(r.prompts[0].IDs))
	if err != nil {
		return nil, nil, err
	}
	if len(t.read) == 0 {
		if err := r.m.Forward(tokens, cache, edits.tap(nil)).Err(); err != nil {
			return nil, nil, err
		}
		r.worked(t.work * float64(r.m.Shape().Layers))
		return nil, nil, cache.Eval()
	}
	var at *mlx.Array
	if len(t.read) < len(ids) {
		at = mlx.FromSlice(pass, t.read)
	}
	states := make([]*mlx.Array, len(r.places))
	tap := r.tap(scope, states, at)
	if r.o.Progress != nil {
		tap = r.stepping(tap, states, t.work)
	}
	out := r.m.Forward(tokens, cache, edits.tap(tap))
	if err := r.complete(states, out); err != nil {
		return nil, nil, err
	}
	wanted := states
	var logits *mlx.Array
	if r.o.Check {
		logits = pick(scope, out, at)
		wanted = append(wanted[:len(wanted):len(wanted)], logits)
	}
	return states, logits, mlx.Eval(wanted...)
}

// tap keeps the stream at each place, [positions, d_model], in states, held by scope.
// at chooses positions of all sequences, nil all.
func (p *reading) tap(scope *mlx.Scope, states []*mlx.Array, at *mlx.Array) *model.Tap {
	number := map[model.Place]int{}
	for i, place := range p.places {
		number[place] = i
	}
	return &model.Tap{
		Wanted: func(site model.Site, layer int) bool {
			_, ok := number[model.Place{Site: site, Layer: layer}]
			return ok
		},
		Visit: func(site model.Site, layer int, x *mlx.Array) *mlx.Array {
			states[number[model.Place{Site: site, Layer: layer}]] = pick(scope, x, at)
			return x
		},
	}
}

// stepping makes a tap evaluate what it keeps layer by layer, so that there is progress
// to tell of.
func (r *run) stepping(tap *model.Tap, states []*mlx.Array, work float64) *model.Tap {
	kept := 0 // of states
	return &model.Tap{
		Wanted: func(site model.Site, layer int) bool { return site == model.ResidPost || tap.Wanted(site, layer) },
		Visit: func(site model.Site, layer int, x *mlx.Array) *mlx.Array {
			if tap.Wanted(site, layer) {
				x = tap.Visit(site, layer, x)
			}
			if site != model.ResidPost {
				return x
			}
			ready := []*mlx.Array{x}
			for ; kept < len(states) && states[kept] != nil; kept++ {
				ready = append(ready, states[kept])
			}
			if mlx.Eval(ready...) == nil { // an error stays with the array
				r.worked(work)
			}
			return x
		},
	}
}

// pick returns positions of [batch, pos, n] as [positions, n], held by scope.
func pick(scope *mlx.Scope, x, at *mlx.Array) *mlx.Array {
	x = mlx.Reshape(x, x.Dim(0)*x.Dim(1), x.Dim(2))
	if at != nil {
		x = mlx.Take(x, at, 0)
	}
	return scope.Hold(x)
}

// complete returns an error unless the pass went by every place.
func (p *reading) complete(states []*mlx.Array, out *mlx.Array) error {
	for i, s := range states {
		if s == nil {
			if out != nil && out.Err() != nil {
				return out.Err()
			}
			return fmt.Errorf("lens: the model never reached %s", p.places[i])
		}
	}
	return nil
}

// forwardWork counts the multiplications of a position's way through the blocks, but for
// those of attention's scores.
func forwardWork(m model.Model) float64 {
	s := m.Shape()
	attention := 2 * s.DModel * s.DHead * (s.Heads + s.KVHeads)
	return float64(s.Layers) * float64(attention+3*s.DModel*s.DMLP)
}

// lensWork counts those of the head for n positions of a row.
func lensWork(m model.Model, n int) float64 {
	return float64(n) * float64(m.Shape().DModel) * float64(m.Shape().DVocab)
}

// work counts the multiplications of all.
func (p *reading) work(m model.Model, positions, read int, o *Options) float64 {
	return forwardWork(m)*float64(positions) + lensWork(m, read*len(p.rows)*o.headPasses())
}

// headPasses is how often every row goes through the head.
func (o *Options) headPasses() int {
	if o.Track > 0 {
		return 2
	}
	return 1
}
