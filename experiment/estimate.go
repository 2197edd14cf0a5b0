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

// Method is how effects are estimated by gradients.
type Method string

// The methods.
const (
	AtGradient          Method = "gradient" // at the run that is changed
	IntegratedGradients Method = "ig"       // averaged between the two runs
)

// EstimateOptions say which patches are estimated, and how.
type EstimateOptions struct {
	PatchOptions
	Method Method // "": AtGradient
	Steps  int    // of IntegratedGradients: points between the two runs; 0: 8
	Exact  int    // how many of the greatest effects are patched as well
}

// Estimation is what patches are expected to do to a metric: plain data.
type Estimation struct {
	Schema string     `json:"schema"`
	Made   *lens.Made `json:"made,omitempty"`
	Method Method     `json:"method"`
	Steps  int        `json:"steps,omitempty"`
	Between
	Components []model.Site `json:"components"`
	Rows       []int        `json:"rows"` // layers
	Columns    Columns      `json:"columns"`
	Positions  []int        `json:"positions"` // of the run that is changed
	Heads      int          `json:"heads,omitempty"`

	// Effects is [row][column] of each component: by how much the metric changes. NaN, null in JSON,
	// where the model has no such place.
	Effects map[model.Site][][]lens.Number `json:"effects"`

	Exact    []Estimated `json:"exact,omitempty"` // the greatest effects first
	Pearson  lens.Number `json:"pearson"`         // of the effects in Exact; NaN for fewer than two
	Spearman lens.Number `json:"spearman"`        // of their ranks

	Timing float64 `json:"attribute_s"`
}

// Estimated is an effect beside that of the patch itself.
type Estimated struct {
	Site     model.Site  `json:"site"`
	Layer    int         `json:"layer"`
	Column   int         `json:"column"` // a position, a head, or 0 for all
	Estimate lens.Number `json:"estimate"`
	Patched  lens.Number `json:"patched"`
}

// Estimate estimates by gradients what [Patch] would measure (attribution patching: Nanda 2023; Kramár et
// al. 2024, arXiv:2403.00745): of a patch that puts the source's a′ where the changed run has a, the
// metric changes by about
//
//	(a′ − a)·∂metric/∂a
//
// at the changed run (one pass there and back for all patches), or integrated from a to a′, of each site
// of each layer with all positions moved together ([IntegratedGradients], by Gauss and Legendre's rule):
// then the effects of a site in a layer sum to that of the patch of all its positions.
//
// The gradient at one point fails where the metric bends between the two: through saturated softmaxes of
// attention and of the answer, through norms when a patch is a large part of the stream (early resid_pre),
// and where effects cancel. Exact patches of the greatest tell.
func Estimate(ctx context.Context, m model.Model, clean, corrupted edit.Input, o EstimateOptions) (*Estimation, error) {
	start := time.Now()
	e, err := newEstimating(m, clean, corrupted, &o)
	if err != nil {
		return nil, err
	}
	defer e.close()
	if err := e.baseline(ctx); err != nil {
		return nil, err
	}
	e.out.Baseline = e.patching.out.Baseline
	e.runner.close() // gradients need the room
	if err := e.fit(); err != nil {
		return nil, err
	}
	if err := e.all(ctx); err != nil {
		return nil, err
	}
	if err := e.exact(ctx); err != nil {
		return nil, err
	}
	e.out.Timing = time.Since(start).Seconds()
	return e.out, nil
}

// complete checks the options that are not Patch's.
func (o *EstimateOptions) complete() error {
	o.Method = cmp.Or(o.Method, AtGradient)
	switch {
	case o.Method != AtGradient && o.Method != IntegratedGradients:
		return refuse("method %q: want %q or %q", o.Method, AtGradient, IntegratedGradients)
	case o.Method == AtGradient && o.Steps != 0:
		return refuse("%d steps: a gradient has none; take %q", o.Steps, IntegratedGradients)
	case o.Steps < 0 || o.Steps > mostSteps:
		return refuse("%d steps: want 1 to %d", o.Steps, mostSteps)
	case o.Exact < 0:
		return refuse("%d exact patches: want 0 or more", o.Exact)
	case o.Window > 1:
		return refuse("a window of %d layers: the effects of single layers are estimated", o.Window)
	}
	if o.Method == IntegratedGradients {
		o.Steps = cmp.Or(o.Steps, 8)
	}
	return o.Question.differentiable(o.Noising)
}

// estimating is the work of Estimate.
type estimating struct {
	*patching
	o        *EstimateOptions
	own      *store    // what the changed run has at the sites
	entering *store    // what enters its blocks, of IntegratedGradients
	room     gradients // what a bound leaves to each
	out      *Estimation
	done     int
}

// anything is asked by [EstimateOptions.Fits], whatever the question will be.
var anything = Question{Metric: Logit}

// Fits returns an error where [Estimate] would refuse what is asked of two prompts, such as for want of memory, whatever the
// question is. Estimate says so too, before it computes anything; where the question takes runs, they can be spared.
func (o EstimateOptions) Fits(m model.Model, clean, corrupted edit.Input) error {
	o.Question = anything
	e, err := newEstimating(m, clean, corrupted, &o)
	if err == nil {
		e.close()
	}
	return err
}

func newEstimating(m model.Model, clean, corrupted edit.Input, o *EstimateOptions) (*estimating, error) {
	if err := onOneProcess(m, "the estimate of patches by a gradient"); err != nil {
		return nil, err
	}
	if err := o.complete(); err != nil {
		return nil, err
	}
	p, err := newPatching(m, clean, corrupted, &o.PatchOptions)
	if err != nil {
		return nil, err
	}
	for _, site := range o.Sites {
		if site.Axis(model.Key) >= 0 {
			err = refuse("%s has a number for each key, of which no effects are estimated: take z, q or k", site)
		}
	}
	e := estimatingOf(p, o)
	if err = cmp.Or(err, e.fit()); err != nil {
		p.close()
		return nil, err
	}
	return e, nil
}

func estimatingOf(p *patching, o *EstimateOptions) *estimating {
	in := p.bases[0]
	in.Positions = p.out.Positions
	from, ahead := p.out, p.bases[0]
	ahead.Positions = upTo(p.runner.answer)
	e := &estimating{patching: p, o: o, own: &store{m: p.m, sites: o.Sites, inputs: []edit.Input{in}, most: p.source.most}, out: &Estimation{
		Schema: AttributeSchema, Method: o.Method, Steps: o.Steps, Between: from.Between, Components: from.Components, Rows: from.Rows,
		Columns: from.Columns, Positions: from.Positions, Heads: from.Heads, Effects: from.Values, Pearson: lens.Number(math.NaN()), Spearman: lens.Number(math.NaN()),
	}}
	e.stores = append(e.stores, e.own)
	e.entering = &store{m: p.m, sites: []model.Site{model.ResidPost}, inputs: []edit.Input{ahead}, most: p.source.most}
	return e
}

// fit refuses what a bound has no room for, and shares it out.
func (e *estimating) fit() error {
	e.room = gradients{}
	g := e.gradients(nil, slices.Min(e.out.Rows))
	stores := []*store{e.source, e.own}
	if e.o.Method == IntegratedGradients {
		stores = append(stores, e.entering)
	}
	if e.runner.below != nil && e.o.Exact > 0 {
		stores = append(stores, e.runner.below)
	}
	err := g.fit(max(1, e.o.Steps), stores...)
	e.room = *g
	return err
}

// all estimates every effect.
func (e *estimating) all(ctx context.Context) error {
	if e.o.Method == AtGradient {
		g := e.gradients(e.bases, slices.Min(e.out.Rows))
		g.wanted = e.o.Sites
		_, err := g.run(ctx, func(at model.Place, x []float32) error { return e.add(ctx, at, [][]float32{x}, []float64{1}) })
		return err
	}
	for _, layer := range e.out.Rows {
		for _, site := range e.o.Sites {
			at := model.Place{Site: site, Layer: layer}
			if e.m.Check(at) != nil {
				continue
			}
			if err := e.integrate(ctx, at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *estimating) gradients(rows []edit.Input, lowest int) *gradients {
	return &gradients{m: e.m, q: e.o.Question, clean: e.clean, rows: rows, answer: e.answer, bound: e.o.MaxMemory, lowest: lowest, beside: e.room.beside, stream: e.room.stream}
}

// integrate averages the gradients by a place between the two runs, all its positions moved together.
func (e *estimating) integrate(ctx context.Context, at model.Place) error {
	source, own, err := e.both(ctx, at, at.Layer)
	if err != nil {
		return err
	}
	points, weights := legendre(e.o.Steps)
	rows := make([]edit.Input, len(points))
	for i, t := range points {
		between := edit.Value{Shape: own.Shape, Positions: own.Positions, Data: make([]float32, len(own.Data))}
		for n, p := range own.Positions {
			from := rowOf(source, e.pair.of[p])
			to := between.Data[n*len(from) : (n+1)*len(from)]
			for j, a := range rowOf(own, p) {
				to[j] = a + float32(t)*(from[j]-a)
			}
		}
		rows[i] = e.bases[0]
		rows[i].Edits = append(slices.Clone(rows[i].Edits), edit.Edit{Place: at, Op: edit.Set, Positions: own.Positions, Value: between})
	}
	g := e.gradients(rows, at.Layer)
	g.below, g.wanted = e.entering, []model.Site{at.Site}
	_, err = g.run(ctx, func(place model.Place, x []float32) error {
		if place != at {
			return nil
		}
		return e.add(ctx, at, slices.Collect(slices.Chunk(x, len(x)/len(rows))), weights)
	})
	return err
}

// both returns what the source and the changed run have at a place.
func (e *estimating) both(ctx context.Context, at model.Place, keep int) (source, own edit.Value, err error) {
	if source, err = e.source.at(ctx, 0, at, keep); err != nil {
		return source, own, err
	}
	own, err = e.own.at(ctx, 0, at, keep)
	return source, own, err
}

// add adds the effects of a place's patches: differences times a weighted sum of gradients, [pos, …] each.
func (e *estimating) add(ctx context.Context, at model.Place, gradients [][]float32, weights []float64) error {
	row := slices.Index(e.out.Rows, at.Layer)
	if row < 0 {
		return nil
	}
	source, own, err := e.both(ctx, at, e.source.lowest(at.Layer))
	if err != nil {
		return err
	}
	cells := e.out.Effects[at.Site][row]
	heads := heads(e.m, at)
	for i := range cells {
		if e.o.Columns != ByHead || i < heads {
			cells[i] = 0
		}
	}
	for column, p := range e.out.Positions {
		a, b := rowOf(own, p), rowOf(source, e.pair.of[p])
		size := len(a)
		for j := range a {
			sum := 0.0
			for k, g := range gradients {
				sum += weights[k] * float64(g[p*size+j])
			}
			i := 0
			switch e.o.Columns {
			case ByPosition:
				i = column
			case ByHead:
				i = j / (size / heads)
			}
			cells[i] += lens.Number(sum * (float64(b[j]) - float64(a[j])))
		}
	}
	for _, x := range cells {
		if e.o.Columns != ByHead && math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return fmt.Errorf("experiment: the gradient of %s at %s is no number: a norm or a softmax of the run has none there, or the numbers grow beyond float32", e.o.Metric, at)
		}
	}
	e.done++
	e.report()
	return nil
}

func (e *estimating) report() {
	if e.o.Progress == nil {
		return
	}
	total := 0
	for _, site := range e.o.Sites {
		for _, layer := range e.out.Rows {
			if e.m.Check(model.Place{Site: site, Layer: layer}) == nil {
				total++
			}
		}
	}
	e.o.Progress(float64(e.done) / float64(max(1, total)))
}

// exact patches what has the greatest effects.
func (e *estimating) exact(ctx context.Context) error {
	var cells []cell
	for _, site := range e.o.Sites {
		for row := range e.out.Rows {
			for column, x := range e.out.Effects[site][row] {
				if !math.IsNaN(float64(x)) {
					cells = append(cells, cell{site: site, row: row, column: column})
				}
			}
		}
	}
	effect := func(c cell) float64 { return float64(e.out.Effects[c.site][c.row][c.column]) }
	slices.SortStableFunc(cells, func(a, b cell) int { return cmp.Compare(math.Abs(effect(b)), math.Abs(effect(a))) })
	cells = cells[:min(e.o.Exact, len(cells))]
	base := e.out.unchanged()
	estimates, patches := make([]float64, len(cells)), make([]float64, len(cells))
	for i, c := range cells { // one by one: they are few, and in any layer
		layer := e.out.Rows[c.row]
		v, _, err := e.variant(ctx, c.site, c.row, c.column, layer)
		if err != nil {
			return err
		}
		x := []float64{base}
		if v.edits != nil {
			err = e.run(ctx, layer, []variant{v}, func(_ []int, last *mlx.Array) (err error) {
				x, err = e.o.ask(e.m, last, e.clean)
				return err
			})
		}
		if err != nil {
			return err
		}
		estimates[i], patches[i] = effect(c), x[0]-base
		column := c.column
		if e.o.Columns == ByPosition {
			column = e.out.Positions[c.column]
		}
		e.out.Exact = append(e.out.Exact, Estimated{Site: c.site, Layer: layer, Column: column, Estimate: lens.Number(estimates[i]), Patched: lens.Number(patches[i])})
	}
	e.out.Pearson, e.out.Spearman = correlation(estimates, patches), Spearman(estimates, patches)
	return nil
}
