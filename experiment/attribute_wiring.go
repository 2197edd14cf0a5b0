package experiment

import (
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// wiring is how the blocks of a model bring what their parts make into the stream, by layer:
//
//	resid_post = keep⊙(resid_pre + attn(Σ heads + bias) + mlp(Σ neurons + bias) + …)
//
// attn and mlp being norms or factors of each dimension.
type wiring struct {
	keep               [][]float64 // nil: 1
	attn, mlp, experts []follower
}

// follower is what a part goes through before it is added: factors of each dimension, or a norm with
// such gains.
type follower struct {
	gain  []float64
	norm  bool
	other bool // it is something else
}

// probe finds a model's wiring: in a pass of its own each block is given 0, 1 and 2 everywhere, in the
// stream and in the place of what attention, MLP and experts make, and shows what it does with them.
func probe(m model.Model) (*wiring, error) {
	s := mlx.NewScope(m.Device())
	defer s.Close()
	p := &prober{s: s, seen: map[model.Place]*mlx.Array{}}
	tokens := mlx.FromSlice(s, []int32{0, 0, 0}, 3, 1)
	if err := m.Stream(tokens, nil, &model.Tap{Wanted: p.wanted, Visit: p.visit}, m.Shape().Layers).Err(); err != nil {
		return nil, err
	}
	places := make([]model.Place, 0, len(p.seen))
	for at := range p.seen {
		places = append(places, at)
	}
	places = model.InForwardOrder(places)
	arrays := make([]*mlx.Array, len(places))
	for i, at := range places {
		arrays[i] = p.seen[at]
	}
	data, err := evaluated(arrays...)
	if err != nil {
		return nil, err
	}
	rows := map[model.Place][]float64{}
	for i, at := range places {
		rows[at] = data[i]
	}
	return newWiring(m, rows)
}

// prober is the tap of probe.
type prober struct {
	s    *mlx.Scope
	seen map[model.Place]*mlx.Array // [3, 1, d_model]
}

var probed = map[model.Site]bool{
	model.ResidPre: true, model.Z: true, model.MLPPost: true, model.ExpertOut: true, model.SharedOut: true, model.AttnRaw: true, model.AttnOut: true,
	model.MLPRaw: true, model.MLPOut: true, model.PerLayerOut: true, model.ResidPost: true,
}

func (p *prober) wanted(at model.Place) bool { return probed[at.Site] }

func (p *prober) visit(at model.Place, x *mlx.Array) *mlx.Array {
	shape := x.Shape()
	given := func(parts int) *mlx.Array {
		rows := mlx.FromSlice(x.Scope(), []float32{0, 1 / float32(parts), 2 / float32(parts)}, append([]int{3}, slices.Repeat([]int{1}, len(shape)-1)...)...)
		return mlx.AsType(mlx.BroadcastTo(rows, shape...), x.Dtype())
	}
	zeros := func() *mlx.Array { return mlx.Zeros(x.Scope(), x.Dtype(), shape...) }
	switch at.Site {
	case model.ResidPre:
		return given(1)
	case model.Z, model.MLPPost, model.SharedOut, model.PerLayerOut:
		return zeros()
	case model.ExpertOut:
		return given(shape[2])
	}
	p.seen[at] = p.s.Hold(x)
	switch at.Site {
	case model.AttnRaw, model.MLPRaw:
		return given(1)
	case model.AttnOut, model.MLPOut:
		return zeros()
	}
	return x
}

func newWiring(m model.Model, seen map[model.Place][]float64) (*wiring, error) {
	layers, d := m.Shape().Layers, m.Shape().DModel
	w := &wiring{keep: make([][]float64, layers)}
	w.attn, w.mlp, w.experts = make([]follower, layers), make([]follower, layers), make([]follower, layers)
	for layer := range layers {
		at := func(site model.Site) []float64 { return seen[model.Place{Site: site, Layer: layer}] }
		if keep := at(model.ResidPost)[d : 2*d]; slices.ContainsFunc(keep, func(k float64) bool { return k != 1 }) {
			w.keep[layer] = keep
		}
		for _, side := range []struct {
			raw, out model.Site
			follow   *follower
		}{{model.AttnRaw, model.AttnOut, &w.attn[layer]}, {model.MLPRaw, model.MLPOut, &w.mlp[layer]}} {
			if at(side.raw) == nil {
				continue
			}
			if *side.follow = newFollower(at(side.out), d); side.follow.other {
				return nil, refuse("what follows %s is neither a norm nor a factor, and cannot be held", model.Place{Site: side.raw, Layer: layer})
			}
		}
		if m.Check(model.Place{Site: model.ExpertOut, Layer: layer}) == nil {
			mixed := at(model.MLPRaw)
			if mixed == nil {
				mixed = at(model.MLPOut)
			}
			w.experts[layer] = newFollower(mixed, d)
		}
	}
	return w, nil
}

// newFollower reads rows of what became of 0, of 1 and of 2, [3, d_model]; what becomes of 0 is a bias.
func newFollower(rows []float64, d int) follower {
	one, two := subtract(rows[d:2*d], rows[:d]), subtract(rows[2*d:], rows[:d])
	factor, norm, size := 0.0, 0.0, 0.0
	plain := true
	for i := range d {
		factor += math.Abs(two[i] - 2*one[i])
		norm += math.Abs(two[i] - one[i])
		size += math.Abs(one[i])
		plain = plain && one[i] == 1
	}
	switch {
	case factor <= 1e-2*size && plain:
		return follower{}
	case factor <= 1e-2*size:
		return follower{gain: one}
	case norm <= 1e-2*size:
		return follower{gain: one, norm: true}
	}
	return follower{other: true}
}

// back maps the gradient by what a follower gives to that by what it takes, raw, of which it made
// out; nil: it is the same.
func (f *follower) back(direction []float64, raw, out []float32, what string) ([]float64, error) {
	if f.gain == nil {
		return direction, nil
	}
	k := 1.0
	if f.norm {
		var err error
		if k, err = scale(f.gain, wide(raw), wide(out), what); err != nil {
			return nil, err
		}
	}
	back := make([]float64, len(direction))
	for i := range back {
		back[i] = k * f.gain[i] * direction[i]
	}
	return back, nil
}

// after returns the factors of the stream on its way from within a block to the end, nil: 1.
func (w *wiring) after(layer int) []float64 {
	var all []float64
	for _, keep := range w.keep[layer:] {
		switch {
		case keep == nil:
		case all == nil:
			all = slices.Clone(keep)
		default:
			for i := range all {
				all[i] *= keep[i]
			}
		}
	}
	return all
}
