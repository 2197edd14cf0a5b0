package edit

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/mlxlens/mlxlens/model"
)

// Value is the numbers that an edit puts at a place, for all positions or for each its own,
// for all heads or for each its own. It is what a capture of the place is. Shape is one of
//
//	[d] [pos, d]                     at sites without heads
//	[d] [head, d] [pos, head, d]     at sites with heads; head may be 1, all, or those of Edit.Heads
//	[head, pos, key]                 at attn_scores and pattern
//
// and of [ProjectOut] [d] or [n, d], directions.
type Value struct {
	Shape []int
	Data  []float32

	// Positions are those of a prompt that the pos axis stands for; nil: the edit's own, in
	// their order.
	Positions []int

	// Rows says that the first of two axes is of directions, and of no position: [Add] and [Set] take one of them.
	Rows bool
}

// Vector returns the value [d] that is the same everywhere.
func Vector(x []float32) Value { return Value{Shape: []int{len(x)}, Data: x} }

// Times returns the value with each number times a factor.
func (v Value) Times(factor float64) Value {
	data := make([]float32, len(v.Data))
	for i, x := range v.Data {
		data[i] = float32(factor * float64(x))
	}
	v.Data = data
	return v
}

func (v *Value) last() int { return v.Shape[len(v.Shape)-1] }

// check refuses a value that is no array of finite numbers.
func (v *Value) check() error {
	if len(v.Data) == 0 {
		return fmt.Errorf("there is no value")
	}
	n := 1
	for _, s := range v.Shape {
		if s < 1 || n > len(v.Data) {
			break
		}
		n *= s
	}
	if n != len(v.Data) || len(v.Shape) == 0 || slices.Min(v.Shape) < 1 {
		return fmt.Errorf("the value has %d numbers, and the shape %v", len(v.Data), v.Shape)
	}
	if v.Positions != nil {
		ascending := slices.Compact(slices.Sorted(slices.Values(v.Positions)))
		if len(ascending) == 0 || ascending[0] < 0 || len(ascending) < len(v.Positions) {
			return fmt.Errorf("the value's positions are %v: want each once, from 0 on", v.Positions)
		}
	}
	for i, x := range v.Data {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return fmt.Errorf("number %d of the value is %v", i, x)
		}
	}
	return nil
}

// posAxis returns which axis of a value for a site is positions, −1: none.
func (v *Value) posAxis(s model.Site) int {
	switch {
	case hasKeys(s):
		return 1
	case len(v.Shape) == len(s.Axes())-1: // all but the batch
		return 0
	}
	return -1
}

// checkValue refuses a value that does not fit the place.
func (e *Edit) checkValue(shape model.Shape) error {
	v, site := &e.Value, e.Place.Site
	if err := v.check(); err != nil {
		return e.wrong("%w", err)
	}
	axes := site.Axes()[1:]
	fits := len(v.Shape) <= len(axes) && (!hasKeys(site) || len(v.Shape) == len(axes))
	for i := 1; fits && i <= len(v.Shape); i++ {
		axis, n := axes[len(axes)-i], v.Shape[len(v.Shape)-i]
		switch axis {
		case model.Pos:
			fits = v.Positions == nil || n == len(v.Positions)
		case model.Key:
		case model.Head, model.KVHead:
			fits = n == shape.Size(axis) || n == 1 || n == len(e.Heads)
		default:
			fits = n == shape.Size(axis)
		}
	}
	if !fits {
		return e.wrong("the value has the shape %v, and %s wants %s", v.Shape, site, wanted(site, shape))
	}
	return nil
}

// wanted says which shapes fit a site.
func wanted(s model.Site, shape model.Shape) string {
	if hasKeys(s) {
		return fmt.Sprintf("[%d, positions, keys]", shape.Heads)
	}
	sizes := shape.Sizes(s)
	d := sizes[len(sizes)-1]
	if len(sizes) == 1 {
		return fmt.Sprintf("[%d] or [positions, %d]", d, d)
	}
	return fmt.Sprintf("[%d], [%d, %d] or [positions, %d, %d]", d, sizes[0], d, sizes[0], d)
}

// checkDirections refuses what spans nothing.
func (e *Edit) checkDirections(shape model.Shape) error {
	v, site := &e.Value, e.Place.Site
	if err := v.check(); err != nil {
		return e.wrong("%w", err)
	}
	if hasKeys(site) {
		return e.wrong("%s has a number for each key, not a direction", site)
	}
	sizes := shape.Sizes(site)
	if d := sizes[len(sizes)-1]; v.last() != d || len(v.Shape) > 2 {
		return e.wrong("the directions have the shape %v, and %s wants [%d] or [directions, %d]", v.Shape, site, d, d)
	}
	if len(orthonormal(v.Data, v.last())) == 0 {
		return e.wrong("the directions are all 0")
	}
	return nil
}

// chooseRows finds the value's row for each position.
func (r *resolved) chooseRows(tokens int) error {
	v, axis := &r.Value, r.Value.posAxis(r.Place.Site)
	if axis < 0 || v.Shape[axis] == 1 && !hasKeys(r.Place.Site) && (v.Positions == nil || r.Positions != nil) {
		return nil // one row, for every position
	}
	if v.Rows {
		return r.wrong("the %d rows of the value are directions, each good for any position: take one of them, or project-out for all", v.Shape[axis])
	}
	if r.all {
		r.all = false
		r.at, _ = model.Indices(nil, tokens, "position")
	}
	if v.Positions == nil && len(r.at) != v.Shape[axis] {
		return r.wrong("the value is of %d positions, and the edit of %d", v.Shape[axis], len(r.at))
	}
	r.rows = make([]int, len(r.at))
	for i, p := range r.at {
		if r.rows[i] = i; v.Positions != nil {
			r.rows[i] = slices.Index(v.Positions, p)
		}
		if r.rows[i] < 0 {
			return r.wrong("the value has nothing for position %d (it has: %v)", p, v.Positions)
		}
		if hasKeys(r.Place.Site) && v.last() <= p {
			return r.wrong("the value has %d keys, and position %d sees %d", v.last(), p, p+1)
		}
	}
	return nil
}

// put writes what the edit puts at its position number i into dst, which has the sizes of
// tail. Keys are those before the position to.
func (r *resolved) put(dst []float32, i, to int) {
	row := 0
	if r.rows != nil {
		row = r.rows[i]
	}
	v, sizes := &r.Value, tail(r.Place.Site, r.shape, 0)
	d := sizes[len(sizes)-1]
	switch {
	case hasKeys(r.Place.Site):
		r.putKeys(dst, row, to)
	case len(sizes) == 1:
		copy(dst, v.Data[row*d:(row+1)*d])
	default:
		heads := 1 // of the value
		if len(v.Shape) > 1 {
			heads = v.Shape[len(v.Shape)-2]
		}
		for h := range sizes[0] {
			from := r.valueHead(h, heads)
			copy(dst[h*d:(h+1)*d], v.Data[(row*heads+from)*d:])
		}
	}
}

// valueHead returns which of the value's heads head h gets.
func (r *resolved) valueHead(h, have int) int {
	switch {
	case have == 1:
		return 0
	case r.heads == nil || have == headsOf(r.Place.Site, r.shape): // or experts that were chosen, of which an edit takes all
		return h
	}
	return max(0, slices.Index(r.heads, h)) // where none is chosen nothing changes
}

// putKeys writes the row of every head for the last keys before the position to; what the
// value has no key for is masked.
func (r *resolved) putKeys(dst []float32, row, to int) {
	v := &r.Value
	positions, have := v.Shape[1], v.Shape[2]
	keys := len(dst) / r.shape.Heads
	masked := float32(0)
	if r.Place.Site == model.AttnScores {
		masked = -math.MaxFloat32
	}
	for h := range r.shape.Heads {
		from := (r.valueHead(h, v.Shape[0])*positions + row) * have
		for k := range keys {
			dst[h*keys+k] = masked
			if key := to - keys + k; key < have {
				dst[h*keys+k] = v.Data[from+key]
			}
		}
	}
}

// noise writes Factor·ε for a position: the same numbers for a seed, a place and a position,
// however passes are cut and padded. At a site with keys each head has a series of its own,
// one number for each key from the first on, of which dst has those before the position to.
func (r *resolved) noise(dst []float32, position, to int) {
	h := fnv.New64a()
	fmt.Fprint(h, r.Place, " ", position)
	g := rand.New(rand.NewPCG(r.Seed, h.Sum64()))
	if !hasKeys(r.Place.Site) {
		for i := range dst {
			dst[i] = float32(r.Factor * g.NormFloat64())
		}
		return
	}
	keys := len(dst) / r.shape.Heads
	for head := range r.shape.Heads {
		for key := range position + 1 {
			x := float32(r.Factor * g.NormFloat64())
			if k := key - (to - keys); k >= 0 && k < keys {
				dst[head*keys+k] = x
			}
		}
	}
}

// orthonormal returns rows that span what rows of d numbers do, each of length 1 and at right
// angles to the others (Gram and Schmidt, twice for rounding, in float64).
func orthonormal(data []float32, d int) []float32 {
	var basis [][]float64
	for from := 0; from+d <= len(data); from += d {
		x := make([]float64, d)
		for i := range x {
			x[i] = float64(data[from+i])
		}
		whole := length(x)
		for range 2 {
			for _, b := range basis {
				along := 0.0
				for i := range x {
					along += x[i] * b[i]
				}
				for i := range x {
					x[i] -= along * b[i]
				}
			}
		}
		if n := length(x); n > 1e-6*whole { // else it is in the span already
			for i := range x {
				x[i] /= n
			}
			basis = append(basis, x)
		}
	}
	out := make([]float32, 0, len(basis)*d)
	for _, b := range basis {
		for _, x := range b {
			out = append(out, float32(x))
		}
	}
	return out
}

func length(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum)
}
