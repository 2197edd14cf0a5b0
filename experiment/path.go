package experiment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// PathOptions say which paths PathPatch patches. Of PatchOptions the sites are the senders: sites
// with heads, a column each, or others, at all of the positions; Columns, Window and Align stay as
// they are.
type PathOptions struct {
	PatchOptions

	Receivers []Receiver // nil: the logits
	Recompute bool       // MLPs between are computed anew, instead of being held as they were
}

// Receiver is a place that a path leads to, such as the queries of a head.
type Receiver struct {
	Place model.Place
	Heads []int // nil: all
}

// String returns its text form, layers.9.q#6.
func (r Receiver) String() string {
	text := r.Place.String()
	for i, head := range r.Heads {
		sep := ","
		if i == 0 {
			sep = "#"
		}
		text += fmt.Sprint(sep, head)
	}
	return text
}

// PathPatch patches what senders tell receivers, and nothing else (path patching: Wang et al. 2022,
// arXiv:2211.00593; Goldowsky-Dill et al. 2023, arXiv:2304.05969). In a first run a sender has the
// other run's value, and what attention and MLPs between it and the receivers add is held as it
// was, so that the residual stream alone carries the difference; what the receivers get there is
// put into a second run, in which all else is computed. With the logits as receiver there is no
// second run.
func PathPatch(ctx context.Context, m model.Model, clean, corrupted edit.Input, o PathOptions) (*Patching, error) {
	start := time.Now()
	p, err := newPaths(m, clean, corrupted, &o)
	if err != nil {
		return nil, err
	}
	defer p.close()
	if err := p.baseline(ctx); err != nil {
		return nil, err
	}
	total := 0.0
	for row, layer := range p.out.Rows {
		total += p.work(p.perRow(row), layer)
	}
	p.tell(total, o.Progress)
	for row := range p.out.Rows {
		if p.out.Interrupted, err = p.stopped(o.Stop); err != nil {
			return nil, err
		}
		if p.out.Interrupted {
			break
		}
		if err := p.row(ctx, row); err != nil {
			return nil, err
		}
	}
	p.out.Timing = time.Since(start).Seconds()
	return p.out, nil
}

// paths is the work of PathPatch.
type paths struct {
	*patching
	o    *PathOptions
	held *store // what attention and MLPs add in the run that is changed
}

func newPaths(m model.Model, clean, corrupted edit.Input, o *PathOptions) (*paths, error) {
	if m == nil {
		return nil, refuse("there is no model")
	}
	if o.Columns != "" || o.Window > 1 || o.Align != lens.AlignEqual {
		return nil, refuse("paths have no windows, no columns but heads or one, and prompts of one length")
	}
	if o.Sites == nil {
		o.Sites = []model.Site{model.Z}
	}
	o.Columns = Together
	for i, site := range o.Sites {
		of := Together
		if site.Axis(model.Head, model.KVHead) >= 0 {
			of = ByHead
		}
		if i > 0 && of != o.Columns {
			return nil, refuse("senders are sites with heads or sites without, not both: %v", o.Sites)
		}
		o.Columns = of
	}
	for _, r := range o.Receivers {
		if err := r.check(m); err != nil {
			return nil, err
		}
	}
	p, err := newPatching(m, clean, corrupted, &o.PatchOptions)
	if err != nil {
		return nil, err
	}
	p.out.Receivers = []string{"logits"}
	if o.Receivers != nil {
		p.out.Receivers = nil
	}
	for _, r := range o.Receivers {
		p.out.Receivers = append(p.out.Receivers, r.String())
	}
	p.out.Recomputed = o.Recompute
	paths := &paths{patching: p, o: o}
	paths.held = &store{m: m, sites: []model.Site{model.AttnOut}, inputs: []edit.Input{{IDs: p.bases[0].IDs[:p.runner.answer+1], Edits: p.bases[0].Edits}}, most: storeBytes}
	if !o.Recompute {
		paths.held.sites = append(paths.held.sites, model.MLPOut)
	}
	paths.stores = append(paths.stores, paths.held)
	if !slices.ContainsFunc(o.Sites, func(site model.Site) bool {
		return slices.ContainsFunc(p.out.Rows, func(layer int) bool { return paths.leads(model.Place{Site: site, Layer: layer}) })
	}) {
		return nil, refuse("no path leads from the senders to %s: choose layers before it", strings.Join(p.out.Receivers, ", "))
	}
	return paths, paths.fits(o.MaxMemory)
}

// check refuses a receiver that the model has not.
func (r *Receiver) check(m model.Model) error {
	e := edit.Edit{Place: r.Place, Heads: r.Heads, Op: edit.Zero}
	if err := e.Check(m); err != nil {
		if of := (*edit.Error)(nil); errors.As(err, &of) {
			err = of.Err // of an edit that nobody wrote
		}
		return refuse("receiver %s: %w", r, err)
	}
	if !r.Place.Site.PerLayer() || r.Place.Site.Axis(model.Key) >= 0 {
		return refuse("receiver %s: want a place of a layer, such as layers.9.q#6 or layers.9.mlp_norm; the logits are the receiver where none is named", r)
	}
	return nil
}

// fits refuses what is held of more layers than the bound on memory allows: all of them are, in each
// run.
func (p *paths) fits(bound int64) error {
	in := p.held.inputs[0]
	in.Edits = nil // which take nothing here
	bytes, _, err := states.Memory(p.m, in, p.held.places(0, p.m.Shape().Layers))
	if err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	p.held.most = max(p.held.most, 4*bytes)
	if bound > 0 && 3*bytes > bound {
		return fmt.Errorf("experiment: what attention and MLPs add at all layers takes %d MB, three times in a run, and %d MB are allowed: give shorter prompts, or allow more memory", bytes>>20+1, bound>>20)
	}
	return nil
}

// row patches the paths from the senders of a layer.
func (p *paths) row(ctx context.Context, row int) error {
	layer := p.out.Rows[row]
	var cells []cell
	var senders []variant
	for _, site := range p.o.Sites {
		for column := range p.out.Values[site][row] {
			v, there, err := p.variant(ctx, site, row, column, layer)
			c := cell{site: site, row: row, column: column}
			switch at := (model.Place{Site: site, Layer: layer}); {
			case err != nil:
				return err
			case !there:
			case v.edits == nil || !p.leads(at): // nothing is told to anybody
				p.set(c, p.out.unchanged())
			default:
				held, err := p.hold(ctx, at)
				if err != nil {
					return err
				}
				v.edits = append(v.edits, held...)
				cells, senders = append(cells, c), append(senders, v)
			}
		}
	}
	runs := &sweep{runner: p.runner, layer: layer, set: p.set, ask: func(last *mlx.Array) ([]float64, error) { return p.patching.o.ask(p.m, last, p.clean) }}
	if p.o.Receivers != nil {
		var err error
		if senders, runs.layer, err = p.received(ctx, senders); err != nil {
			return err
		}
	}
	for i, v := range senders {
		if err := runs.add(ctx, cells[i], v); err != nil {
			return err
		}
	}
	return runs.finish(ctx)
}

// leads reports whether a path leads from a place to a receiver.
func (p *paths) leads(from model.Place) bool {
	return p.o.Receivers == nil || slices.ContainsFunc(p.o.Receivers, func(r Receiver) bool {
		return from != r.Place && edit.Influences(p.m, from, r.Place)
	})
}

// before reports whether one place is computed before another.
func before(a, b model.Place) bool {
	ordered := model.InForwardOrder([]model.Place{a, b})
	return a != b && ordered[0] == a
}

// hold returns the edits that hold what attention and MLPs add behind a sender, up to the last
// receiver, as the run that is changed has it.
func (p *paths) hold(ctx context.Context, sender model.Place) ([]edit.Edit, error) {
	last := p.m.Shape().Layers - 1
	if p.o.Receivers != nil {
		last = slices.MaxFunc(p.o.Receivers, func(a, b Receiver) int { return cmp.Compare(a.Place.Layer, b.Place.Layer) }).Place.Layer
	}
	var edits []edit.Edit
	for _, at := range p.held.places(sender.Layer, last+1) {
		if !before(sender, at) || edit.Inside(p.m, sender, at) { // what the sender is a part of adds what it tells
			continue
		}
		value, err := p.held.at(ctx, 0, at, 0)
		if err != nil {
			return nil, err
		}
		edits = append(edits, edit.Edit{Place: at, Positions: value.Positions, Op: edit.Set, Value: value})
	}
	return edits, nil
}

// received runs senders up to the receivers, and returns the runs that have what these get, with
// the first layer that they change.
func (p *paths) received(ctx context.Context, senders []variant) ([]variant, int, error) {
	var places []model.Place
	first := p.m.Shape().Layers
	for _, r := range p.o.Receivers {
		places, first = append(places, r.Place), min(first, r.Place.Layer)
	}
	inputs := make([]edit.Input, len(senders))
	for i, v := range senders {
		base := p.bases[0]
		in := edit.Input{IDs: base.IDs[:p.runner.answer+1], Edits: append(slices.Clone(base.Edits), v.edits...)}
		var err error
		if inputs[i], err = edit.Reaching(p.m, in, places); err != nil {
			return nil, 0, fmt.Errorf("experiment: %w", err)
		}
	}
	out := make([]variant, 0, len(senders))
	for set, err := range states.CaptureAll(ctx, p.m, inputs, model.InForwardOrder(places)) {
		if err != nil {
			return nil, 0, fmt.Errorf("experiment: %w", err)
		}
		v := variant{from: senders[len(out)].from}
		for _, r := range p.o.Receivers {
			value, err := set.Value(r.Place)
			if err != nil {
				return nil, 0, err
			}
			v.edits = append(v.edits, edit.Edit{Place: r.Place, Heads: r.Heads, Positions: value.Positions, Op: edit.Set, Value: value})
		}
		out = append(out, v)
	}
	return out, first, ctx.Err()
}
