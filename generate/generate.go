// Package generate continues a sequence of ids token by token: a cache of keys and
// values, sampling, stop strings, edits that act while it goes on. It speaks ids, and never
// sees a tokenizer.
package generate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Options say how a token is chosen; the zero value takes the likeliest.
type Options struct {
	Sampling

	// Tap returns the tap that sees a pass, behind that of the edits, or nil where it need not
	// be seen. A nil Tap sees no pass.
	Tap func(Pass) *model.Tap

	// Progress is called as the prompt is computed; it may be nil.
	Progress func(done, total int)
}

// Pass says what a pass computes: the positions [From, To) of the sequence. Chooses says
// that the logits of its last position choose the next token; it has one position then.
type Pass struct {
	From, To int
	Chooses  bool
}

// Token is a generated token.
type Token struct {
	ID      int
	LogProb float64 // in nats, after the repetition penalty, before temperature and filters
}

// ErrContext is what Next returns when the model's positions are used up.
var ErrContext = errors.New("the model's context is full")

// Generator continues one sequence. It belongs to one goroutine at a time.
type Generator struct {
	m     model.Model
	o     Options
	cache *model.Cache
	rand  *rand.Rand
	seen  []int // all ids
	edits *edit.Batch
	work  sampler
	spans int   // the length of the sequence by which the cache's keys turn
	ahead *step // the pass of the last id, under way; nil: the cache lacks the last id
}

// New checks the options.
func New(m model.Model, o Options) (*Generator, error) {
	if err := o.Sampling.Err(); err != nil {
		return nil, err
	}
	return &Generator{m: m, o: o, cache: model.NewCache(m), rand: rand.New(rand.NewPCG(o.Seed, 0))}, nil
}

// Close frees the cache.
func (g *Generator) Close() {
	g.drop()
	g.cache.Close()
}

// IDs returns the sequence so far, the prompt first.
func (g *Generator) IDs() []int { return append([]int(nil), g.seen...) }

// Prompt appends an input's ids to the sequence and computes all but the last, whose pass
// chooses the next token. The input's edits take the place of earlier ones and stay; their
// positions count in the whole sequence, and an edit without positions changes the tokens to
// come too. An input with neither ids nor edits keeps the earlier edits, and computes what a
// call that was stopped has left. An input must not name positions to read.
func (g *Generator) Prompt(ctx context.Context, in edit.Input) error {
	switch {
	case in.Positions != nil:
		return fmt.Errorf("generate: a prompt reads no positions: every one of them is continued")
	case len(in.IDs) == 0 && in.Edits != nil:
		return fmt.Errorf("generate: edits come with ids: the pass that they would change first may be under way")
	case len(in.IDs) == 0 && g.edits != nil:
		return g.compute(ctx) // goes on after an interruption
	}
	whole := edit.Input{IDs: append(g.IDs(), in.IDs...), Edits: in.Edits}
	batch, err := edit.NewBatch(g.m, whole)
	if err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	g.drop() // it chose what follows the ids before
	g.seen, g.edits = whole.IDs, batch
	return g.compute(ctx)
}

// compute runs the passes of all but the last id that the cache lacks.
func (g *Generator) compute(ctx context.Context) error {
	if g.outgrown(len(g.seen)) {
		g.cache.Close()
	}
	for total := len(g.seen) - 1; g.cache.Len() < total; {
		if err := ctx.Err(); err != nil {
			return err
		}
		from := g.cache.Len()
		to := min(from+model.PassPositions, total)
		if err := g.pass(Pass{From: from, To: to}, g.computed); err != nil {
			return err
		}
		mlx.TrimCache() // the next part has scores of another size
		if g.o.Progress != nil {
			g.o.Progress(to, total)
		}
	}
	return nil
}

// computed is the use of a pass of whose results nothing but the cache is wanted.
func (g *Generator) computed(logits *mlx.Array) error {
	if err := logits.Err(); err != nil {
		return err
	}
	return g.cache.Eval()
}

// tap returns the edits of a pass of a sequence of n ids, and what sees it after them.
func (g *Generator) tap(p Pass, n int) *model.Tap {
	g.spans = n
	edits := g.edits.Tap(p.From, p.To)
	edits.Lengths = []int{n}
	if g.o.Tap == nil {
		return edits
	}
	return edits.Then(g.o.Tap(p))
}

// outgrown reports whether a sequence of n ids is the first that is too long for the short
// factors of longrope, by which the cache's keys turn. They are computed anew then, as in
// transformers' Phi-3: a cache of both kinds is no sequence that the model was trained on.
func (g *Generator) outgrown(n int) bool {
	short := g.m.Shape().ShortContext
	return short > 0 && g.spans <= short && n > short && g.cache.Len() > 0
}

// pass runs the model on ids that continue the cache.
func (g *Generator) pass(p Pass, use func(logits *mlx.Array) error) error {
	scope := mlx.NewScope(g.m.Device())
	defer scope.Close()
	return use(model.Forward(g.m, model.Tokens(scope, g.seen[p.From:p.To]), g.cache, g.tap(p, len(g.seen))))
}

// Next computes the last id's pass and chooses the id that follows, which becomes the
// last.
func (g *Generator) Next(ctx context.Context) (Token, error) {
	if err := ctx.Err(); err != nil {
		return Token{}, err
	}
	if len(g.seen) == 0 {
		return Token{}, fmt.Errorf("generate: there is no prompt to continue")
	}
	if n := g.m.Shape().Context; len(g.seen) > n {
		return Token{}, fmt.Errorf("generate: %w: %d positions", ErrContext, n)
	}
	if missing := len(g.seen) - g.cache.Len(); g.ahead == nil && missing != 1 {
		return Token{}, fmt.Errorf("generate: a pass before failed: %d of %d positions are computed", g.cache.Len(), len(g.seen))
	}
	if g.outgrown(len(g.seen)) {
		if err := g.compute(ctx); err != nil {
			return Token{}, err
		}
	}
	var next Token
	var err error
	if g.o.Temperature == 0 && !g.o.penalizes() && g.o.Tap == nil {
		next, err = g.likeliest()
	} else {
		next, err = g.sampled()
	}
	if err == nil {
		next, err = g.agreed(next)
	}
	if err != nil {
		return Token{}, err
	}
	g.seen = append(g.seen, next.ID)
	return next, nil
}

// agreed is the first rank's choice, where several hold the model: all have the same logits but for
// the rounding of their machines.
func (g *Generator) agreed(t Token) (Token, error) {
	part := g.m.Part()
	if part == nil {
		return t, nil
	}
	id, err := part.Ranks.First(int64(t.ID))
	t.ID = int(id)
	return t, err
}

// sampled reads the logits of the last id's pass, and samples from them here.
func (g *Generator) sampled() (next Token, err error) {
	n := len(g.seen)
	err = g.pass(Pass{From: n - 1, To: n, Chooses: true}, func(logits *mlx.Array) error {
		return mlx.Borrow(mlx.AsType(logits, mlx.Float32), func(values []float32) error {
			next, err = g.work.sample(values, g.seen, g.o.Sampling, g.rand)
			return err
		})
	})
	return next, err
}

// step is a pass that is under way, and what it will choose.
type step struct {
	scope *mlx.Scope
	id    *mlx.Array // [1, 1] uint32
	score *mlx.Array // [1, 1] its log-probability
}

// launch starts the pass of an id [1, 1] that continues the cache.
func (g *Generator) launch(scope *mlx.Scope, id *mlx.Array) (*step, error) {
	at := g.cache.Len()
	tap := g.tap(Pass{From: at, To: at + 1, Chooses: true}, at+1)
	logits := mlx.AsType(model.Forward(g.m, id, g.cache, tap), mlx.Float32) // [1, 1, d_vocab]
	next := model.Likeliest(logits)
	score := mlx.Subtract(mlx.Squeeze(mlx.TakeAlongAxis(logits, mlx.ExpandDims(next, -1), -1), -1), mlx.LogSumExp(logits, -1))
	return &step{scope, next, score}, mlx.AsyncEval(next, score)
}

// likeliest chooses the best id where the logits are, and starts that id's own pass
// before it reads which it is: the device does not wait for the passes to be built.
func (g *Generator) likeliest() (Token, error) {
	now := g.ahead
	g.ahead = nil
	if now == nil {
		scope := mlx.NewScope(g.m.Device())
		var err error
		if now, err = g.launch(scope, model.Tokens(scope, g.seen[len(g.seen)-1:])); err != nil {
			scope.Close()
			return Token{}, err
		}
	}
	defer now.scope.Close()
	if n := len(g.seen) + 1; n <= g.m.Shape().Context && !g.outgrown(n) && g.m.Part() == nil {
		scope := mlx.NewScope(g.m.Device())
		next, err := g.launch(scope, scope.Hold(now.id))
		if err != nil {
			scope.Close()
			return Token{}, err
		}
		g.ahead = next
	}
	id, err := mlx.Item[uint32](now.id)
	if err != nil {
		return Token{}, err
	}
	score, err := mlx.Item[float32](now.score)
	if err != nil {
		return Token{}, err
	}
	if math.IsNaN(float64(score)) {
		return Token{}, fmt.Errorf("generate: the logits are not numbers: they grow beyond float32 on the way there; look for an edit or a number of the config that is far too large")
	}
	return Token{ID: int(id), LogProb: float64(score)}, nil
}

// drop forgets the pass that is under way; what it added to the cache stays.
func (g *Generator) drop() {
	if g.ahead != nil {
		g.ahead.scope.Close()
		g.ahead = nil
	}
}
