package audit

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Options say what an audit measures.
type Options struct {
	Layers []int // whose lens is read; negative ones count from the end; nil: all. The last is always read

	// Skip is how many positions of a sequence are not scored before the first that is; nil: half of them, as
	// llama-perplexity has it, so that what is scored has a context. The last has no next token,
	// and is never scored.
	Skip *int

	// Threshold is the mean KL, in nats, from which on two lenses are said to have parted; 0 means 0.01.
	Threshold float64

	Blame Blame

	// MaxMemory bounds, in bytes, what MLX's arrays take, the weights of both models among them; 0: no bound.
	MaxMemory int64

	// Progress is told of work as [Audit.Work] counts it, when it is done; it may be nil.
	Progress func(work float64)

	// OnDevice makes MLX reduce the logits where it computes them, as on a GPU, instead of reading
	// them in Go in float64, as on a CPU. nil: by the models' device.
	OnDevice *bool
}

const defaultThreshold = 0.01

// Audit is the work on a corpus, sequence by sequence. It belongs to one goroutine.
type Audit struct {
	reference, candidate model.Model

	o        Options
	places   []model.Place // in forward order; the last is the stream behind the last block
	vocab    int
	onDevice bool
	room     room
	parts    []*part     // modules that both models have
	lone     [2][]string // roles that only the reference has, and only the candidate
	groups   []*group

	tally
}

// room is how much is worked on at once.
type room struct {
	part  int // positions of a forward pass
	block int // positions of which logits of both models are there
}

// New prepares to compare two models of the same shape, whose ids mean the same.
func New(reference, candidate model.Model, o Options) (*Audit, error) {
	if o.Threshold == 0 {
		o.Threshold = defaultThreshold
	}
	switch {
	case !(o.Threshold > 0) || math.IsInf(o.Threshold, 0):
		return nil, fmt.Errorf("audit: threshold %v: want a finite number above 0", o.Threshold)
	case o.Skip != nil && *o.Skip < 0:
		return nil, fmt.Errorf("audit: skip %d: want 0 positions or more", *o.Skip)
	case reference == candidate:
		return nil, fmt.Errorf("audit: the reference is the candidate itself: open it twice")
	case reference.Device() != candidate.Device():
		return nil, fmt.Errorf("audit: the reference is on the %s, and the candidate on the %s: open both on one", reference.Device(), candidate.Device())
	}
	for _, m := range []model.Model{reference, candidate} {
		if err := model.Whole(m, "audit: the comparison of two models"); err != nil {
			return nil, err
		}
	}
	r, c := reference.Shape(), candidate.Shape()
	for _, size := range []struct {
		name string
		r, c int
	}{{"layers", r.Layers, c.Layers}, {"d_model", r.DModel, c.DModel}, {"d_vocab", r.DVocab, c.DVocab}} {
		if size.r != size.c {
			return nil, fmt.Errorf("audit: the reference has %s %d, and the candidate %d: only models of one shape are compared state by state", size.name, size.r, size.c)
		}
	}
	a := &Audit{reference: reference, candidate: candidate, o: o, vocab: r.DVocab, onDevice: reference.Device() == mlx.GPU}
	if o.OnDevice != nil {
		a.onDevice = *o.OnDevice
	}
	layers, err := model.Indices(o.Layers, r.Layers, "layer")
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	if last := r.Layers - 1; !slices.Contains(layers, last) {
		layers = append(layers, last)
	}
	for _, l := range layers {
		a.places = append(a.places, model.Place{Site: model.ResidPost, Layer: l})
	}
	a.places = model.InForwardOrder(a.places)
	if err := a.fit(1); err != nil {
		return nil, err
	}
	a.tally.init(len(a.places))
	return a, a.prepareBlame()
}

// What is worked on at once when no bound is given.
const (
	stateBytes = 512 << 20 // of the streams of both models
	logitBytes = 256 << 20 // of the logits of both, and what is made of them
)

// fit finds how much is worked on at once of a sequence of n positions.
func (a *Audit) fit(n int) error {
	s := a.reference.Shape()
	const float = 4
	states := 2 * float * len(a.places) * s.DModel // of a position
	width, arrays := vocabSlice, 2
	if a.onDevice {
		width, arrays = s.DVocab, 8
	}
	logits := float * arrays * min(width, s.DVocab)
	a.room = room{part: model.PassPositions, block: max(1, min(model.PassPositions, logitBytes/logits))}
	for a.room.part > leastPart && a.room.part*states > stateBytes {
		a.room.part /= 2
	}
	if a.o.MaxMemory == 0 {
		return nil
	}
	free := a.o.MaxMemory - int64(mlx.ActiveMemory())
	for {
		need := int64(float*s.Block(1, min(a.room.part, n), n)) + int64(a.room.part*states) + int64(a.room.block*logits)
		switch {
		case need <= free:
			return nil
		case a.room.part > leastPart:
			a.room.part /= 2
		case a.room.block > 1:
			a.room.block /= 2
		default:
			return fmt.Errorf("audit: a pass needs at least %d MB beside the weights, and %d MB are left for it: read fewer layers, or allow more memory", (need+1<<20-1)>>20, max(0, free>>20))
		}
	}
}

// leastPart bounds the positions of a pass from below, as the lens does.
const leastPart = 16

// scored returns the positions [from, to) of n that are scored.
func (a *Audit) scored(n int) (from, to int) {
	from = n / 2
	if a.o.Skip != nil {
		from = *a.o.Skip
	}
	return min(from, max(n-1, 0)), max(n-1, 0)
}

// Add measures a sequence. What it adds is added whole, or with an error not at all. The context is
// looked at between the pieces of the work.
func (a *Audit) Add(ctx context.Context, ids []int) error {
	for _, m := range []model.Model{a.reference, a.candidate} {
		if err := (&edit.Input{IDs: ids}).Check(m); err != nil {
			return fmt.Errorf("audit: sequence %d: %w", a.Done+1, err)
		}
	}
	from, to := a.scored(len(ids))
	if from == to {
		a.Done++
		a.Skipped++
		return nil
	}
	if err := a.fit(len(ids)); err != nil {
		return err
	}
	found, err := a.measure(ctx, ids, from, to)
	if err != nil {
		return err
	}
	var blamed []moments
	if a.blames() {
		if blamed, err = a.blame(ctx, ids, from, to, found.finalKL()); err != nil {
			return err
		}
	}
	a.tally.add(found, blamed)
	return nil
}

// Work counts the multiplications of the sequences that are still to be added, in their order.
func (a *Audit) Work(sequences [][]int) float64 {
	total := 0.0
	blamed := a.Blamed
	for _, ids := range sequences {
		from, to := a.scored(len(ids))
		if from == to {
			continue
		}
		total += 2*a.forwardWork(len(ids), 0) + 2*float64(len(a.places))*a.headWork(to-from)
		if blamed < a.o.Blame.Sequences {
			total += a.blameWork(len(ids), to-from)
		}
		blamed++
	}
	return total
}

// Runs is how many runs the ranking of modules takes, for each sequence that it is made by.
func (a *Audit) Runs() int { return len(a.groups) * len(a.o.Blame.Directions) }

// forwardWork counts those of n positions from a block on to the last one, but for attention's
// scores.
func (a *Audit) forwardWork(n, from int) float64 {
	s := a.reference.Shape()
	attention := s.DModel * (s.DHead + s.Size(model.DValue)) * (s.Heads + s.KVHeads)
	mlp := 3 * s.DModel * s.DMLP
	if s.Experts > 0 {
		mlp = s.DModel * (3*s.TopK*s.DExpert + s.Experts)
	}
	return float64(n) * float64(s.Layers-from) * float64(attention+mlp)
}

// headWork counts those of the head for n positions.
func (a *Audit) headWork(n int) float64 {
	return float64(n) * float64(a.reference.Shape().DModel) * float64(a.vocab)
}

func (a *Audit) worked(work float64) {
	if a.o.Progress != nil {
		a.o.Progress(work)
	}
}
