package experiment

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// stateReader gives the states of inputs at a site, one after another: of each input and layer the mean
// over the positions that are read. It holds those of a few inputs at a time, and where even one
// input has too many it goes through the layers in groups.
type stateReader struct {
	m      model.Model
	site   model.Site
	layers []int
	sizes  []int // of a state: [d] or [head, d]
	most   int64 // bytes that are captured at a time
	bound  int64 // 0: none
	name   func(i int) string
}

// newStateReader resolves a site and layers, nil for all that have it.
func newStateReader(m model.Model, site model.Site, layers []int, bound int64, name func(i int) string) (*stateReader, error) {
	if m == nil {
		return nil, refuse("there is no model")
	}
	site = cmp.Or(site, model.ResidPost)
	if err := checkSite(m, site, nil); err != nil {
		return nil, err
	}
	if site.Axis(model.Key) >= 0 {
		return nil, refuse("%s has a number for each key, and prompts of other length have others: it has no direction", site)
	}
	r := &stateReader{m: m, site: site, most: captureBytes(bound, 4), bound: bound, name: name}
	chosen, err := model.Indices(layers, m.Shape().Layers, "layer")
	if err != nil {
		return nil, refuse("%w", err)
	}
	for _, layer := range chosen {
		err := m.Check(model.Place{Site: site, Layer: layer})
		switch {
		case err == nil:
			r.layers = append(r.layers, layer)
		case layers != nil:
			return nil, refuse("%w", err)
		}
	}
	r.sizes = m.Shape().In(r.layers[0]).Sizes(site)
	for _, layer := range r.layers {
		if sizes := m.Shape().In(layer).Sizes(site); !slices.Equal(sizes, r.sizes) {
			return nil, refuse("%s has the sizes %v in layer %d and %v in layer %d: choose layers of one size", site, r.sizes, r.layers[0], sizes, layer)
		}
	}
	return r, nil
}

// size is how many numbers a state has.
func (r *stateReader) size() int {
	n := 1
	for _, s := range r.sizes {
		n *= s
	}
	return n
}

func (r *stateReader) places(layers []int) []model.Place {
	var places []model.Place
	for _, layer := range layers {
		places = append(places, model.Place{Site: r.site, Layer: layer})
	}
	return places
}

// prepare reads the last position of inputs that name none, and returns the layers in groups that
// fit, each input by itself; beside is how many bytes more a layer takes.
func (r *stateReader) prepare(inputs []edit.Input, beside int64) ([][]int, error) {
	one := beside
	for i := range inputs {
		if inputs[i].Positions == nil {
			inputs[i].Positions = []int{-1}
		}
		result, work, err := states.Memory(r.m, inputs[i], r.places(r.layers[:1]))
		if err != nil {
			return nil, fmt.Errorf("experiment: %s: %w", r.name(i), err)
		}
		free, err := model.Free(r.m, r.bound)
		if err != nil {
			return nil, err
		}
		if r.bound > 0 && work > free {
			return nil, fmt.Errorf("experiment: %s: to read it takes %d MB beside the weights, and %d MB are left for it: give shorter prompts, or allow more memory", r.name(i), (work+1<<20-1)>>20, max(0, free>>20))
		}
		one = max(one, result+beside)
	}
	return slices.Collect(slices.Chunk(r.layers, int(max(1, min(int64(len(r.layers)), r.most/max(1, one)))))), nil
}

// each gives the states of inputs at layers, [layer][size], which are the callee's.
func (r *stateReader) each(ctx context.Context, layers []int, inputs []edit.Input, got func(i int, x [][]float32) error) error {
	places := r.places(layers)
	for from := 0; from < len(inputs); {
		n, bytes := 0, int64(0)
		for n < min(edit.Lookahead, len(inputs)-from) && (n == 0 || bytes < r.most) {
			bytes += int64(len(inputs[from+n].Positions)*len(layers)*r.size()) * 4
			n++
		}
		i := from
		for set, err := range states.CaptureAll(ctx, r.m, inputs[from:from+n], places) {
			if err == nil {
				var x [][]float32
				if x, err = means(set); err == nil {
					err = got(i, x)
				}
			}
			if err != nil {
				return fmt.Errorf("experiment: %s: %w", r.name(i), err)
			}
			i++
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// means averages each array of a set over its positions.
func means(set *states.Set) ([][]float32, error) {
	out := make([][]float32, len(set.Arrays))
	for i := range set.Arrays {
		a := &set.Arrays[i]
		x, err := a.Float32()
		if err != nil {
			return nil, err
		}
		n := a.Shape[0]
		size := len(x) / n
		if out[i] = x[:size:size]; n == 1 {
			continue
		}
		sum := make([]float64, size)
		for j, v := range x {
			sum[j%size] += float64(v)
		}
		for j, s := range sum {
			out[i][j] = float32(s / float64(n))
		}
	}
	return out, nil
}
