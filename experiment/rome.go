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
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// TracingSchema names the version of Tracing's JSON form. Additions never rename.
const TracingSchema = "mlxlens.rome/1"

// TracingOptions say how CausalTrace corrupts a run and what it restores.
type TracingOptions struct {
	Question // a Metric of "" is Prob of the clean run's answer

	Subject   []int        // positions whose embeddings are corrupted
	Noise     float64      // the noise's deviation, in standard deviations of the embedding; 0: 3
	Samples   int          // 0: 10
	Seed      uint64       // of all samples, each of which has its own ([SampleSeed])
	Sites     []model.Site // nil: resid_post, mlp_out and attn_out
	Window    int          // layers restored at once, but of the stream itself; 0: 10, or all where there are fewer
	Layers    []int        // nil: all
	Positions []int        // nil: all

	Label     func(id int) string
	MaxMemory int64
	Progress  func(done float64)
	Stop      <-chan struct{} // closed: no further row is computed; nil: all are
}

// Tracing is what restoring a clean state does to corrupted runs: plain data. Effects are means
// over the samples of noise, and errors half the width of their 95 % confidence interval, by
// Student's t.
type Tracing struct {
	Schema  string         `json:"schema"`
	Made    *lens.Made     `json:"made,omitempty"`
	Model   lens.ModelInfo `json:"model"`
	Run     Run            `json:"run"`
	Subject []int          `json:"subject"`
	Noise   Noise          `json:"noise"`
	Metric  Metric         `json:"metric"`
	Target  *lens.Token    `json:"target,omitempty"`
	Versus  *lens.Token    `json:"vs,omitempty"`

	// Interrupted says that not all rows were computed; those that were not are NaN, null in JSON.
	Interrupted bool `json:"interrupted,omitempty"`

	Clean     lens.Number `json:"clean"`     // the metric of the clean run
	Corrupted Effect      `json:"corrupted"` // of the corrupted ones
	Total     lens.Number `json:"total_effect"`

	Components []model.Site       `json:"components"`
	Rows       []int              `json:"rows"`    // layers
	Windows    map[model.Site]int `json:"windows"` // layers restored at once
	Positions  []int              `json:"positions"`

	// Effects and Errors are [row][position] of each component: the metric of a restored run less
	// that of the corrupted run with the same noise.
	Effects map[model.Site][][]lens.Number `json:"indirect_effect"`
	Errors  map[model.Site][][]lens.Number `json:"error"`

	Timing float64 `json:"rome_s,omitempty"`
}

// Noise is what a subject's embeddings were corrupted with.
type Noise struct {
	Factor    float64 `json:"factor"`    // in standard deviations of the embedding
	Deviation float64 `json:"deviation"` // the two multiplied
	Samples   int     `json:"samples"`
	Seed      uint64  `json:"seed"`
}

// Effect is a mean over samples.
type Effect struct {
	Mean  lens.Number `json:"mean"`
	Error lens.Number `json:"error"`
}

// CausalTrace finds the states that carry a fact (Meng et al. 2022, arXiv:2202.05262): noise on
// the embeddings of the subject corrupts a run, and a state of the clean run is restored in it,
// by position and window of layers.
//
//	total effect = x_clean − x_corrupted,   indirect effect = x_restored − x_corrupted
//
// for a metric x, averaged over samples of the noise, N(0, (Noise·σ)²), σ the standard deviation
// of all numbers of the embedding as it enters the stream. (The paper's code takes the tokens of
// its subjects for σ.)
func CausalTrace(ctx context.Context, m model.Model, in edit.Input, o TracingOptions) (*Tracing, error) {
	start := time.Now()
	t, err := newTracing(ctx, m, in, &o)
	if err != nil {
		return nil, err
	}
	defer t.close()
	if err := t.baseline(ctx); err != nil {
		return nil, err
	}
	for from := 0; from < len(t.out.Rows); {
		if t.out.Interrupted, err = t.stopped(o.Stop); err != nil {
			return nil, err
		}
		if t.out.Interrupted {
			break
		}
		to := t.rowsTogether(from)
		if err := t.rows(ctx, from, to); err != nil {
			return nil, err
		}
		from = to
	}
	t.out.Timing = time.Since(start).Seconds()
	return t.out, nil
}

// tracing is the work of CausalTrace.
type tracing struct {
	*runner
	o         *TracingOptions
	source    *store
	pair      pair
	scope     *mlx.Scope
	clean     *mlx.Array // its logits, [1, d_vocab]
	corrupted []float64  // the metric of each sample
	out       *Tracing
}

func newTracing(ctx context.Context, m model.Model, in edit.Input, o *TracingOptions) (*tracing, error) {
	if m == nil {
		return nil, refuse("there is no model")
	}
	if err := readOne(m, &in); err != nil {
		return nil, err
	}
	if err := o.complete(m, in); err != nil {
		return nil, err
	}
	deviation, err := EmbeddingDeviation(ctx, m)
	if err != nil {
		return nil, err
	}
	out := &Tracing{
		Schema: TracingSchema, Model: modelInfo(m), Run: describe(in, o.Label), Subject: o.Subject,
		Noise:  Noise{Factor: o.Noise, Deviation: o.Noise * deviation, Samples: o.Samples, Seed: o.Seed},
		Metric: o.Metric, Components: o.Sites, Windows: map[model.Site]int{},
		Effects: map[model.Site][][]lens.Number{}, Errors: map[model.Site][][]lens.Number{},
	}
	if out.Rows, err = model.Indices(o.Layers, m.Shape().Layers, "layer"); err != nil {
		return nil, refuse("%w", err)
	}
	bases := make([]edit.Input, o.Samples)
	for i := range bases {
		bases[i] = in
		noise := edit.Edit{Place: model.Place{Site: model.Embed}, Positions: o.Subject, Op: edit.Noise, Factor: out.Noise.Deviation, Seed: SampleSeed(o.Seed, i)}
		bases[i].Edits = append(slices.Clone(in.Edits), noise) // behind edits of the embedding, which else would take it away
	}
	t := &tracing{o: o, out: out, scope: mlx.NewScope(m.Device())}
	if t.pair, err = newPair(in, bases[0], lens.AlignEqual); err != nil {
		return nil, err
	}
	if out.Positions, err = t.pair.choose(o.Positions); err != nil {
		return nil, err
	}
	t.pair.differs = o.Subject[0]
	t.runner = newRunner(m, bases, in.Positions[0], o.Subject[0], o.MaxMemory)
	t.source = &store{m: m, sites: o.Sites, inputs: []edit.Input{{IDs: in.IDs, Edits: in.Edits, Positions: out.Positions}}, most: captureBytes(o.MaxMemory, 4)}
	t.stores = append(t.stores, t.source)
	t.fill()
	return t, nil
}

// SampleSeed is the seed of a sample's noise, as an edit of the embedding takes it: sample 0 of seed 0 has 0. Those of different seeds are nowhere near each other: else the samples of seed 1
// would be those of seed 0 but for one, and seem to confirm them.
func SampleSeed(seed uint64, sample int) uint64 {
	const apart = 0x9e3779b97f4a7c15 // 2⁶⁴ divided by the golden ratio: its small multiples lie farthest apart (Knuth, volume 3, 6.4)
	return seed*apart + uint64(sample)
}

// complete checks the options and sets those that were left out.
func (o *TracingOptions) complete(m model.Model, in edit.Input) error {
	o.Noise, o.Samples = cmp.Or(o.Noise, 3), cmp.Or(o.Samples, 10)
	o.Window = cmp.Or(o.Window, min(10, m.Shape().Layers))
	subject, err := model.Indices(o.Subject, len(in.IDs), "position")
	switch {
	case err != nil:
		return refuse("the subject: %w", err)
	case len(o.Subject) == 0:
		return refuse("there is no subject: name the positions that are corrupted")
	case subject[0] > in.Positions[0]:
		return refuse("the subject begins at position %d, behind the one that is read, %d", subject[0], in.Positions[0])
	case !(o.Noise > 0) || math.IsInf(o.Noise, 0):
		return refuse("noise of %v standard deviations: want a number above 0", o.Noise)
	case o.Samples < 2 || o.Samples > 1000:
		return refuse("%d samples of noise: want 2 to 1000", o.Samples)
	}
	if err := checkWindow(m, o.Window); err != nil {
		return err
	}
	o.Subject = slices.DeleteFunc(subject, func(p int) bool { return p > in.Positions[0] })
	if o.Sites == nil {
		o.Sites = []model.Site{model.ResidPost, model.MLPOut, model.AttnOut}
	}
	for i, site := range o.Sites {
		if err := checkSite(m, site, o.Sites[:i]); err != nil {
			return err
		}
	}
	o.Metric = cmp.Or(o.Metric, Prob)
	return o.Question.check(m.Shape().DVocab)
}

// streams are sites that a window is not taken of: what is restored in one layer is all of it.
var streams = []model.Site{model.ResidPre, model.ResidMid, model.ResidPost}

// fill makes the grids, without numbers.
func (t *tracing) fill() {
	for _, site := range t.o.Sites {
		t.out.Windows[site] = t.o.Window
		if slices.Contains(streams, site) {
			t.out.Windows[site] = 1
		}
		for _, grid := range []map[model.Site][][]lens.Number{t.out.Effects, t.out.Errors} {
			for range t.out.Rows {
				grid[site] = append(grid[site], slices.Repeat([]lens.Number{lens.Number(math.NaN())}, len(t.out.Positions)))
			}
		}
	}
	t.out.Target, t.out.Versus = t.o.tokens(t.o.Label)
	total := 0.0
	for _, layer := range t.out.Rows {
		total += t.work(len(t.o.Sites)*len(t.out.Positions)*t.o.Samples, t.lowest(layer))
	}
	t.tell(total, t.o.Progress)
}

// lowest is the first layer that the row of a layer restores.
func (t *tracing) lowest(layer int) int {
	lowest := layer
	for _, window := range t.out.Windows {
		from, _ := around(layer, window, t.m.Shape().Layers)
		lowest = min(lowest, from)
	}
	return lowest
}

// baseline asks the metric of the clean run and of the corrupted ones.
func (t *tracing) baseline(ctx context.Context) error {
	clean := newRunner(t.m, []edit.Input{{IDs: t.source.inputs[0].IDs, Edits: t.source.inputs[0].Edits}}, t.answer, t.answer, t.bound)
	defer clean.close()
	err := clean.run(ctx, 0, []variant{{}}, func(_ []int, last *mlx.Array) error {
		t.clean = t.scope.Hold(model.ToLogits(t.m, last))
		x, err := t.o.ask(t.m, last, t.clean)
		if err == nil {
			t.out.Clean = lens.Number(x[0])
		}
		return err
	})
	if err != nil {
		return err
	}
	t.corrupted = make([]float64, t.o.Samples)
	variants := make([]variant, t.o.Samples)
	for i := range variants {
		variants[i] = variant{base: i, from: t.o.Subject[0]}
	}
	err = t.run(ctx, 0, variants, func(of []int, last *mlx.Array) error {
		x, err := t.o.ask(t.m, last, t.clean)
		for i := range x {
			t.corrupted[of[i]] = x[i]
		}
		if err != nil { // the run without noise was right
			err = fmt.Errorf("%w, or at the noise of %g standard deviations", err, t.out.Noise.Factor)
		}
		return err
	})
	t.out.Corrupted = effect(t.corrupted)
	t.out.Total = t.out.Clean - t.out.Corrupted.Mean
	return err
}

// rowsTogether returns the end of the rows from one on that are run together.
func (t *tracing) rowsTogether(from int) int {
	each := (t.answer + 1 - t.starts[0]) * len(t.o.Sites) * len(t.out.Positions) * t.o.Samples
	return min(len(t.out.Rows), from+max(1, togetherPositions/each))
}

// rows restores the states of some rows.
func (t *tracing) rows(ctx context.Context, from, to int) error {
	effects := map[cell][]float64{} // of each sample
	lowest := t.lowest(t.out.Rows[from])
	runs := &sweep{runner: t.runner, layer: lowest, ask: func(last *mlx.Array) ([]float64, error) { return t.o.ask(t.m, last, t.clean) }}
	runs.set = func(c cell, x float64) {
		sample := c.sample
		c.sample = 0
		if effects[c] == nil {
			effects[c] = make([]float64, t.o.Samples)
		}
		effects[c][sample] = x - t.corrupted[sample]
	}
	for row := from; row < to; row++ {
		for _, site := range t.o.Sites {
			if t.m.Check(model.Place{Site: site, Layer: t.out.Rows[row]}) != nil {
				continue
			}
			for column, position := range t.out.Positions {
				if position < t.pair.differs { // it is clean
					t.out.Effects[site][row][column], t.out.Errors[site][row][column] = 0, 0
					continue
				}
				v, err := t.restored(ctx, site, t.out.Rows[row], position, lowest)
				if err != nil {
					return err
				}
				for v.base = range t.o.Samples {
					if err := runs.add(ctx, cell{site, row, column, v.base}, v); err != nil {
						return err
					}
				}
			}
		}
	}
	if err := runs.finish(ctx); err != nil {
		return err
	}
	for c, x := range effects {
		e := effect(x)
		t.out.Effects[c.site][c.row][c.column], t.out.Errors[c.site][c.row][c.column] = e.Mean, e.Error
	}
	return nil
}

// restored is a run with the clean states of a site at a position, in the window around a layer.
func (t *tracing) restored(ctx context.Context, site model.Site, layer, position, keep int) (variant, error) {
	v := variant{from: position}
	from, to := around(layer, t.out.Windows[site], t.m.Shape().Layers)
	for ; from < to; from++ {
		at := model.Place{Site: site, Layer: from}
		if t.m.Check(at) != nil {
			continue
		}
		value, err := t.source.at(ctx, 0, at, keep)
		if err != nil {
			return v, err
		}
		v.edits = append(v.edits, t.pair.set(at, []int{position}, -1, value))
	}
	return v, nil
}

func (t *tracing) close() {
	t.runner.close()
	t.scope.Close()
}
