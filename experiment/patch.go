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

// PatchSchema names the version of Patching's JSON form. Additions never rename.
const PatchSchema = "mlxlens.patch/1"

// Columns says what a column of a patching is.
type Columns string

// What a column may be.
const (
	ByPosition Columns = "position" // one of the positions
	ByHead     Columns = "head"     // one of the site's heads, at all of the positions
	Together   Columns = "all"      // all of the positions; there is one column
)

func (c Columns) check() error {
	if !slices.Contains([]Columns{ByPosition, ByHead, Together}, c) {
		return refuse("columns %q: want %q, %q or %q", c, ByPosition, ByHead, Together)
	}
	return nil
}

// checkWindow refuses a window of more layers than there are.
func checkWindow(m model.Model, window int) error {
	if layers := m.Shape().Layers; window < 1 || window > layers {
		return refuse("a window of %d layers: want 1 to %d", window, layers)
	}
	return nil
}

// PatchOptions say what Patch puts where, and what it asks.
type PatchOptions struct {
	Question

	Sites     []model.Site // nil: resid_pre, attn_out and mlp_out, by head z
	Layers    []int        // nil: all
	Positions []int        // of the run that is changed; nil: all up to the one that is read
	Columns   Columns      // "": ByPosition
	Window    int          // layers patched at once, ⌊w/2⌋ of them before the row's own (Meng et al. 2022); 0: 1
	Noising   bool         // the corrupted run's values into the clean run, instead of the reverse
	Align     lens.Alignment

	Label     func(id int) string // nil: tokens have no text
	MaxMemory int64               // bytes, of all that MLX has; 0: no bound
	Progress  func(done float64)  // nil: nobody is told; done goes from 0 to 1
	Stop      <-chan struct{}     // closed: no further row is computed, in Patch and PathPatch; nil: all are
}

// Patching is what patches of a run recover of another one: plain data.
type Patching struct {
	Schema string     `json:"schema"`
	Made   *lens.Made `json:"made,omitempty"`
	Between
	Components []model.Site `json:"components"`
	Rows       []int        `json:"rows"` // layers
	Window     int          `json:"window"`
	Columns    Columns      `json:"columns"`
	Positions  []int        `json:"positions"`       // that are patched, of the run that is changed
	Heads      int          `json:"heads,omitempty"` // columns of ByHead

	// Interrupted says that not all rows were computed; those that were not are NaN, null in JSON.
	Interrupted bool `json:"interrupted,omitempty"`

	Receivers  []string `json:"receivers,omitempty"`  // of paths
	Recomputed bool     `json:"recomputed,omitempty"` // MLPs on the paths were

	// Recovery and Values are [row][column] of each component: (x − corrupted)/(clean − corrupted)
	// and the metric x itself. Where the model has no such place they are NaN, null in JSON.
	Recovery map[model.Site][][]lens.Number `json:"recovery"`
	Values   map[model.Site][][]lens.Number `json:"values"`

	Timing float64 `json:"patch_s,omitempty"`
}

// Patch runs a prompt with what another run computed put in its place, place by place (activation
// patching: Vig et al. 2020, arXiv:2004.12265; Heimersheim and Nanda 2024, arXiv:2404.15255). An
// input's one position is read, by default the last.
//
// The clean run's values go into the corrupted run (denoising), or with Noising the reverse. A
// metric's recovery is
//
//	(x − x_corrupted)/(x_clean − x_corrupted)
//
// either way: 0 is the corrupted run, 1 the clean one.
func Patch(ctx context.Context, m model.Model, clean, corrupted edit.Input, o PatchOptions) (*Patching, error) {
	start := time.Now()
	p, err := newPatching(m, clean, corrupted, &o)
	if err != nil {
		return nil, err
	}
	defer p.close()
	if err := p.baseline(ctx); err != nil {
		return nil, err
	}
	if err := p.all(ctx); err != nil {
		return nil, err
	}
	p.out.Timing = time.Since(start).Seconds()
	return p.out, nil
}

// patching is the work of Patch.
type patching struct {
	*runner
	o      *PatchOptions
	source *store
	pair   pair
	scope  *mlx.Scope
	clean  *mlx.Array // its logits, [1, d_vocab]
	out    *Patching
}

func newPatching(m model.Model, clean, corrupted edit.Input, o *PatchOptions) (*patching, error) {
	if m == nil {
		return nil, refuse("there is no model")
	}
	shape := m.Shape()
	if err := o.complete(m); err != nil {
		return nil, err
	}
	for _, in := range []*edit.Input{&clean, &corrupted} {
		if err := readOne(m, in); err != nil {
			return nil, err
		}
	}
	from, into := clean, corrupted
	if o.Noising {
		from, into = corrupted, clean
	}
	pair, err := newPair(from, into, o.Align)
	if err != nil {
		return nil, err
	}
	out := &Patching{
		Schema: PatchSchema, Between: Between{Model: modelInfo(m), Clean: describe(clean, o.Label), Corrupted: describe(corrupted, o.Label), Noising: o.Noising, Metric: o.Metric},
		Components: o.Sites, Window: o.Window, Columns: o.Columns, Recovery: map[model.Site][][]lens.Number{}, Values: map[model.Site][][]lens.Number{},
	}
	out.Target, out.Versus = o.tokens(o.Label)
	if out.Rows, err = model.Indices(o.Layers, shape.Layers, "layer"); err != nil {
		return nil, refuse("%w", err)
	}
	if out.Positions, err = pair.choose(o.Positions); err != nil {
		return nil, err
	}
	p := &patching{o: o, pair: pair, out: out, scope: mlx.NewScope(m.Device())}
	p.runner = newRunner(m, []edit.Input{into}, into.Positions[0], pair.differs, o.MaxMemory)
	p.source = &store{m: m, sites: o.Sites, inputs: []edit.Input{{IDs: from.IDs, Edits: from.Edits, Positions: pair.sources(out.Positions)}}, most: captureBytes(o.MaxMemory, 4)}
	p.stores = append(p.stores, p.source)
	return p, p.fill()
}

// complete checks the options and sets those that were left out.
func (o *PatchOptions) complete(m model.Model) error {
	o.Columns, o.Window = cmp.Or(o.Columns, ByPosition), cmp.Or(o.Window, 1)
	if err := cmp.Or(o.Columns.check(), checkWindow(m, o.Window)); err != nil {
		return err
	}
	if o.Sites == nil {
		for _, site := range []model.Site{model.ResidPre, model.AttnOut, model.MLPOut} {
			if len(m.Paths().LayersWith(site)) > 0 {
				o.Sites = append(o.Sites, site)
			}
		}
		if o.Columns == ByHead {
			o.Sites = []model.Site{model.Z}
		}
	}
	for i, site := range o.Sites {
		if err := checkSite(m, site, o.Sites[:i]); err != nil {
			return err
		}
		if o.Columns == ByHead && site.Axis(model.Head, model.KVHead) < 0 {
			return refuse("%s has no heads: patch it by position, or all positions together", site)
		}
	}
	return o.Question.check(m.Shape().DVocab)
}

// checkSite refuses a site that cannot be put into another run, or that is among those before it.
func checkSite(m model.Model, site model.Site, before []model.Site) error {
	switch {
	case slices.Contains(before, site):
		return refuse("%s is named twice", site)
	case !slices.Contains(model.Sites(), site) || !site.PerLayer():
		return refuse("%q is no site of a layer: take one such as resid_pre, attn_out, mlp_out or z", site)
	case site == model.ExpertIDs:
		return refuse("%s are whole numbers, and cannot be patched by themselves: take %s", site, model.RouterLogits)
	case len(m.Paths().LayersWith(site)) == 0:
		return refuse("%w", m.Check(model.Place{Site: site}))
	}
	return nil
}

// readOne resolves the one position of an input that is read.
func readOne(m model.Model, in *edit.Input) error {
	if in.Positions == nil {
		in.Positions = []int{-1}
	}
	if _, err := model.Indices(in.Positions, len(in.IDs), "position"); len(in.IDs) > 0 && err != nil {
		return refuse("%w", err)
	}
	b, err := edit.NewBatch(m, *in)
	if err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	if len(b.Inputs[0].Positions) != 1 {
		return refuse("%d positions are read of a run: name one, or none for the last", len(b.Inputs[0].Positions))
	}
	if err := b.Reach(m, []model.Place{lastStream(m)}); err != nil {
		return refuse("%w", err)
	}
	in.Positions = b.Inputs[0].Positions
	return nil
}

// lastStream is the last place of a run that experiments read: the metric's norm and unembedding are the model's own.
func lastStream(m model.Model) model.Place {
	return model.Place{Site: model.ResidPost, Layer: m.Shape().Layers - 1}
}

// baseline asks the metric of both runs.
func (p *patching) baseline(ctx context.Context) error {
	from := p.source.inputs[0]
	other := newRunner(p.m, []edit.Input{{IDs: from.IDs, Edits: from.Edits}}, p.pair.answer, p.pair.answer, p.bound)
	defer other.close()
	last := func(r *runner) (h *mlx.Array, err error) {
		err = r.run(ctx, 0, []variant{{from: 0}}, func(_ []int, last *mlx.Array) error {
			h = p.scope.Hold(last)
			return mlx.Eval(h)
		})
		return h, err
	}
	source, err := last(other)
	if err != nil {
		return err
	}
	base, err := last(p.runner)
	if err != nil {
		return err
	}
	clean, corrupted := source, base
	if p.o.Noising {
		clean, corrupted = base, source
	}
	p.clean = model.ToLogits(p.m, clean)
	for _, side := range []struct {
		last *mlx.Array
		to   *lens.Number
	}{{clean, &p.out.Baseline.Clean}, {corrupted, &p.out.Baseline.Corrupted}} {
		x, err := p.o.ask(p.m, side.last, p.clean)
		if err != nil {
			return err
		}
		*side.to = lens.Number(x[0])
	}
	return nil
}

// fill makes the grids, without numbers.
func (p *patching) fill() error {
	columns := len(p.out.Positions)
	if p.o.Columns == Together {
		columns = 1
	}
	for _, site := range p.o.Sites {
		for _, layer := range p.out.Rows {
			if p.o.Columns == ByHead {
				p.out.Heads = max(p.out.Heads, heads(p.m, model.Place{Site: site, Layer: layer}))
			}
		}
	}
	if p.o.Columns == ByHead {
		columns = p.out.Heads
	}
	for _, site := range p.o.Sites {
		if p.pair.keyed && site.Axis(model.Key) >= 0 {
			return refuse("%s has a number for each key, and the prompts have other ones: they must be of one length", site)
		}
		for _, grid := range []map[model.Site][][]lens.Number{p.out.Recovery, p.out.Values} {
			rows := make([][]lens.Number, len(p.out.Rows))
			for i := range rows {
				rows[i] = slices.Repeat([]lens.Number{lens.Number(math.NaN())}, columns)
			}
			grid[site] = rows
		}
	}
	return nil
}

// heads returns how many heads a place has, 0 for none.
func heads(m model.Model, at model.Place) int {
	axis := at.Site.Axis(model.Head, model.KVHead)
	if axis < 0 || m.Check(at) != nil {
		return 0
	}
	return m.Shape().In(at.Layer).Size(at.Site.Axes()[axis])
}

func (p *patching) close() {
	p.runner.close()
	p.scope.Close()
}
