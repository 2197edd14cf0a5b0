package experiment

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/sparse"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// FeaturesSchema names the version of Features' JSON form. Additions never rename.
const FeaturesSchema = "mlxlens.features/1"

// FeaturesOptions say what is read of a prompt's features.
type FeaturesOptions struct {
	Top    int  // features of a position; 0 means 5
	Tokens int  // that a feature's direction writes most, and least; 0: none
	Splice bool // run the prompt again with the reconstruction in the place of what was reconstructed

	Label     func(id int) string
	MaxMemory int64              // bytes, of all that MLX has; 0: no bound
	Progress  func(done float64) // nil: nobody is told
}

// Features are what a dictionary finds in a prompt: plain data.
type Features struct {
	Schema    string         `json:"schema"`
	Made      *lens.Made     `json:"made,omitempty"`
	Model     lens.ModelInfo `json:"model"`
	Sparse    Dictionary     `json:"sparse"`
	Prompt    *string        `json:"prompt"` // nil when ids were given instead of text
	BOSAdded  bool           `json:"bos_added"`
	Tokens    []lens.Token   `json:"tokens"`
	Edits     []string       `json:"edits"`
	Positions []int          `json:"positions"`
	Cells     []Active       `json:"cells"` // by position
	Named     []Feature      `json:"features,omitempty"`

	// Explained is 1 − Σ|x − x̂|²/Σ|x − x̄|² over the positions that were read, x̄ their mean; NaN, null in
	// JSON, for one position.
	Explained lens.Number `json:"explained_variance"`
	L0        float64     `json:"l0"` // features that are active at a position, the mean

	Spliced *Spliced `json:"spliced,omitempty"`
	Timing  float64  `json:"features_s,omitempty"`
}

// Dictionary says which dictionary features are of.
type Dictionary struct {
	Path       string            `json:"path"`
	Model      string            `json:"model,omitempty"` // that it was made for, as its file says
	In         string            `json:"in"`
	Out        string            `json:"out"` // what it reconstructs
	Activation sparse.Activation `json:"activation"`
	Features   int               `json:"features"`
}

// Active is what a position has.
type Active struct {
	Top   []Activation `json:"top"`   // the greatest first
	L0    int          `json:"l0"`    // features that are active
	Norm  lens.Number  `json:"norm"`  // |x|, of what is reconstructed
	Error lens.Number  `json:"error"` // |x − x̂|
}

// Activation is a feature's at a position.
type Activation struct {
	Feature    int     `json:"feature"`
	Activation float64 `json:"activation"`
}

// Feature is one that is among the top of a position, and what its direction writes: the logit lens of
// the row of W_dec, whose final norm has no other scale than the row's own.
type Feature struct {
	Feature int              `json:"feature"`
	Most    float64          `json:"most"`     // its greatest activation
	Raises  []lens.Candidate `json:"raises"`   // the tokens of its direction's greatest logits
	Lowers  []lens.Candidate `json:"lowers"`   // those of its least, the least first
	At      int              `json:"position"` // of the greatest activation
}

// Spliced is what the model says with the reconstruction in the place of the states, at the positions
// that were read, against what it says without: means in nats.
type Spliced struct {
	KL    lens.Number `json:"kl"`         // KL(model ‖ spliced), over the positions that were read
	CE    lens.Number `json:"ce"`         // −ln p of the next token of the prompt, of the model; null without one
	CEOf  lens.Number `json:"ce_spliced"` // with the reconstruction
	Steps int         `json:"steps"`      // positions that have a next token
}

// FeaturesOf encodes what passes the dictionary's place at an input's positions, and says how well the
// reconstruction stands for it.
func FeaturesOf(ctx context.Context, m model.Model, in edit.Input, e *sparse.Encoder, o FeaturesOptions) (*Features, error) {
	start := time.Now()
	f := &encoding{m: m, e: e, o: &o, in: in}
	if err := f.prepare(); err != nil {
		return nil, err
	}
	if err := f.capture(ctx); err != nil {
		return nil, err
	}
	if err := f.encode(ctx); err != nil {
		return nil, err
	}
	if err := f.named(); err != nil {
		return nil, err
	}
	if err := f.splice(ctx); err != nil {
		return nil, err
	}
	f.out.Timing = time.Since(start).Seconds()
	return f.out, nil
}

// encoding is the work of FeaturesOf.
type encoding struct {
	m    model.Model
	e    *sparse.Encoder
	o    *FeaturesOptions
	in   edit.Input
	x, y []float32 // what is read, and what is reconstructed: [pos, d]
	back []float32 // the reconstruction
	out  *Features
}

func (f *encoding) prepare() error {
	if f.m == nil || f.e == nil {
		return refuse("there is no model, or no dictionary")
	}
	f.o.Top = cmp.Or(f.o.Top, 5)
	if f.o.Top < 1 || f.o.Tokens < 0 || f.o.Tokens > f.m.Shape().DVocab {
		return refuse("top %d and %d tokens: want 1 or more features, and 0 to %d tokens", f.o.Top, f.o.Tokens, f.m.Shape().DVocab)
	}
	f.o.Top = min(f.o.Top, f.e.Features)
	b, err := edit.NewBatch(f.m, f.in)
	if err == nil {
		err = b.Reach(f.m, []model.Place{f.e.In, f.e.Out})
	}
	if err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	f.in.Positions = b.Inputs[0].Positions
	run := describe(f.in, f.o.Label)
	f.out = &Features{
		Schema: FeaturesSchema, Model: modelInfo(f.m), Tokens: run.Tokens, Edits: run.Edits, Positions: f.in.Positions,
		Sparse: Dictionary{Path: f.e.Path, Model: f.e.Model, In: f.e.In.String(), Out: f.e.Out.String(), Activation: f.e.Activation, Features: f.e.Features},
	}
	return nil
}

// capture reads the states.
func (f *encoding) capture(ctx context.Context) error {
	places := []model.Place{f.e.In}
	if f.e.Out != f.e.In {
		places = append(places, f.e.Out)
	}
	result, work, err := states.Memory(f.m, f.in, places)
	if err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	free, err := model.Free(f.m, f.o.MaxMemory)
	if err != nil {
		return err
	}
	if f.o.MaxMemory > 0 && result+work > free {
		return fmt.Errorf("experiment: to read the states takes %d MB beside the weights, and %d MB are left for it: read fewer positions, or allow more memory", (result+work+1<<20-1)>>20, max(0, free>>20))
	}
	set, err := states.Capture(ctx, f.m, f.in, places)
	if err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	read := func(at model.Place) ([]float32, error) {
		v, err := set.Value(at)
		return v.Data, err
	}
	if f.x, err = read(f.e.In); err == nil {
		f.y, err = read(f.e.Out)
	}
	return err
}

// encode goes through the positions, so many at a time that their activations fit.
func (f *encoding) encode(ctx context.Context) error {
	n := len(f.in.Positions)
	for from := 0; from < n; from += f.e.Rows() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.some(from, min(from+f.e.Rows(), n)); err != nil {
			return err
		}
		if f.o.Progress != nil {
			f.o.Progress(float64(min(from+f.e.Rows(), n)) / float64(n+1))
		}
	}
	f.explained()
	total := 0
	for _, c := range f.out.Cells {
		total += c.L0
	}
	f.out.L0 = float64(total) / float64(n)
	return nil
}

// some encodes the states number from to to−1.
func (f *encoding) some(from, to int) error {
	scope := mlx.NewScope(f.m.Device())
	defer scope.Close()
	x := mlx.FromSlice(scope, f.x[from*f.e.DIn:to*f.e.DIn], to-from, f.e.DIn)
	acts := f.e.Encode(x)
	back := f.e.Decode(acts, x)
	k := f.o.Top
	best := mlx.Slice(mlx.Argpartition(acts, -k, -1), -1, mlx.Between(f.e.Features-k, f.e.Features))
	values := mlx.TakeAlongAxis(acts, best, -1)
	counts := mlx.Sum(mlx.AsType(mlx.Greater(acts, mlx.ZerosLike(acts)), mlx.Int32), -1)
	if err := mlx.Eval(back, best, values, counts); err != nil {
		return err
	}
	ids, err := mlx.Data[uint32](best)
	if err != nil {
		return err
	}
	numbers, err := mlx.Data[float32](values)
	if err != nil {
		return err
	}
	active, err := mlx.Data[int32](counts)
	if err != nil {
		return err
	}
	reconstruction, err := mlx.Data[float32](back)
	if err != nil {
		return err
	}
	f.back = append(f.back, reconstruction...)
	for i := range to - from {
		c := Active{L0: int(active[i]), Top: []Activation{}}
		for j := i * k; j < (i+1)*k; j++ {
			if numbers[j] > 0 {
				c.Top = append(c.Top, Activation{int(ids[j]), float64(numbers[j])})
			}
		}
		slices.SortFunc(c.Top, func(a, b Activation) int {
			return cmp.Or(cmp.Compare(b.Activation, a.Activation), cmp.Compare(a.Feature, b.Feature))
		})
		at := (from + i) * f.e.DOut
		norm, apart := 0.0, 0.0
		for d := range f.e.DOut {
			y := float64(f.y[at+d])
			norm += y * y
			apart += (y - float64(f.back[at+d])) * (y - float64(f.back[at+d]))
		}
		if c.Norm, c.Error = lens.Number(math.Sqrt(norm)), lens.Number(math.Sqrt(apart)); math.IsNaN(apart) || math.IsInf(apart, 0) {
			return fmt.Errorf("experiment: the reconstruction at position %d is not finite: a state or a weight is beyond float32", f.in.Positions[from+i])
		}
		f.out.Cells = append(f.out.Cells, c)
	}
	return nil
}

// explained is the part of the states' variance that the reconstruction has.
func (f *encoding) explained() {
	n, d := len(f.in.Positions), f.e.DOut
	mean := make([]float64, d)
	for i, y := range f.y {
		mean[i%d] += float64(y) / float64(n)
	}
	residual, total := 0.0, 0.0
	for i, y := range f.y {
		residual += (float64(y) - float64(f.back[i])) * (float64(y) - float64(f.back[i]))
		total += (float64(y) - mean[i%d]) * (float64(y) - mean[i%d])
	}
	f.out.Explained = lens.Number(1 - residual/total)
	if n < 2 || total == 0 {
		f.out.Explained = lens.Number(math.NaN())
	}
}
