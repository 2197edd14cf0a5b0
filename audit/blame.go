package audit

import (
	"cmp"
	"context"
	"fmt"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Direction says which model has a module of the other.
type Direction string

// The directions.
const (
	// Alone is the reference with one module of the candidate: what that module does by itself,
	// KL(reference ‖ reference with it).
	Alone Direction = "alone"

	// Restored is the candidate with one module of the reference: what putting it back gains,
	// KL(reference ‖ candidate) − KL(reference ‖ candidate without it).
	Restored Direction = "restored"
)

// Directions returns all of them.
func Directions() []Direction { return []Direction{Alone, Restored} }

// Blame says how modules are ranked by what they do to the end of the model. The zero value ranks none.
type Blame struct {
	Sequences  int         // by so many sequences, the first that have positions to score
	By         []Grouping  // nil: each by itself
	Directions []Direction // nil: Alone
}

// blames reports whether the next sequence is one by which modules are ranked.
func (a *Audit) blames() bool { return a.Blamed < a.o.Blame.Sequences }

// halves are those into which sequences are divided, by turns, to see whether a ranking stands.
const halves = 2

// slot is where the sums of a group stand, by direction and half.
func (a *Audit) slot(group, direction, half int) int {
	return (group*len(a.o.Blame.Directions)+direction)*halves + half
}

// slots is how many there are; the last is that of what is left when all modules are put back.
func (a *Audit) slots() int { return a.slot(len(a.groups), 0, 0) + 1 }

// blame measures what each group does at the positions [from, to) of a sequence, whose KL with all of
// the candidate's modules is kl. The result is by slot.
func (a *Audit) blame(ctx context.Context, ids []int, from, to int, kl []float64) ([]moments, error) {
	b := &blaming{Audit: a, ids: ids, from: from, to: to, kl: kl, sums: make([]moments, a.slots())}
	b.scope = mlx.NewScope(a.reference.Device())
	defer b.scope.Close()
	if err := b.begin(); err != nil {
		return nil, err
	}
	layers := a.reference.Shape().Layers
	for layer := 0; layer <= layers; layer++ {
		for i, g := range a.groups {
			if g.layer != layer {
				continue
			}
			if err := b.group(ctx, i, g); err != nil {
				return nil, err
			}
		}
		if err := b.step(layer); err != nil {
			return nil, err
		}
	}
	return b.sums, b.left()
}

// blaming is the work on a sequence. What comes before the first block that a group changes is
// computed once.
type blaming struct {
	*Audit
	ids      []int
	from, to int
	kl       []float64
	sums     []moments

	scope *mlx.Scope
	base  [2]*mlx.Array // the streams of reference and candidate behind some blocks, [1, pos, d_model]; nil behind none
	at    int           // these blocks
	owner *mlx.Scope    // of base
	final *mlx.Array    // what the reference's head reads, [to−from, d_model]
	whole head          // the reference's
}

// begin computes what the reference ends with.
func (b *blaming) begin() error {
	b.owner = b.scope.NewScope()
	h, err := b.through(b.scope, b.reference, nil, 0, b.reference.Shape().Layers, b.from, b.to)
	if err != nil {
		return err
	}
	b.final = b.reference.FinalNorm(mlx.Squeeze(h, 0))
	if err := mlx.Eval(b.final); err != nil {
		return err
	}
	b.whole = b.reference.Unembed
	if float := 4; (b.to-b.from)*b.vocab*float <= logitBytes && b.to-b.from <= b.room.block && b.o.MaxMemory == 0 {
		b.whole = remembered(b.scope, b.reference.Unembed)
	}
	return nil
}

// remembered is a head that is always given the same states, and computes the logits of each slice
// of the vocabulary once; scope holds them.
func remembered(scope *mlx.Scope, of head) head {
	made := map[[2]int]*mlx.Array{}
	return func(h *mlx.Array, from, to int) *mlx.Array {
		at := [2]int{from, to}
		if made[at] == nil {
			made[at] = scope.Hold(mlx.AsType(of(h, from, to), mlx.Float32))
		}
		return h.Scope().Hold(made[at])
	}
}

func (b *blaming) models() [2]model.Model { return [2]model.Model{b.reference, b.candidate} }

// step takes the base streams through a block.
func (b *blaming) step(layer int) error {
	s := b.reference.Shape()
	if layer >= s.Layers || !s.Resumable(layer+1) {
		return nil
	}
	owner := b.scope.NewScope()
	var next [2]*mlx.Array
	for i, m := range b.models() {
		var err error
		if next[i], err = b.through(owner, m, b.base[i], b.at, layer+1, 0, len(b.ids)); err != nil {
			return err
		}
	}
	err := mlx.Eval(next[0], next[1])
	b.owner.Close()
	b.owner, b.base, b.at = owner, next, layer+1
	return err
}

// group measures a group in every direction.
func (b *blaming) group(ctx context.Context, number int, g *group) error {
	for d, direction := range b.o.Blame.Directions {
		if err := ctx.Err(); err != nil {
			return err
		}
		base := 0
		if direction == Restored {
			base = 1
		}
		kl, err := b.with(g, base)
		if err != nil {
			return fmt.Errorf("audit: %s, %s: %w", g.name, direction, err)
		}
		at := b.slot(number, d, b.Blamed%halves)
		for i, x := range kl {
			if direction == Restored {
				x = b.kl[i] - x
			}
			b.sums[at].add(x)
		}
		b.worked(b.forwardWork(len(b.ids), b.starts(g)) + 2*b.headWork(b.to-b.from))
	}
	return nil
}

// left measures what is left of the difference with all modules of the reference: what the two
// differ in beside their weights.
func (b *blaming) left() error {
	kl, err := b.with(b.all(), 1)
	if err != nil {
		return fmt.Errorf("audit: all modules put back: %w", err)
	}
	for _, x := range kl {
		b.sums[len(b.sums)-1].add(x)
	}
	b.worked(b.forwardWork(len(b.ids), 0) + 2*b.headWork(b.to-b.from))
	return nil
}

// with returns the KL from the reference of a model, 0 the reference or 1 the candidate, that has
// a group's modules of the other. Both are themselves again when it returns.
func (b *blaming) with(g *group, base int) ([]float64, error) {
	scope := b.scope.NewScope()
	defer scope.Close()
	m := b.models()[base]
	var h *mlx.Array
	err := g.exchanged(func() (err error) {
		if h, err = b.through(scope, m, b.base[base], b.starts(g), m.Shape().Layers, b.from, b.to); err == nil {
			h = m.FinalNorm(mlx.Squeeze(h, 0))
			err = mlx.Eval(h)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	changed := func(h *mlx.Array, from, to int) (logits *mlx.Array) {
		if err := g.exchanged(func() error { logits = m.Unembed(h, from, to); return nil }); err != nil {
			return mlx.Failed("unembed", err)
		}
		return logits
	}
	pairs, err := b.pairs(scope, b.whole, changed, b.final, h, b.ids[b.from+1:b.to+1])
	if err != nil {
		return nil, err
	}
	kl := make([]float64, len(pairs))
	for i, p := range pairs {
		if !p.finiteness {
			return nil, fmt.Errorf("the logits at position %d have NaN or an infinity", b.from+i)
		}
		kl[i] = p.kl
	}
	return kl, nil
}

// starts is the block at which a run of a group begins. A model that cannot be taken up there begins
// with the first.
func (a *Audit) starts(g *group) int {
	if a.reference.Shape().Resumable(g.layer) {
		return g.layer
	}
	return 0
}

// through takes the stream behind some blocks, [1, pos, d_model], on to that behind others, in parts
// where it is long, and returns the positions [lo, hi), [1, hi−lo, d_model]. The stream
// behind no block is made anew.
func (b *blaming) through(scope *mlx.Scope, m model.Model, h *mlx.Array, from, to, lo, hi int) (*mlx.Array, error) {
	n := len(b.ids)
	var cache *model.Cache
	if n > b.room.part {
		cache = model.NewCache(m)
		defer cache.Close()
	}
	var parts []*mlx.Array
	for start := 0; start < hi; start += b.room.part {
		end := min(start+b.room.part, n)
		tokens := model.Tokens(scope, b.ids[start:end])
		var x *mlx.Array
		if from == 0 {
			x = m.Stream(tokens, cache, nil, to)
		} else {
			x = m.Resume(mlx.Slice(scope.Hold(h), 1, mlx.Between(start, end)), tokens, cache, nil, from, to)
		}
		if first, last := max(start, lo), min(end, hi); first < last {
			parts = append(parts, mlx.Slice(x, 1, mlx.Between(first-start, last-start)))
		}
		if cache == nil {
			break
		}
		if err := cmp.Or(x.Err(), cache.Eval(), mlx.Eval(parts...)); err != nil {
			return nil, err
		}
	}
	return scope.Hold(mlx.Concatenate(1, parts...)), nil
}

// blameWork counts the multiplications of a sequence of n positions, of which some are scored.
func (a *Audit) blameWork(n, scored int) float64 {
	total := a.forwardWork(n, 0) + 2*a.headWork(scored)
	for _, g := range a.groups {
		total += float64(len(a.o.Blame.Directions)) * (a.forwardWork(n, a.starts(g)) + 2*a.headWork(scored))
	}
	return total
}
