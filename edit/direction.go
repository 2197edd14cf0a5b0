package edit

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/model"
)

// Edits in the coordinates of a lens (Gurnee et al. 2026) are of directions v of the stream, such as
// those that lens.Directions gives of tokens:
//
//	[Steer]        h + α·m·v/|v|           m the median |h| over the edit's positions of the prompt
//	[ProjectOut]   h − Q·Qᵀh               Q an orthonormal basis of all directions (ablation)
//	[Swap]         h + α·V·(σc − c)        c = V⁺h, V = [v_s v_t], σ exchanges the two
//	[SwapClamped]  h + α·V·(σc' − c)       c' = V⁺h' of the run without edits
//
// α is the edit's Factor. m and h' are of the prompt itself: states.Measure finds them.

// nearParallel and tooParallel are the |cos| of two directions from which a swap is told of, and
// refused, as TransformerLens 4.3 has them: V⁺ grows as 1/√(1 − cos²).
const nearParallel, tooParallel = 0.99, 0.999

// Measured reports whether an edit has of its prompt what it needs: states.Measure finds it.
func (e *Edit) Measured() bool {
	return (e.Op != Steer || e.Norm > 0) && (e.Op != SwapClamped || e.Clean.Data != nil)
}

// Caution says what should be told of an edit that was checked, "" where there is nothing.
func (e *Edit) Caution() string {
	if e.Op != Swap && e.Op != SwapClamped {
		return ""
	}
	if cos := math.Abs(cosine(e.pair())); cos >= nearParallel {
		return fmt.Sprintf("edit %q: the two directions are nearly parallel (|cos| %.4f), and the swap may be amplified", e, cos)
	}
	return ""
}

// checkDirection refuses what cannot be steered along.
func (e *Edit) checkDirection(shape model.Shape) error {
	if err := e.checkStream(shape); err != nil {
		return err
	}
	v := &e.Value
	if len(v.Data) != v.last() {
		return e.wrong("steer is along one direction, and the value has the shape %v", v.Shape)
	}
	if length(wide(v.Data)) == 0 {
		return e.wrong("the direction is 0")
	}
	return e.checkMeasure()
}

// checkPair refuses what cannot be swapped.
func (e *Edit) checkPair(shape model.Shape) error {
	if err := e.checkStream(shape); err != nil {
		return err
	}
	v := &e.Value
	if len(v.Data) != 2*v.last() {
		return e.wrong("%s is of two directions, and the value has the shape %v", e.Op, v.Shape)
	}
	s, t := e.pair()
	switch cos := math.Abs(cosine(s, t)); {
	case length(s) == 0 || length(t) == 0:
		return e.wrong("one of the directions is 0")
	case !(cos < tooParallel):
		return e.wrong("the two directions are parallel (|cos| %.6f, and less than %v is wanted): there are no two coordinates to exchange; choose others", cos, tooParallel)
	}
	return e.checkMeasure()
}

// checkStream refuses places without one vector at a position, and values that do not fit.
func (e *Edit) checkStream(shape model.Shape) error {
	if hasKeys(e.Place.Site) || headAxis(e.Place.Site) >= 0 {
		return e.wrong("%s is of places with one vector at a position, such as layers.N.resid_post, and %s has heads", e.Op, e.Place.Site)
	}
	if !(math.Abs(e.Factor) <= math.MaxFloat32) {
		return e.wrong("%s by %v: want a number that float32 holds", e.Op, e.Factor)
	}
	v := &e.Value
	if err := v.check(); err != nil {
		return e.wrong("%w", err)
	}
	if d := shape.Sizes(e.Place.Site)[0]; v.last() != d || len(v.Shape) > 2 {
		return e.wrong("the directions have the shape %v, and %s wants [%d] or [directions, %d]", v.Shape, e.Place.Site, d, d)
	}
	return nil
}

// checkMeasure refuses what no measure gives.
func (e *Edit) checkMeasure() error {
	if e.Op == Steer && !(e.Norm >= 0 && e.Norm <= math.MaxFloat32) {
		return e.wrong("the states have the length %v", e.Norm)
	}
	if e.Op != SwapClamped || e.Clean.Data == nil {
		return nil
	}
	if err := e.Clean.check(); err != nil {
		return e.wrong("the states of the run without edits: %w", err)
	}
	if c := &e.Clean; len(c.Shape) != 2 || c.last() != e.Value.last() || len(c.Positions) != c.Shape[0] {
		return e.wrong("the states of the run without edits have the shape %v and %d positions: want [positions, %d]", c.Shape, len(c.Positions), e.Value.last())
	}
	return nil
}

// pair returns the two directions of a swap.
func (e *Edit) pair() (s, t []float64) {
	x, d := wide(e.Value.Data), e.Value.last()
	return x[:d], x[d:]
}

// dual returns the rows of V⁺ for two directions that are not parallel.
func dual(s, t []float64) (p, q []float64) {
	ss, st, tt := dot(s, s), dot(s, t), dot(t, t)
	det := ss*tt - st*st
	p, q = make([]float64, len(s)), make([]float64, len(s))
	for i := range s {
		p[i] = (tt*s[i] - st*t[i]) / det
		q[i] = (ss*t[i] - st*s[i]) / det
	}
	return p, q
}

// made returns the edit as it is made: steering is an addition, and what a clamped swap puts in the
// span of its directions stands in the value, V·σc'.
func (e *Edit) made() (*Edit, error) {
	if !e.Measured() {
		return nil, e.wrong("%s needs a measure of the prompt first: states.Measure", e.Op)
	}
	one := *e
	switch e.Op {
	case Steer:
		one.Op, one.Value = Add, Vector(e.Value.Data).Times(e.Factor*e.Norm/length(wide(e.Value.Data)))
	case SwapClamped:
		s, t := e.pair()
		p, q := dual(s, t)
		d := len(s)
		put := make([]float32, len(e.Clean.Data))
		for from := 0; from < len(put); from += d {
			h := wide(e.Clean.Data[from : from+d])
			cs, ct := dot(p, h), dot(q, h)
			for i := range d {
				put[from+i] = float32(ct*s[i] + cs*t[i])
			}
		}
		one.Value = Value{Shape: e.Clean.Shape, Data: put, Positions: e.Clean.Positions}
	default:
		return e, nil
	}
	return &one, nil
}

// exchange returns the rows a and b by which a swap is h + α·(a·h)·b: V·(σc − c) has one direction,
// a = p − q being the difference of the coordinates, and b = v_t − v_s.
func (e *Edit) exchange() []float32 {
	s, t := e.pair()
	p, q := dual(s, t)
	out := make([]float32, 0, 2*len(s))
	for i := range s {
		out = append(out, float32(p[i]-q[i]))
	}
	for i := range s {
		out = append(out, float32(t[i]-s[i]))
	}
	return out
}

func wide(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func cosine(a, b []float64) float64 { return dot(a, b) / (length(a) * length(b)) }
