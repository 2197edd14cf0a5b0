package experiment

import (
	"context"
	"fmt"
	"maps"
	"math"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// sitesFor are those of a layer that parts of a kind are made of.
func sitesFor(by Kind) []model.Site {
	added := []model.Site{model.AttnOut, model.MLPOut, model.PerLayerOut}
	within := []model.Site{model.ResidPre, model.ResidMid}
	switch by {
	case OfHeads:
		return append(append(added, within...), model.AttnRaw, model.Z)
	case OfNeurons:
		return append(append(added, within...), model.MLPRaw, model.MLPPost, model.ExpertIDs, model.ExpertWeights, model.ExpertPost)
	case OfExperts:
		return append(append(added, within...), model.MLPRaw, model.ExpertIDs, model.ExpertWeights, model.ExpertOut, model.SharedOut)
	}
	return added
}

// ofLayer is what a layer computes, by site.
type ofLayer map[model.Site]edit.Value

// layer adds the parts of a layer.
func (d *direct) layer(ctx context.Context, layer int) error {
	values := ofLayer{}
	for _, at := range d.store.places(layer, layer+1) {
		v, err := d.store.at(ctx, 0, at, layer)
		if err != nil {
			return err
		}
		values[at.Site] = v
	}
	for _, side := range []struct {
		site  model.Site
		small Kind
		parts func(layer int, values ofLayer) (bool, error)
	}{{model.AttnOut, OfHeads, d.heads}, {model.MLPOut, OfNeurons, d.neurons}, {model.MLPOut, OfExperts, d.experts}, {model.PerLayerOut, "", nil}} {
		v, there := values[side.site]
		if !there || side.site == model.MLPOut && (side.small == OfExperts) != (d.o.By == OfExperts) {
			continue
		}
		if side.small == d.o.By {
			done, err := side.parts(layer, values)
			if err != nil {
				return err
			}
			if done {
				continue
			}
		}
		at := model.Place{Site: side.site, Layer: layer}
		d.add(Contribution{Name: at.String(), Site: at.Site, Layer: &at.Layer}, d.dots(layer, v, nil))
	}
	return nil
}

// direction is the gradient of the logit by what a layer adds to the stream, at a position by its number.
func (d *direct) direction(layer, i int) []float64 {
	keep := d.wires.after(layer)
	if keep == nil {
		return d.read[i]
	}
	out := make([]float64, len(keep))
	for j := range out {
		out[j] = keep[j] * d.read[i][j]
	}
	return out
}

// dots returns what a value [pos, d_model] in the stream adds, by position; by other gradients than
// the layer's where they are given.
func (d *direct) dots(layer int, v edit.Value, by [][]float64) []float64 {
	out := make([]float64, v.Shape[0])
	width := len(v.Data) / v.Shape[0]
	for i := range out {
		direction := d.direction(layer, i)
		if by != nil {
			direction = by[i]
		}
		out[i] = dot32(direction, v.Data[i*width:(i+1)*width])
	}
	return out
}

func dot32(a []float64, b []float32) float64 {
	sum := 0.0
	for i, x := range b {
		sum += a[i] * float64(x)
	}
	return sum
}

// before returns the gradients by what a follower takes, at each position.
func (d *direct) before(layer int, f *follower, raw, out edit.Value, what model.Site) ([][]float64, error) {
	back := make([][]float64, len(d.read))
	for i := range back {
		back[i] = d.direction(layer, i)
		if f.gain == nil {
			continue
		}
		var err error
		if back[i], err = f.back(back[i], at(raw, i), at(out, i), model.Place{Site: what, Layer: layer}.String()+"'s follower"); err != nil {
			return nil, err
		}
	}
	return back, nil
}

// at returns the numbers of a value at a position, by its number.
func at(v edit.Value, i int) []float32 {
	size := len(v.Data) / v.Shape[0]
	return v.Data[i*size : (i+1)*size]
}

// heads adds the parts of the heads of a layer, and of the bias behind them; false: there are none.
func (d *direct) heads(layer int, values ofLayer) (bool, error) {
	z, ok := values[model.Z]
	if !ok {
		return false, nil
	}
	end := model.AttnOut
	if _, ok := values[model.AttnRaw]; ok {
		end = model.AttnRaw
	}
	by, err := d.before(layer, &d.wires.attn[layer], values[end], values[model.AttnOut], end)
	if err != nil {
		return false, err
	}
	gradients, err := d.replay(layer, values, end, by, []model.Site{model.Z})
	if err != nil {
		return false, err
	}
	n, heads := z.Shape[0], z.Shape[1]
	size := z.Shape[2]
	check := newBalance(n)
	for h := range heads {
		each := make([]float64, n)
		for i := range each {
			from := (i*heads + h) * size
			each[i] = dot32(gradients[0][from:from+size], z.Data[from:from+size])
		}
		check.add(each)
		d.add(Contribution{Name: fmt.Sprintf("%s#%d", model.Place{Site: model.HeadOut, Layer: layer}, h), Site: model.HeadOut, Layer: &layer, Head: &h}, each)
	}
	if err := d.constant(layer, "attn", values, end, by, check); err != nil {
		return false, err
	}
	return true, check.whole(d.dots(layer, values[end], by), d.norm, fmt.Sprintf("the heads of layer %d", layer))
}

// constant adds what passes the end of a part of a layer when nothing comes to it: biases, those of
// experts by their weights.
func (d *direct) constant(layer int, of string, values ofLayer, end model.Site, by [][]float64, check *balance) error {
	s := mlx.NewScope(d.m.Device())
	defer s.Close()
	without := maps.Clone(values)
	for _, site := range []model.Site{model.Z, model.MLPPost, model.ExpertPost, model.ExpertOut, model.SharedOut} {
		if v, ok := values[site]; ok {
			without[site] = edit.Value{Shape: v.Shape, Data: make([]float32, len(v.Data))}
		}
	}
	places := []model.Place{{Site: end, Layer: layer}}
	keep, kept := model.Keep(s, places)
	if err := model.Reach(d.m, d.tokens(s), nil, without.tap(layer).Then(keep), places).Err(); err != nil {
		return err
	}
	data, err := evaluated(kept[0])
	if err != nil {
		return err
	}
	each, any := make([]float64, len(by)), false
	for i := range each {
		each[i] = dot(by[i], data[0][i*len(by[i]):(i+1)*len(by[i])])
		any = any || each[i] != 0
	}
	if any {
		check.add(each)
		d.add(Contribution{Name: fmt.Sprintf("layers.%d.%s_bias", layer, of), Layer: &layer}, each)
	}
	return nil
}

// balance sums parts, and knows by how much rounding may change the sum.
type balance struct{ sums, sizes []float64 }

func newBalance(n int) *balance { return &balance{make([]float64, n), make([]float64, n)} }

func (t *balance) add(x []float64) {
	for i, v := range x {
		t.sums[i] += v
		t.sizes[i] += math.Abs(v)
	}
}

// whole requires that the parts sum to it.
func (t *balance) whole(want []float64, norm float64, what string) error {
	for i, sum := range t.sums {
		if gap := math.Abs(sum - want[i]); !(gap <= norm*(t.sizes[i]+math.Abs(want[i]))) {
			return fmt.Errorf("experiment: %s sum to %v, and together they add %v: what they make goes through something that is not linear, or an edit changes it, and cannot be held; take them by component", what, sum, want[i])
		}
	}
	return nil
}

// replay returns the gradients of Σ by·x, x being what passes the end of a part of a layer, by what
// passes places within it, when the layer computes again what it computed.
func (d *direct) replay(layer int, values ofLayer, end model.Site, by [][]float64, wrt []model.Site) ([][]float64, error) {
	s := mlx.NewScope(d.m.Device())
	defer s.Close()
	n, width := len(by), d.m.Shape().DModel
	cotangents := make([]float32, 0, n*width)
	for i := range by {
		for _, x := range by[i] {
			cotangents = append(cotangents, float32(x))
		}
	}
	places := make([]model.Place, len(wrt))
	for i, site := range wrt {
		places[i] = model.Place{Site: site, Layer: layer}
	}
	objective := model.Objective{Places: []model.Place{{Site: end, Layer: layer}}, Of: func(y []*mlx.Array) *mlx.Array {
		return mlx.Sum(mlx.Multiply(mlx.AsType(y[0], mlx.Float32), mlx.FromSlice(y[0].Scope(), cotangents, 1, n, width)))
	}}
	_, gradients, err := model.Gradient(d.m, d.tokens(s), values.tap(layer), objective, places)
	if err != nil {
		return nil, fmt.Errorf("experiment: %w", err)
	}
	return evaluated(gradients...)
}

// tokens are those of the positions that are read, [1, pos].
func (d *direct) tokens(s *mlx.Scope) *mlx.Array {
	ids := make([]int, len(d.in.Positions))
	for i, p := range d.in.Positions {
		ids[i] = d.in.IDs[p]
	}
	return model.Tokens(s, ids)
}

// tap gives a layer what it computed.
func (v ofLayer) tap(layer int) *model.Tap {
	return &model.Tap{
		HoldScales: true,
		Wanted: func(at model.Place) bool {
			_, ok := v[at.Site]
			return ok && at.Layer == layer && given[at.Site]
		},
		Visit: func(at model.Place, x *mlx.Array) *mlx.Array {
			value := v[at.Site]
			return mlx.AsType(mlx.FromSlice(x.Scope(), value.Data, append([]int{1}, value.Shape...)...), x.Dtype())
		},
	}
}

// given are the places at which a replayed layer is given what it computed.
var given = map[model.Site]bool{
	model.ResidPre: true, model.ResidMid: true, model.Z: true, model.MLPPost: true, model.ExpertIDs: true, model.ExpertWeights: true, model.ExpertPost: true,
	model.ExpertOut: true, model.SharedOut: true,
}
