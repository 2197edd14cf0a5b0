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

// EdgeOptions say how the edges of a model are scored.
type EdgeOptions struct {
	Question
	Noising bool   // the corrupted run's values into the clean run, instead of the reverse
	Method  Method // "": AtGradient
	Steps   int    // of IntegratedGradients; 0: 8
	Top     int    // edges that are kept; 0: 50

	Label     func(id int) string // nil: tokens have no text
	MaxMemory int64               // bytes, of all that MLX has; 0: no bound
	Progress  func(done float64)  // nil: nobody is told; done goes from 0 to 1
}

// Edges is what single edges of a model's graph are expected to do to a metric: plain data.
type Edges struct {
	Schema string     `json:"schema"`
	Made   *lens.Made `json:"made,omitempty"`
	Method Method     `json:"method"`
	Steps  int        `json:"steps,omitempty"`
	Between
	Edges []Edge `json:"edges"` // the greatest scores first, whatever their sign
	Count int    `json:"count"` // of all edges

	// Into and OutOf are the sums of all edges' scores by receiver and by sender.
	Into  map[string]lens.Number `json:"into"`
	OutOf map[string]lens.Number `json:"out_of"`

	Timing float64 `json:"attribute_s"`
}

// Edge goes from what writes into the stream to what reads it.
type Edge struct {
	From  string      `json:"from"` // embed, layers.N.head_out#H, layers.N.attn_out (a mixer without heads), layers.N.mlp_out
	To    string      `json:"to"`   // layers.N.q#H, k#H, v#H, attn_gate#H, layers.N.attn (a mixer without heads), layers.N.mlp, logits
	Score lens.Number `json:"score"`
}

// AttributeEdges scores the edges between the parts of a model (edge attribution patching: Syed et al.
// 2023, arXiv:2310.10348): by how much the metric is expected to change when one reader v of the stream
// has from one writer u what the other run computes,
//
//	(u′ − u)·∂metric/∂(what v reads)
//
// at all positions together, the gradient through v alone, its norm included. Readers are the queries,
// keys, values and gates of each head, MLPs, and the final norm. With [IntegratedGradients] the gradient is
// averaged over runs whose embeddings are between the two (EAP-IG: Hanna et al. 2024, arXiv:2403.17806).
//
// A writer's edges sum to the effect of its patch as [Estimate] has it: what a head has more in the other run goes
// through a norm behind attention by that norm's derivative at the run. The prompts must be of one length.
func AttributeEdges(ctx context.Context, m model.Model, clean, corrupted edit.Input, o EdgeOptions) (*Edges, error) {
	start := time.Now()
	w, err := newEdges(m, clean, corrupted, &o)
	if err != nil {
		return nil, err
	}
	defer w.close()
	if err := w.baseline(ctx); err != nil {
		return nil, err
	}
	if err := w.writers(ctx); err != nil {
		return nil, err
	}
	w.runner.close()
	if err := w.fit(0); err != nil {
		return nil, err
	}
	if err := w.all(ctx); err != nil {
		return nil, err
	}
	out := w.result()
	out.Timing = time.Since(start).Seconds()
	return out, nil
}

// Fits returns an error where [AttributeEdges] would refuse what is asked of two prompts, as [EstimateOptions.Fits] does.
func (o EdgeOptions) Fits(m model.Model, clean, corrupted edit.Input) error {
	o.Question = anything
	w, err := newEdges(m, clean, corrupted, &o)
	if err == nil {
		w.close()
	}
	return err
}

func newEdges(m model.Model, clean, corrupted edit.Input, o *EdgeOptions) (*wiredEdges, error) {
	if err := onOneProcess(m, "the attribution to edges"); err != nil {
		return nil, err
	}
	e := EstimateOptions{Method: o.Method, Steps: o.Steps}
	e.PatchOptions = PatchOptions{Question: o.Question, Sites: []model.Site{model.AttnOut}, Noising: o.Noising, Label: o.Label, MaxMemory: o.MaxMemory}
	if err := e.complete(); err != nil {
		return nil, err
	}
	if o.Top < 0 {
		return nil, refuse("the greatest %d edges: want 1 or more", o.Top)
	}
	p, err := newPatching(m, clean, corrupted, &e.PatchOptions)
	if err != nil {
		return nil, err
	}
	o.Method, o.Steps, o.Top = e.Method, e.Steps, cmp.Or(o.Top, 50)
	w := &wiredEdges{patching: p, o: o}
	if err := w.prepare(); err != nil {
		p.close()
		return nil, err
	}
	return w, nil
}

// wiredEdges is the work of AttributeEdges.
type wiredEdges struct {
	*patching
	o       *EdgeOptions
	wires   *wiring
	below   *store
	room    gradients // what the bound leaves to them
	written []written
	readers []reader
}

// written is what writers of a layer, or of none, add to the stream, or to what a norm before the stream takes: what the
// source's have more than the changed run's.
type written struct {
	layer   int // −1: the embedding
	names   []string
	late    bool       // a later part of the same block reads it too
	differs *mlx.Array // [writer, pos·d_model]
	through *follower  // the norm; nil: none
	passing passing    // and what it does at the point that is scored
}

// reader is a reader's scores by the writers, in their order.
type reader struct {
	name   string
	scores []float64
}

// edgeBytes bounds what writers differ by when no bound is given.
const edgeBytes = 4 << 30

// alongEdges are sites that what a writer adds passes on its way.
var alongEdges = []model.Site{model.ResidPre, model.ResidMid, model.ResidPost, model.AttnRaw, model.AttnOut}

// prepare refuses what has no edges here.
func (w *wiredEdges) prepare() (err error) {
	s := w.m.Shape()
	for layer := range s.Layers {
		if !s.Resumable(layer) {
			return refuse("edges: a block of this model also reads what the stream does not carry (an earlier block's keys and values, or an embedding of its own), which no edge has: estimate nodes")
		}
	}
	if w.wires, err = probe(w.m); err != nil {
		return err
	}
	if a, b := len(w.out.Clean.Tokens), len(w.out.Corrupted.Tokens); a != b || w.pair.answer != w.pair.read {
		return refuse("edges: the prompts have %d and %d tokens, and are read at %d and %d: they must be of one length, read at one place", a, b, w.out.Clean.Position, w.out.Corrupted.Position)
	}
	for _, in := range []edit.Input{w.source.inputs[0], w.bases[0]} {
		for _, e := range in.Edits {
			if slices.Contains(alongEdges, e.Place.Site) {
				return refuse("edges: an edit of %s changes what writers add on its way to the readers, which no edge has: estimate nodes, or leave it out", e.Place)
			}
		}
	}
	writers := 1
	for layer := range s.Layers {
		writers += 1 + max(1, s.In(layer).Heads)
	}
	w.below = &store{m: w.m, sites: []model.Site{model.ResidPre}, inputs: []edit.Input{w.bases[0]}, most: w.source.most}
	w.below.inputs[0].Positions = upTo(w.answer)
	need, limit := 8*int64(writers)*int64(w.answer+1)*int64(s.DModel), int64(edgeBytes)
	if w.bound > 0 {
		limit = w.bound - int64(mlx.ActiveMemory())
	}
	if need > limit {
		return fmt.Errorf("experiment: edges: what %d writers add at %d positions takes %d MB, and there are %d MB for it: give shorter prompts, or estimate nodes", writers, w.answer+1, (need+1<<20-1)>>20, max(0, limit>>20))
	}
	return w.fit(need)
}

// fit refuses what a bound has no room for beside what writers need that is not there yet, and shares it out.
func (w *wiredEdges) fit(need int64) error {
	w.room = gradients{m: w.m, answer: w.answer, bound: w.bound, beside: need}
	return w.room.fit(1, w.below)
}

// writers finds what the writers of the two runs differ by.
func (w *wiredEdges) writers(ctx context.Context) error {
	var stores [2]*store
	for i, in := range []edit.Input{w.source.inputs[0], w.bases[0]} {
		in.Positions = upTo(w.answer)
		stores[i] = &store{m: w.m, inputs: []edit.Input{in}, most: w.source.most, sites: []model.Site{model.HeadOut, model.AttnOut, model.MLPOut}}
	}
	var embeds [2]edit.Value
	for i, s := range stores {
		places := []model.Place{{Site: model.Embed}}
		values, _, err := captured(ctx, w.m, s.inputs[0], places)
		if err != nil {
			return err
		}
		embeds[i] = values[places[0]]
	}
	w.write(written{layer: -1, names: []string{"embed"}}, subtract32(embeds[0].Data, embeds[1].Data))
	for layer := range w.m.Shape().Layers {
		if err := w.layerWriters(ctx, layer, stores); err != nil {
			return err
		}
	}
	return nil
}

func (w *wiredEdges) write(of written, differs []float32) {
	of.differs = mlx.FromSlice(w.scope, differs, len(of.names), len(differs)/len(of.names))
	w.written = append(w.written, of)
}

// layerWriters adds the heads, or the mixer without heads, and the MLP of a layer.
func (w *wiredEdges) layerWriters(ctx context.Context, layer int, stores [2]*store) error {
	var values [2]ofLayer
	for i, s := range stores {
		values[i] = ofLayer{}
		for _, at := range s.places(layer, layer+1) {
			v, err := s.at(ctx, 0, at, layer)
			if err != nil {
				return err
			}
			values[i][at.Site] = v
		}
	}
	sequential := w.m.Check(model.Place{Site: model.ResidMid, Layer: layer}) == nil
	if heads, ok := values[0][model.HeadOut]; ok {
		of, n := written{layer: layer, late: sequential}, heads.Shape[1]
		for h := range n {
			of.names = append(of.names, fmt.Sprintf("%s#%d", model.Place{Site: model.HeadOut, Layer: layer}, h))
		}
		f := &w.wires.attn[layer]
		if f.norm {
			of.through = f
		}
		w.write(of, w.byHead(subtract32(heads.Data, values[1][model.HeadOut].Data), n, f))
	} else if out, ok := values[0][model.AttnOut]; ok {
		of := written{layer: layer, late: sequential, names: []string{model.Place{Site: model.AttnOut, Layer: layer}.String()}}
		w.write(of, subtract32(out.Data, values[1][model.AttnOut].Data))
	}
	if out, ok := values[0][model.MLPOut]; ok { // a layer may have one of the two alone
		of := written{layer: layer, names: []string{model.Place{Site: model.MLPOut, Layer: layer}.String()}}
		w.write(of, subtract32(out.Data, values[1][model.MLPOut].Data))
	}
	return nil
}

// byHead puts [pos, head, d_model] into the order [head, pos·d_model], times the factors behind attention where these are all.
func (w *wiredEdges) byHead(x []float32, heads int, f *follower) []float32 {
	d := w.m.Shape().DModel
	n := len(x) / (heads * d)
	out := make([]float32, 0, len(x))
	for h := range heads {
		for p := range n {
			for i, v := range x[(p*heads+h)*d : (p*heads+h+1)*d] {
				if f.gain != nil && !f.norm {
					v = float32(f.gain[i] * float64(v))
				}
				out = append(out, v)
			}
		}
	}
	return out
}

func subtract32(a, b []float32) []float32 {
	out := make([]float32, len(a))
	for i := range a {
		out[i] = a[i] - b[i]
	}
	return out
}

// result lists the greatest of the edges.
func (w *wiredEdges) result() *Edges {
	out := &Edges{
		Schema: AttributeSchema, Method: w.o.Method, Steps: w.o.Steps, Between: w.out.Between, Into: map[string]lens.Number{}, OutOf: map[string]lens.Number{},
	}
	var names []string
	for _, of := range w.written {
		names = append(names, of.names...)
	}
	for _, r := range w.readers {
		for i, x := range r.scores {
			if math.IsNaN(x) {
				continue // no edge
			}
			out.Count++
			out.Into[r.name] += lens.Number(x)
			out.OutOf[names[i]] += lens.Number(x)
			out.Edges = append(out.Edges, Edge{From: names[i], To: r.name, Score: lens.Number(x)})
		}
		if len(out.Edges) > 2*w.o.Top {
			out.Edges = greatest(out.Edges, w.o.Top)
		}
	}
	out.Edges = greatest(out.Edges, w.o.Top)
	return out
}

func greatest(edges []Edge, n int) []Edge {
	slices.SortStableFunc(edges, func(a, b Edge) int { return cmp.Compare(math.Abs(float64(b.Score)), math.Abs(float64(a.Score))) })
	return slices.Clip(edges[:min(n, len(edges))])
}
