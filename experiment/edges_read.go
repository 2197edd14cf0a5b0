package experiment

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// all scores the edges at each point between the runs.
func (w *wiredEdges) all(ctx context.Context) error {
	points, weights := []float64{0}, []float64{1}
	if w.o.Method == IntegratedGradients {
		points, weights = legendre(w.o.Steps)
	}
	layers := w.m.Shape().Layers
	for i, t := range points {
		in, err := w.between(ctx, t)
		if err != nil {
			return err
		}
		if err := w.pass(ctx, in); err != nil {
			return err
		}
		below := in
		below.Positions = upTo(w.answer)
		w.below.inputs, w.below.from, w.below.to, w.below.values = []edit.Input{below}, 0, 0, nil
		g := w.room
		g.q, g.clean, g.rows = w.o.Question, w.clean, []edit.Input{in}
		g.wanted = []model.Site{model.Q, model.K, model.V, model.AttnGate, model.AttnOut, model.MLPOut, model.ResidPost}
		at := map[model.Site][]float32{}
		_, err = g.run(ctx, func(place model.Place, x []float32) error {
			if place.Site == model.ResidPost && place.Layer < layers-1 {
				return nil
			}
			at[place.Site] = slices.Clone(x)
			if place.Site == model.ResidPost {
				return w.score("logits", layers, at[place.Site], weights[i])
			}
			if place.Site != w.first(place.Layer) {
				return nil
			}
			err := w.read(ctx, place.Layer, in, at, weights[i])
			at = map[model.Site][]float32{}
			if w.o.Progress != nil {
				w.o.Progress((float64(i) + float64(layers-place.Layer)/float64(layers)) / float64(len(points)))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// first is the site that a layer goes by first, of those by which is derived: gradients come to it last.
func (w *wiredEdges) first(layer int) model.Site {
	for _, site := range []model.Site{model.Q, model.K, model.V, model.AttnGate, model.AttnOut} {
		if w.m.Check(model.Place{Site: site, Layer: layer}) == nil {
			return site
		}
	}
	return model.MLPOut
}

// between returns the changed run with embeddings between it and the source's.
func (w *wiredEdges) between(ctx context.Context, t float64) (edit.Input, error) {
	in := w.bases[0]
	if t == 0 {
		return in, nil
	}
	place := model.Place{Site: model.Embed}
	var ends [2]edit.Value
	for i, of := range []edit.Input{in, w.source.inputs[0]} {
		of.Positions = upTo(w.answer)
		values, _, err := captured(ctx, w.m, of, []model.Place{place})
		if err != nil {
			return in, err
		}
		ends[i] = values[place]
	}
	for i, a := range ends[0].Data {
		ends[0].Data[i] = a + float32(t)*(ends[1].Data[i]-a)
	}
	in.Edits = append(slices.Clone(in.Edits), edit.Edit{Place: place, Op: edit.Set, Positions: upTo(w.answer), Value: ends[0]})
	return in, nil
}

// readings are those of a layer's readers that read at one site, or one without parts.
type readings struct {
	site  model.Site
	name  string
	parts int // heads; 0: it is one
}

func (w *wiredEdges) readingsOf(layer int) (all []readings) {
	has := func(s model.Site) bool { return w.m.Check(model.Place{Site: s, Layer: layer}) == nil }
	if has(model.Pattern) {
		for _, site := range []model.Site{model.Q, model.K, model.V, model.AttnGate} {
			if at := (model.Place{Site: site, Layer: layer}); has(site) {
				all = append(all, readings{site, at.String(), heads(w.m, at)})
			}
		}
	} else if has(model.AttnOut) {
		all = append(all, readings{model.AttnOut, fmt.Sprintf("layers.%d.attn", layer), 0})
	}
	if has(model.MLPOut) {
		all = append(all, readings{model.MLPOut, fmt.Sprintf("layers.%d.mlp", layer), 0})
	}
	return all
}

// read scores the edges into the readers of a layer, given the gradients by what passes its sites.
func (w *wiredEdges) read(ctx context.Context, layer int, in edit.Input, at map[model.Site][]float32, weight float64) error {
	place := model.Place{Site: model.ResidPre, Layer: layer}
	h, err := w.below.at(ctx, 0, place, w.below.lowest(layer))
	if err != nil {
		return err
	}
	together := max(1, passRows/(w.answer+1))
	for _, r := range w.readingsOf(layer) {
		for from := 0; from < max(1, r.parts); from += together {
			to := min(from+together, max(1, r.parts))
			back, err := w.back(layer, in, h.Data, r, at[r.site], from, to)
			if err != nil {
				return err
			}
			width := len(back) / (to - from)
			for i := from; i < to; i++ {
				name := r.name
				if r.parts > 0 {
					name = fmt.Sprintf("%s#%d", r.name, i)
				}
				if err := w.score(name, layer, back[(i-from)*width:(i-from+1)*width], weight); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// back returns the gradients by the stream that enters a block through some parts of a reading alone,
// [part, pos·d_model]. What attention adds is a writer of its own, through which none goes.
func (w *wiredEdges) back(layer int, in edit.Input, h []float32, r readings, gradient []float32, from, to int) ([]float32, error) {
	s := mlx.NewScope(w.m.Device())
	defer s.Close()
	n, positions, d := to-from, w.answer+1, w.m.Shape().DModel
	rows := slices.Repeat([]edit.Input{in}, n)
	batch, err := edit.NewBatch(w.m, rows...)
	if err != nil {
		return nil, fmt.Errorf("experiment: %w", err)
	}
	place := model.Place{Site: r.site, Layer: layer}
	sizes := w.m.Shape().In(layer).Sizes(r.site)
	cotangent := make([]float32, n*len(gradient))
	for i := range n {
		row := cotangent[i*len(gradient) : (i+1)*len(gradient)]
		copy(row, gradient)
		for j := range row {
			if part := j / sizes[len(sizes)-1]; r.parts > 0 && part%r.parts != from+i {
				row[j] = 0
			}
		}
	}
	stop := &model.Tap{
		Wanted: func(at model.Place) bool { return at.Site == model.AttnOut && r.site == model.MLPOut },
		Visit:  func(_ model.Place, x *mlx.Array) *mlx.Array { return mlx.StopGradient(x) },
	}
	tokens, tap := batch.Tokens(s, 0, positions), batch.Tap(0, positions).Then(stop)
	entering := mlx.AsType(mlx.FromSlice(s, slices.Repeat(h[:positions*d], n), n, positions, d), streamType(w.m))
	_, products := mlx.VJP(func(x []*mlx.Array) []*mlx.Array {
		keep, kept := model.Keep(x[0].Scope(), []model.Place{place})
		var last *mlx.Array
		if layer == 0 { // a pass cannot begin with a stream
			last = w.m.Stream(tokens, nil, tap.Then(replace(model.ResidPre, x[0])).Then(keep), 1)
		} else {
			last = w.m.Resume(x[0], tokens, nil, tap.Then(keep), layer, layer+1)
		}
		if kept[0] == nil {
			return []*mlx.Array{last}
		}
		return []*mlx.Array{mlx.AsType(kept[0], mlx.Float32)}
	}, []*mlx.Array{entering}, []*mlx.Array{mlx.FromSlice(s, cotangent, append([]int{n, positions}, sizes...)...)})
	return mlx.Data[float32](mlx.AsType(mlx.Contiguous(products[0]), mlx.Float32))
}

// replace puts an array in the place of what passes a site of the first layer.
func replace(site model.Site, by *mlx.Array) *model.Tap {
	return &model.Tap{
		Wanted: func(at model.Place) bool { return at == model.Place{Site: site} },
		Visit:  func(model.Place, *mlx.Array) *mlx.Array { return by },
	}
}

// score adds to a reader's scores those of its edges, given the gradient by what it reads, [pos·d_model].
func (w *wiredEdges) score(name string, layer int, gradient []float32, weight float64) error {
	i := slices.IndexFunc(w.readers, func(r reader) bool { return r.name == name })
	if i < 0 {
		i = len(w.readers)
		w.readers = append(w.readers, reader{name: name})
	}
	mlp := name == fmt.Sprintf("layers.%d.mlp", layer)
	s := mlx.NewScope(w.m.Device())
	defer s.Close()
	g := mlx.FromSlice(s, gradient, len(gradient), 1)
	var products []*mlx.Array
	for _, of := range w.written {
		by := g
		if of.through != nil {
			by = of.passing.back(g)
		}
		products = append(products, mlx.Matmul(s.Hold(of.differs), by))
	}
	data, err := evaluated(products...)
	if err != nil {
		return err
	}
	var scores []float64
	for k, of := range w.written {
		for _, x := range data[k] {
			switch {
			case of.layer < layer, of.layer == layer && mlp && of.late:
				if math.IsNaN(x) || math.IsInf(x, 0) {
					return fmt.Errorf("experiment: the gradient of %s by what %s reads is no number: the numbers of the run grow beyond float32; look for an edit or a number of the config that is far too large", w.o.Metric, name)
				}
				scores = append(scores, weight*x)
			default:
				scores = append(scores, math.NaN())
			}
		}
	}
	if w.readers[i].scores == nil {
		w.readers[i].scores = scores
		return nil
	}
	for j, x := range scores {
		w.readers[i].scores[j] += x
	}
	return nil
}
