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

// AttributeSchema names the version of the JSON forms of attributions. Additions never rename.
const AttributeSchema = "mlxlens.attribute/1"

// Kind is what a part of an attribution is.
type Kind string

// The kinds of parts. Where a layer has no such parts, it has the larger ones.
const (
	ByComponent Kind = "component" // what embeddings, attention and MLPs add to the stream
	OfHeads     Kind = "head"      // what each head of attention adds
	OfNeurons   Kind = "neuron"    // what each hidden dimension of an MLP or of an expert adds
	OfExperts   Kind = "expert"    // what each expert of a mixture adds
)

// Kinds are the kinds of parts.
func Kinds() []Kind { return []Kind{ByComponent, OfHeads, OfNeurons, OfExperts} }

// AttributeOptions say what Attribute takes apart, and into what.
type AttributeOptions struct {
	Target int
	Versus *int // nil: the target's logit alone, else less this token's
	By     Kind // "": ByComponent
	Top    int  // parts that are kept, those of the greatest contribution; 0: all, of neurons 50

	Label     func(id int) string // nil: tokens have no text
	MaxMemory int64               // bytes, of all that MLX has; 0: no bound
	Progress  func(done float64)  // nil: nobody is told; done goes from 0 to 1
}

// Attribution is a logit, or the difference of two, as a sum of what the parts of a model add to
// it: plain data. Numbers are by position, in the order of Positions.
type Attribution struct {
	Schema    string         `json:"schema"`
	Made      *lens.Made     `json:"made,omitempty"`
	Method    string         `json:"method"` // "direct"
	Model     lens.ModelInfo `json:"model"`
	Run       Run            `json:"run"`
	By        Kind           `json:"by"`
	Target    lens.Token     `json:"target"`
	Versus    *lens.Token    `json:"vs,omitempty"`
	Positions []int          `json:"positions"`

	Whole   []lens.Number  `json:"whole"`   // what is taken apart: before a soft-cap, if there is one
	Sum     []lens.Number  `json:"sum"`     // of all parts, kept or not
	Capped  []lens.Number  `json:"capped"`  // as the model gives it; Whole where nothing is capped
	Parts   []Contribution `json:"parts"`   // in forward order, or with Top the greatest first
	Omitted int            `json:"omitted"` // parts that were not kept

	// Through is the sum of the parts up to a layer: first of the embeddings, then behind each block.
	// The constants of the final norm and of the unembedding are in each.
	Through [][]lens.Number `json:"through"`

	Timing float64 `json:"attribute_s"`
}

// Contribution is what a part of a model adds to a logit, at each position.
type Contribution struct {
	Name   string        `json:"name"` // a place, with # the number of a head, a neuron or an expert
	Site   model.Site    `json:"site,omitempty"`
	Layer  *int          `json:"layer,omitempty"`
	Head   *int          `json:"head,omitempty"`
	Neuron *int          `json:"neuron,omitempty"`
	Expert *int          `json:"expert,omitempty"`
	Values []lens.Number `json:"values"`
}

// most is the part's greatest contribution at any position, without its sign.
func (p *Contribution) most() float64 {
	most := 0.0
	for _, v := range p.Values {
		most = max(most, math.Abs(float64(v)))
	}
	return most
}

// Attribute takes a logit, or the difference of two, apart into what each part of the model adds to
// it directly (direct logit attribution: nostalgebraist 2020; Elhage et al. 2021, "A Mathematical
// Framework for Transformer Circuits"). The stream x that the final norm reads is a sum of parts cᵢ,
// and the norm, its scale σ held at that of x, is linear:
//
//	logit_t = w_t·(γ⊙C(x)/σ + β) + b_t = Σᵢ w_t·(γ⊙C(cᵢ))/σ + w_t·β + b_t
//
// C takes the mean off where the norm is a LayerNorm, of each part as of the whole. What follows a part
// on its way into the stream is held likewise: a norm behind attention or the MLP at its scale, factors
// as they are. Where logits are capped, it is what is capped that is taken apart.
//
// The parts sum to the whole but for the rounding of the type that the model computes in; if they do
// not, that is an error. The input's positions are read, by default the last.
func Attribute(ctx context.Context, m model.Model, in edit.Input, o AttributeOptions) (*Attribution, error) {
	start := time.Now()
	d, err := newDirect(m, in, &o)
	if err != nil {
		return nil, err
	}
	if err := d.whole(ctx); err != nil {
		return nil, err
	}
	layers := m.Shape().Layers
	for layer := range layers {
		if err := d.layer(ctx, layer); err != nil {
			return nil, err
		}
		d.through()
		if o.Progress != nil {
			o.Progress(float64(layer+1) / float64(layers))
		}
	}
	if err := d.finish(); err != nil {
		return nil, err
	}
	d.out.Timing = time.Since(start).Seconds()
	return d.out, nil
}

// direct is the work of Attribute.
type direct struct {
	m     model.Model
	o     *AttributeOptions
	in    edit.Input
	wires *wiring
	store *store
	word  []float64   // ∂logit/∂ what the unembedding reads
	read  [][]float64 // of each position, ∂logit/∂ the stream that the final norm reads
	sums  []float64   // of the parts so far, by position
	sizes []float64   // of their values without signs
	norm  float64     // by how much rounding may part the sum from the whole
	out   *Attribution
}

func newDirect(m model.Model, in edit.Input, o *AttributeOptions) (*direct, error) {
	if err := onOneProcess(m, "the attribution of a logit"); err != nil {
		return nil, err
	}
	if err := o.complete(m); err != nil {
		return nil, err
	}
	if in.Positions == nil {
		in.Positions = []int{-1}
	}
	b, err := edit.NewBatch(m, in)
	if err != nil {
		return nil, fmt.Errorf("experiment: %w", err)
	}
	in.Positions = b.Inputs[0].Positions
	for _, e := range in.Edits {
		if slices.Contains([]model.Site{model.ResidPre, model.ResidMid, model.ResidPost, model.FinalNormOut, model.Logits}, e.Place.Site) {
			return nil, refuse("%q changes the stream itself, which is then no sum of what the model's parts add: edit a part such as attn_out", e.String())
		}
	}
	if err := b.Reach(m, []model.Place{lastStream(m)}); err != nil {
		return nil, fmt.Errorf("experiment: %w", err)
	}
	d := &direct{m: m, o: o, in: in, sums: make([]float64, len(in.Positions)), sizes: make([]float64, len(in.Positions))}
	d.store = &store{m: m, inputs: []edit.Input{in}, sites: sitesFor(o.By), most: captureBytes(o.MaxMemory, 4)}
	if o.MaxMemory > 0 {
		if err := fits(m, in, d.store, o.MaxMemory); err != nil {
			return nil, err
		}
	}
	if d.wires, err = probe(m); err != nil {
		return nil, err
	}
	d.out = &Attribution{
		Schema: AttributeSchema, Method: "direct", Model: modelInfo(m), Run: describe(in, o.Label), By: o.By, Target: token(o.Target, o.Label),
		Positions: in.Positions, Parts: []Contribution{},
	}
	d.out.Run.Position = in.Positions[len(in.Positions)-1]
	if o.Versus != nil {
		t := token(*o.Versus, o.Label)
		d.out.Versus = &t
	}
	return d, nil
}

// complete checks the options and sets those that were left out.
func (o *AttributeOptions) complete(m model.Model) error {
	o.By = cmp.Or(o.By, ByComponent)
	if !slices.Contains(Kinds(), o.By) {
		return refuse("attribution by %q: want one of %v", o.By, Kinds())
	}
	if o.Top < 0 {
		return refuse("the greatest %d parts: want 1 or more, or 0 for all", o.Top)
	}
	if o.By == OfNeurons {
		o.Top = cmp.Or(o.Top, 50)
	}
	need := map[Kind]model.Site{OfHeads: model.Z, OfExperts: model.ExpertOut}[o.By]
	if need != "" && len(m.Paths().LayersWith(need)) == 0 {
		return refuse("attribution by %s: %w", o.By, m.Check(model.Place{Site: need}))
	}
	q := Question{Metric: Logit, Target: o.Target}
	if o.Versus != nil {
		q = Question{Metric: LogitDiff, Target: o.Target, Versus: *o.Versus}
	}
	return q.check(m.Shape().DVocab)
}

// whole reads the logits, and adds the parts that are in no layer.
func (d *direct) whole(ctx context.Context) error {
	last := model.Place{Site: model.ResidPost, Layer: d.m.Shape().Layers - 1}
	places := []model.Place{{Site: model.Embed}, last}
	if at := (model.Place{Site: model.PosEmbed}); d.m.Check(at) == nil {
		places = append(places, at)
	}
	values, typ, err := captured(ctx, d.m, d.in, places)
	if err != nil {
		return err
	}
	if d.norm = 1e-4; typ != mlx.Float32 {
		d.norm = 3e-2
	}
	if err := d.final(values[last]); err != nil {
		return err
	}
	for _, at := range []model.Place{{Site: model.Embed}, {Site: model.PosEmbed}} {
		if v, ok := values[at]; ok {
			d.add(Contribution{Name: at.String(), Site: at.Site}, d.dots(0, v, nil))
		}
	}
	d.through()
	return nil
}

// add adds a part's values.
func (d *direct) add(p Contribution, values []float64) {
	p.Values = make([]lens.Number, len(values))
	for i, v := range values {
		p.Values[i] = lens.Number(v)
		d.sums[i] += v
		d.sizes[i] += math.Abs(v)
	}
	d.out.Parts = append(d.out.Parts, p)
}

// through notes the sum of what was added so far, and lets parts go that are not among the greatest.
func (d *direct) through() {
	d.out.Through = append(d.out.Through, numbers(d.sums))
	if top := d.o.Top; top > 0 && len(d.out.Parts) > top {
		slices.SortStableFunc(d.out.Parts, func(a, b Contribution) int { return cmp.Compare(b.most(), a.most()) })
		d.out.Omitted += len(d.out.Parts) - top
		d.out.Parts = slices.Clip(d.out.Parts[:top])
	}
}

// finish requires that the parts sum to the whole.
func (d *direct) finish() error {
	d.out.Sum = numbers(d.sums)
	for i, sum := range d.sums {
		whole := float64(d.out.Whole[i])
		if gap := math.Abs(sum - whole); !(gap <= d.norm*(d.sizes[i]+math.Abs(whole))) {
			return fmt.Errorf("experiment: at position %d the parts sum to %v, and the logits are %v: the model adds something to its stream that no site has", d.in.Positions[i], sum, whole)
		}
	}
	if d.o.Top > 0 {
		slices.SortStableFunc(d.out.Parts, func(a, b Contribution) int { return cmp.Compare(b.most(), a.most()) })
	}
	return nil
}

func numbers(x []float64) []lens.Number {
	out := make([]lens.Number, len(x))
	for i, v := range x {
		out[i] = lens.Number(v)
	}
	return out
}
