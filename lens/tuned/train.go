package tuned

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
)

// A Trainer trains a lens of a model on sequences of ids, step by step:
//
//	minimize over each layer's W and b  KL(final ‖ lens) = Σ p·(ln p − ln q), mean over positions
//
// p being what the model answers and q what its final norm and unembedding say of h + W·h + b,
// both in float32. The model runs once for a step's sequences, and its states are kept; then one
// layer's graph is there at a time, for some positions ([lens.Against]). The translator behind the last
// layer stays the identity.
//
// The same sequences and options give the same lens, whether the training was interrupted or not.
type Trainer struct {
	m         model.Model
	o         TrainOptions
	sequences [][]int
	places    []model.Place   // that are trained
	layers    []nn.Params     // of each place: its parameters
	rules     []*nn.Optimizer // of each place
	steps     []Step          // that were done
}

// Step is what one step of a training found, before it changed the parameters.
type Step struct {
	KL     []float64 // of each translator that is trained, mean over positions, in nats
	Tokens int
}

// NewTrainer begins a training. Close frees what it holds.
func NewTrainer(m model.Model, sequences [][]int, o TrainOptions) (*Trainer, error) {
	if err := model.Whole(m, "tuned: a training"); err != nil {
		return nil, err
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	if d := m.Shape().DModel; o.Rank >= d {
		return nil, fmt.Errorf("tuned: rank %d is no limit: the model's d_model is %d", o.Rank, d)
	}
	if len(sequences) == 0 {
		return nil, fmt.Errorf("tuned: there is nothing to train on")
	}
	for i, ids := range sequences {
		in := edit.Input{IDs: ids}
		if err := in.Check(m); err != nil {
			return nil, fmt.Errorf("tuned: sequence %d: %w", i, err)
		}
	}
	t := &Trainer{m: m, o: o, sequences: sequences}
	layers := m.Shape().Layers
	if o.Site == model.ResidPost {
		layers-- // the last one's state is what the model decodes itself
	}
	if layers < 1 {
		return nil, fmt.Errorf("tuned: a model of one layer has no state in between: take resid_pre")
	}
	for i := range layers {
		at := model.Place{Site: o.Site, Layer: i}
		if err := m.Check(at); err != nil {
			return nil, fmt.Errorf("tuned: %w", err)
		}
		t.places = append(t.places, at)
	}
	if err := t.fits(); err != nil {
		return nil, err
	}
	sizes := slices.Repeat([]float64{1}, layers)
	if o.Scaled {
		var err error
		if sizes, err = t.sizes(); err != nil {
			return nil, err
		}
	}
	for i := range t.places {
		t.layers = append(t.layers, t.start(i))
		rate, size := o.schedule(), sizes[i]
		isBias := func(path string, _ *mlx.Array) bool { return path == partBias }
		t.rules = append(t.rules, nn.NewMultiOptimizer(
			nn.Group{Of: isBias, Rule: o.rule(), Rate: func(step int) float64 { return size * rate(step) }},
			nn.Group{Rule: o.rule(), Rate: rate}))
	}
	return t, nil
}

// fits returns an error where the training may take more memory than is allowed.
func (t *Trainer) fits() error {
	if t.o.MaxMemory == 0 {
		return nil
	}
	d := t.m.Shape().DModel
	each := 0 // numbers of a translator
	for _, part := range partNames(d, t.o.rank(d)) {
		n := 1
		for _, size := range shapeOf(part, d, t.o.rank(d)) {
			n *= size
		}
		each += n
	}
	copies := 3 // the parameters, their gradients, and a moment
	if t.o.Optimizer == AdamW {
		copies++
	}
	translators := 4 * int64(each) * int64(copies*len(t.places)+3) // one is made anew
	longest := slices.SortedFunc(slices.Values(t.sequences), func(a, b []int) int { return len(b) - len(a) })
	step := slices.Repeat(longest[:1], max(1, t.o.Batch))
	copy(step, longest)
	work := lens.AgainstMemory(t.m, step, len(t.places))
	if free := t.o.MaxMemory - int64(mlx.ActiveMemory()); translators+work > free {
		return fmt.Errorf("tuned: the training needs at most %d MB beside the weights, %d of them for %d translators of rank %d, and %d MB are left for it: take a smaller rank or biases alone, fewer or shorter sequences a step, or allow more memory",
			(translators+work+1<<20-1)>>20, (translators+1<<20-1)>>20, len(t.places), t.o.rank(d), max(0, free>>20))
	}
	return nil
}

// Close frees the parameters.
func (t *Trainer) Close() {
	for _, of := range t.layers {
		for _, a := range of {
			a.Free()
		}
	}
	t.layers, t.rules = nil, nil
}

// start returns the parameters of a translator before the first step, the identity: all 0 but Down, which
// is drawn, each row about as long as 1, or Up would have no gradient either.
func (t *Trainer) start(layer int) nn.Params {
	d := t.m.Shape().DModel
	rank := t.o.rank(d)
	own, of := mlx.On(t.m.Device()), nn.Params{}
	for _, part := range partNames(d, rank) {
		shape := shapeOf(part, d, rank)
		if part != partDown {
			of[part] = mlx.Zeros(own, mlx.Float32, shape...)
			continue
		}
		draw := rand.New(rand.NewPCG(t.o.Seed, uint64(layer)))
		xs := make([]float32, rank*d)
		for i := range xs {
			xs[i] = float32(draw.NormFloat64() / math.Sqrt(float64(d)))
		}
		of[part] = mlx.FromSlice(own, xs, shape...)
	}
	return of
}

// measured is how many positions at least the size of the states is taken from, of as many sequences as have them.
const measured = 512

// sizes returns of each place the median over positions of the states' root mean square. Each sequence's first position is
// left out: in many models its state is many times longer. Sequences of one token count where there are no others.
func (t *Trainer) sizes() ([]float64, error) {
	all := make([][]float32, len(t.places))
	longer := slices.ContainsFunc(t.sequences, func(ids []int) bool { return len(ids) > 1 })
	for _, ids := range t.sequences {
		if longer && len(ids) == 1 {
			continue
		}
		if err := t.measure(ids, all); err != nil {
			return nil, err
		}
		if len(all[0]) >= measured {
			break
		}
	}
	out := make([]float64, len(all))
	for i, norms := range all {
		slices.Sort(norms)
		if out[i] = float64(norms[len(norms)/2]); !(out[i] > 0) || math.IsInf(out[i], 0) {
			return nil, fmt.Errorf("tuned: the states at %s have a root mean square of %g: the model computes nothing that can be read", t.places[i], out[i])
		}
	}
	return out, nil
}

// measure adds the root mean squares of a sequence's states at each place.
func (t *Trainer) measure(ids []int, to [][]float32) error {
	scope := mlx.NewScope(t.m.Device())
	defer scope.Close()
	states, err := lens.States(scope, t.m, [][]int{ids}, t.places)
	if err != nil {
		return err
	}
	for i, h := range states {
		norms, err := mlx.Data[float32](mlx.Sqrt(mlx.Mean(mlx.Square(mlx.AsType(h, mlx.Float32)), -1)))
		if err != nil {
			return err
		}
		to[i] = append(to[i], norms[min(1, len(norms)-1):]...)
	}
	return nil
}

// Done returns the steps that were done.
func (t *Trainer) Done() []Step { return t.steps }

// Loss is a step's mean over all layers of the model, in nats. That of the last layer is 0 in a lens of resid_post.
func (t *Trainer) Loss(s Step) float64 {
	sum := 0.0
	for _, x := range s.KL {
		sum += x
	}
	return sum / float64(t.m.Shape().Layers)
}

// order returns which sequences a step takes: the next ones, of the sequences in their order or in a
// drawn one, over and over.
func (t *Trainer) order(step int) [][]int {
	n := len(t.sequences)
	var out [][]int
	round, perm := -1, []int(nil)
	for i := step * t.o.Batch; i < (step+1)*t.o.Batch; i++ {
		at := i % n
		if t.o.Shuffle {
			if i/n != round {
				round = i / n
				perm = rand.New(rand.NewPCG(t.o.Seed, uint64(round)<<32)).Perm(n)
			}
			at = perm[at]
		}
		out = append(out, t.sequences[at])
	}
	return out
}

// Lens returns the lens as it is after the steps so far.
func (t *Trainer) Lens() (*Lens, error) {
	shape := t.m.Shape()
	d := shape.DModel
	l := &Lens{DModel: d, Site: t.o.Site, Residual: true, Fitted: Fitted{Recipe: t.o.Recipe, Sequences: len(t.sequences), Steps: len(t.steps)}}
	for _, ids := range t.sequences {
		l.Fitted.Tokens += len(ids)
	}
	var err error
	if l.Unembedding, err = Unembedding(t.m); err != nil {
		return nil, err
	}
	rank := t.o.rank(d)
	for i := range shape.Layers {
		var a Affine
		for _, part := range partNames(d, rank) {
			if i >= len(t.layers) {
				n := 1
				for _, x := range shapeOf(part, d, rank) {
					n *= x
				}
				*a.part(part) = make([]float32, n)
				continue
			}
			if *a.part(part), err = mlx.Data[float32](t.layers[i][part]); err != nil {
				return nil, err
			}
		}
		l.Translators = append(l.Translators, a)
	}
	return l, l.check()
}
