package lens

import (
	"context"
	"fmt"
	"time"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// run reads inputs: several in one pass, the shorter padded behind, or a single one, in
// parts where it is long.
func (p *plan) run(ctx context.Context, m model.Model, inputs []edit.Input, o *Options) ([]*Grid, error) {
	b, err := p.batch(m, inputs)
	if err != nil {
		return nil, err
	}
	read := b.Reads()
	if err := p.fit(m, b.Len(), b.Longest, read, o); err != nil {
		return nil, err
	}
	r := &run{plan: p, m: m, o: o, batch: b, scores: make([][]score, len(p.rows)), experts: chosen{}}
	r.worked = o.progress(p.work(m, b.Len()*b.Longest, read, o))
	if b.Len() > 1 || b.Longest <= p.room.pass {
		if err := r.part(ctx, nil, 0, b.Longest); err != nil {
			return nil, err
		}
		return r.grids(), nil
	}
	cache := model.NewCache(m)
	defer cache.Close()
	for from := 0; from < b.Longest && r.read < read; from += p.room.pass {
		if err := r.part(ctx, cache, from, min(from+p.room.pass, b.Longest)); err != nil {
			return nil, err
		}
	}
	return r.grids(), nil
}

// run is the work on inputs that go through together.
type run struct {
	*plan
	m      model.Model
	o      *Options
	batch  *edit.Batch
	worked func(work float64)

	read    int       // positions so far
	scores  [][]score // [row][position], those of the first input first
	experts chosen
	check   *Check
	timing  Timing
}

// part traces and scores the positions [from, to) of every input.
func (r *run) part(ctx context.Context, cache *model.Cache, from, to int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if cache != nil {
		defer mlx.TrimCache() // the next part has scores of another size
	}
	scope := mlx.NewScope(r.m.Device())
	defer scope.Close()
	start := time.Now()
	states, logits, err := r.trace(scope, from, to, cache)
	if err != nil {
		return err
	}
	r.timing.Forward += time.Since(start).Seconds()
	if states == nil {
		return nil
	}
	start = time.Now()
	scores, err := r.score(ctx, r.m, states, r.o, r.tell)
	if err != nil {
		return err
	}
	for i := range scores {
		r.scores[i] = append(r.scores[i], scores[i]...)
	}
	if err := r.readExperts(r.m, states, r.experts); err != nil {
		return err
	}
	r.read += r.reference(states).Dim(0)
	if r.o.Check {
		c, err := r.plan.check(r.m, states, logits)
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

// tell tells of the columns [from, to) of a part that is being read, and of the work on them.
func (r *run) tell(scores [][]score, from, to int, work float64) {
	r.worked(work)
	if r.o.Part == nil {
		return
	}
	in := r.batch.Inputs[0]
	in.Positions = in.Positions[r.read+from : r.read+to]
	r.o.Part(r.grid(r.m, in, scores, from, r.o))
}

// trace runs the model on the positions [from, to), which continue the cache, and returns
// the stream at each place, [positions read, d_model], and the model's own logits there when
// they are to be checked; nothing where no position is read.
func (r *run) trace(scope *mlx.Scope, from, to int, cache *model.Cache) ([]*mlx.Array, *mlx.Array, error) {
	pass := scope.NewScope()
	defer pass.Close()
	tokens, edits, layers := r.batch.Tokens(pass, from, to), r.batch.Tap(from, to), r.m.Shape().Layers
	work := forwardWork(r.m) * float64(tokens.Size())
	read := r.batch.Read(from, to)
	if len(read) == 0 {
		if err := r.m.Stream(tokens, cache, edits, layers).Err(); err != nil {
			return nil, nil, err
		}
		r.worked(work)
		return nil, nil, cache.Eval()
	}
	var at *mlx.Array
	if len(read) < tokens.Size() {
		at = mlx.FromSlice(pass, read)
	}
	states := make([]*mlx.Array, len(r.kept()))
	tap := r.tap(scope, states, at)
	if r.o.Progress != nil {
		tap = r.stepping(tap, states, work/float64(layers))
	}
	tap = edits.Then(tap)
	h := r.m.Stream(tokens, cache, tap, layers)
	r.refersTo(states, scope, h, at)
	if err := r.complete(r.m, states, h); err != nil {
		return nil, nil, err
	}
	if !r.o.Check {
		return states, nil, mlx.Eval(there(states)...)
	}
	logits := pick(scope, r.m.Logits(h, tap), at)
	return states, logits, mlx.Eval(append(there(states), logits)...)
}

// tap keeps what passes each place, [positions, d_model] of the stream, in states, held by scope.
// at chooses positions of all sequences, nil all.
func (p *plan) tap(scope *mlx.Scope, states []*mlx.Array, at *mlx.Array) *model.Tap {
	number := map[model.Place]int{}
	for i, place := range p.kept() {
		number[place] = i
	}
	return &model.Tap{
		Wanted: func(place model.Place) bool { _, ok := number[place]; return ok },
		Visit: func(place model.Place, x *mlx.Array) *mlx.Array {
			states[number[place]] = pick(scope, x, at)
			return x
		},
	}
}

// stepping makes a tap evaluate what it keeps layer by layer, so that there is progress
// to tell of.
func (r *run) stepping(tap *model.Tap, states []*mlx.Array, work float64) *model.Tap {
	kept := 0 // of states
	step := &model.Tap{
		Wanted: func(at model.Place) bool { return at.Site == model.ResidPost },
		Visit: func(_ model.Place, x *mlx.Array) *mlx.Array {
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
	return tap.Then(step)
}

// pick returns positions of [batch, pos, n] as [positions, n], held by scope.
func pick(scope *mlx.Scope, x, at *mlx.Array) *mlx.Array {
	x = mlx.Reshape(x, x.Dim(0)*x.Dim(1), x.Dim(2))
	if at != nil {
		x = mlx.Take(x, at, 0)
	}
	return scope.Hold(x)
}

// complete returns an error unless the pass went by every place of the layers that are held.
func (p *plan) complete(m model.Model, states []*mlx.Array, out *mlx.Array) error {
	for i, s := range states {
		if s == nil && (held(m, p.kept()[i]) || out != nil && out.Err() != nil) {
			if out != nil && out.Err() != nil {
				return out.Err()
			}
			return fmt.Errorf("lens: the model never reached %s", p.kept()[i])
		}
	}
	return nil
}

// forwardWork counts the multiplications of a position's way through the blocks, but for
// those of attention's scores.
func forwardWork(m model.Model) float64 {
	s := m.Shape()
	attention := s.DModel * (s.DHead + s.Size(model.DValue)) * (s.Heads + s.KVHeads)
	mlp := 3 * s.DModel * s.DMLP
	if s.Experts > 0 {
		mlp = s.DModel * (3*s.TopK*s.DExpert + s.Experts)
	}
	return float64(s.Layers) * float64(attention+mlp)
}

// lensWork counts those of the head for n positions of a row.
func lensWork(m model.Model, n int) float64 {
	return float64(n) * float64(m.Shape().DModel) * float64(m.Shape().DVocab)
}

// work counts the multiplications of all.
func (p *plan) work(m model.Model, positions, read int, o *Options) float64 {
	return forwardWork(m)*float64(positions) + lensWork(m, read*len(p.rows)*o.headPasses())
}

// headPasses is how often every row goes through the head.
func (o *Options) headPasses() int {
	if o.Track > 0 {
		return 2
	}
	return 1
}
