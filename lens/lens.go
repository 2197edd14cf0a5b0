// Package lens shows what a language model would say if it had to answer after
// each layer: the residual stream, at any site and position, goes through the
// model's own final norm and unembedding (nostalgebraist 2020, "interpreting GPT:
// the logit lens").
//
// Results are plain data, [Grid]; the package speaks token ids and never sees a
// tokenizer.
package lens

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Options say what Run reads and computes.
type Options struct {
	Layers    []int // rows; negative ones count from the end; nil: all
	Positions []int // columns, likewise
	Top       int   // candidates a cell; 0 means 5
	Embed     bool  // a row for what enters the first block
	Mid       bool  // a row after each layer's attention, before its MLP
	Targets   []int // ids whose score and rank every cell has

	// Contrasts are pairs of ids: every cell has the difference of their logits, which
	// is ln(p/q) of their probabilities.
	Contrasts [][2]int

	// TopOnly leaves out everything but ids and logits: Prob, LogSumExp, Entropy, KL,
	// Norm, and the ranks of targets that are no candidates, are 0. The Answer's logit
	// is NaN where it is no candidate.
	TopOnly bool

	// Check compares the last row with the model's own logits.
	Check bool

	// Label returns the bytes that an id stands for; nil labels no token.
	Label func(id int) string

	// Progress is called as cells are finished; it may be nil.
	Progress func(done, total int)

	// OnDevice makes MLX reduce the logits where it computes them, as on a GPU,
	// instead of scanning them in Go, as on a CPU. nil: by the model's device.
	OnDevice *bool
}

// scored returns the ids whose logits every cell needs: the targets, then the contrasts.
func (o *Options) scored() []int {
	ids := slices.Clone(o.Targets)
	for _, c := range o.Contrasts {
		ids = append(ids, c[0], c[1])
	}
	return ids
}

// Run traces a prompt's ids through the model, and reads the lens at every row and
// position asked for. A prompt goes through once, a long one in parts with a cache. The
// context is looked at between the pieces of the work; an evaluation is not
// interrupted.
func Run(ctx context.Context, m model.Model, ids []int, o Options) (*Grid, error) {
	p, err := plan(m, ids, &o)
	if err != nil {
		return nil, err
	}
	scores := make([][]score, len(p.places))
	var check *Check
	var timing Timing
	var cache *model.Cache
	if len(ids) > passPositions {
		cache = model.NewCache(m)
		defer cache.Close()
	}
	for from, done := 0, 0; done < len(p.positions); from += passPositions {
		part := p.part(from, min(from+passPositions, len(ids)), done)
		if err := part.run(ctx, m, ids, cache, &o, scores, &timing, &check); err != nil {
			return nil, err
		}
		done += len(part.positions)
	}
	g := p.grid(m, ids, scores, &o)
	g.Check, g.Timing = check, timing
	return g, nil
}

// passPositions is how many positions one forward pass computes. The states of a
// longer prompt, and the scores of its attention, [head, pos, key], are never there at
// once: it goes through in parts, with a cache of keys and values between them.
const passPositions = 512

// part is a range of a prompt's positions, and a reading of those asked for in it.
type part struct {
	*reading // positions count from the first of the part
	from, to int
	done     int // positions read before it
	total    int // of the whole prompt
}

func (p *reading) part(from, to, done int) *part {
	own := *p
	own.positions = nil
	for _, at := range p.positions[done:] {
		if at < to {
			own.positions = append(own.positions, at-from)
		}
	}
	own.all = len(own.positions) == to-from
	return &part{&own, from, to, done, len(p.positions)}
}

// run traces and scores the part, and adds to what the parts before it gave.
func (p *part) run(ctx context.Context, m model.Model, ids []int, cache *model.Cache, o *Options, scores [][]score, timing *Timing, check **Check) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if cache != nil {
		defer mlx.ClearCache() // the next part has scores of another size
	}
	scope := mlx.NewScope(m.Device())
	defer scope.Close()
	start := time.Now()
	states, logits, err := p.trace(scope, m, ids[p.from:p.to], cache, o.Check)
	if err != nil {
		return err
	}
	timing.Forward += time.Since(start).Seconds()
	if len(p.positions) == 0 {
		return nil
	}
	start = time.Now()
	own := *o
	if o.Progress != nil {
		own.Progress = func(done, _ int) { o.Progress(len(states)*p.done+done, len(states)*p.total) }
	}
	part, err := p.score(ctx, m, states, &own)
	if err != nil {
		return err
	}
	for i := range scores {
		scores[i] = append(scores[i], part[i]...)
	}
	if o.Check {
		c, err := p.check(m, states, logits)
		if err != nil {
			return err
		}
		if *check == nil || !(c.MaxDifference <= (*check).MaxDifference) {
			*check = c
		}
	}
	timing.Lens += time.Since(start).Seconds()
	return nil
}

// defaultTop is how many candidates a cell has when nobody says.
const defaultTop = 5

// reading is what Run does, resolved and checked.
type reading struct {
	places    []model.Place // rows in forward order; the last is the reference
	hidden    bool          // the reference row was not asked for
	positions []int
	all       bool // positions are all of them
}

// plan resolves and checks what was asked of a prompt.
func plan(m model.Model, ids []int, o *Options) (*reading, error) {
	shape := m.Shape()
	if len(ids) == 0 {
		return nil, fmt.Errorf("lens: the prompt is empty: there is no token to read")
	}
	if len(ids) > shape.Context {
		return nil, fmt.Errorf("lens: the prompt has %d tokens, and the model was made for %d", len(ids), shape.Context)
	}
	if err := inVocabulary(ids, shape.DVocab, "id"); err != nil {
		return nil, err
	}
	p, err := planRows(m, o)
	if err != nil {
		return nil, err
	}
	if p.positions, err = indices(o.Positions, len(ids), "position"); err != nil {
		return nil, err
	}
	p.all = len(p.positions) == len(ids)
	return p, nil
}

// planRows resolves and checks all but the positions.
func planRows(m model.Model, o *Options) (*reading, error) {
	shape := m.Shape()
	if err := inVocabulary(o.scored(), shape.DVocab, "target"); err != nil {
		return nil, err
	}
	if o.Top == 0 {
		o.Top = defaultTop
	}
	if o.Top < 0 || o.Top > shape.DVocab {
		return nil, fmt.Errorf("lens: top %d: want 1 to %d, the size of the vocabulary", o.Top, shape.DVocab)
	}
	layers, err := indices(o.Layers, shape.Layers, "layer")
	if err != nil {
		return nil, err
	}
	p := &reading{}
	if o.Embed {
		p.places = append(p.places, firstState(m))
	}
	for _, l := range layers {
		if o.Mid {
			p.places = append(p.places, model.Place{Site: model.ResidMid, Layer: l})
		}
		p.places = append(p.places, model.Place{Site: model.ResidPost, Layer: l})
	}
	// KL and the answer refer to the last layer, whether it is shown or not
	last := model.Place{Site: model.ResidPost, Layer: shape.Layers - 1}
	if p.places[len(p.places)-1] != last {
		p.places = append(p.places, last)
		p.hidden = true
	}
	return p, nil
}

// firstState is the stream that enters the first block: the embedding, or where
// positions are embedded too (GPT-2) the sum of both.
func firstState(m model.Model) model.Place {
	if _, ok := m.Paths().Modules[model.PosEmbed]; ok {
		return model.Place{Site: model.ResidPre}
	}
	return model.Place{Site: model.Embed}
}

func inVocabulary(ids []int, vocab int, what string) error {
	for i, id := range ids {
		if id < 0 || id >= vocab {
			return fmt.Errorf("lens: %s %d (number %d) is outside the vocabulary: ids go from 0 to %d", what, id, i+1, vocab-1)
		}
	}
	return nil
}

// tap keeps the stream at each place, [pos, d_model], in states, held by scope. at
// chooses positions, nil all.
func (p *reading) tap(scope *mlx.Scope, states []*mlx.Array, at *mlx.Array) *model.Tap {
	row := map[model.Place]int{}
	for i, place := range p.places {
		row[place] = i
	}
	return &model.Tap{
		Wanted: func(site model.Site, layer int) bool {
			_, ok := row[model.Place{Site: site, Layer: layer}]
			return ok
		},
		Visit: func(site model.Site, layer int, x *mlx.Array) *mlx.Array {
			states[row[model.Place{Site: site, Layer: layer}]] = pick(scope, x, at)
			return x
		},
	}
}

// pick returns [1, pos, n] as [positions, n], held by scope.
func pick(scope *mlx.Scope, x, at *mlx.Array) *mlx.Array {
	x = mlx.Reshape(x, x.Dim(1), x.Dim(2))
	if at != nil {
		x = mlx.Take(x, at, 0)
	}
	return scope.Hold(x)
}

// trace runs the model on ids, which continue the cache, and returns the stream at
// each place, [pos, d_model], and the model's own logits [pos, d_vocab] when they are
// wanted; nothing where no position is.
func (p *reading) trace(scope *mlx.Scope, m model.Model, ids []int, cache *model.Cache, wantLogits bool) ([]*mlx.Array, *mlx.Array, error) {
	pass := scope.NewScope()
	defer pass.Close()
	tokens := mlx.FromSlice(pass, int32s(ids), 1, len(ids))
	if len(p.positions) == 0 {
		if err := m.Forward(tokens, cache, nil).Err(); err != nil {
			return nil, nil, err
		}
		return nil, nil, cache.Eval()
	}
	var at *mlx.Array
	if !p.all {
		at = mlx.FromSlice(pass, int32s(p.positions))
	}
	states := make([]*mlx.Array, len(p.places))
	out := m.Forward(tokens, cache, p.tap(scope, states, at))
	if err := p.complete(states, out); err != nil {
		return nil, nil, err
	}
	wanted := states
	var logits *mlx.Array
	if wantLogits {
		logits = pick(scope, out, at)
		wanted = append(wanted[:len(wanted):len(wanted)], logits)
	}
	return states, logits, mlx.Eval(wanted...)
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

func int32s(xs []int) []int32 {
	out := make([]int32, len(xs))
	for i, x := range xs {
		out[i] = int32(x)
	}
	return out
}

// checkTolerance bounds the difference between the last lens row and the model's
// own logits. In float32 both are the same numbers through the same operations in
// another blocking: a sum of d_model products of size 1 errs by about √d_model ε.
// A 16-bit model rounds its own logits to 8 or 11 bits.
func checkTolerance(d mlx.Dtype, largest float64) float64 {
	switch d {
	case mlx.BFloat16:
		return largest / 64
	case mlx.Float16:
		return largest / 512
	}
	return 1e-4 * max(1, largest/16)
}

// check compares the last row with the logits of the model's own forward pass.
func (p *reading) check(m model.Model, states []*mlx.Array, own *mlx.Array) (*Check, error) {
	d := own.Dtype()
	scope := states[0].Scope().NewScope()
	defer scope.Close()
	own = mlx.AsType(scope.Hold(own), mlx.Float32)
	lens := mlx.AsType(model.ToLogits(m, scope.Hold(states[len(states)-1])), mlx.Float32)
	difference, err := mlx.Item[float32](mlx.Max(mlx.Abs(mlx.Subtract(own, lens))))
	if err != nil {
		return nil, err
	}
	largest, err := mlx.Item[float32](mlx.Max(mlx.Abs(own)))
	if err != nil {
		return nil, err
	}
	c := &Check{MaxDifference: float64(difference), Tolerance: checkTolerance(d, float64(largest))}
	c.OK = c.MaxDifference <= c.Tolerance // false for NaN
	return c, nil
}
