package nn

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx"
)

// Interpolation is how Upsample fills what lies between.
type Interpolation string

// How Upsample fills what lies between.
const (
	Nearest  Interpolation = "nearest"
	Linearly Interpolation = "linear"
	Cubic    Interpolation = "cubic"
)

// Upsample changes the size of the axes between the first and the last by factors, of which
// those below 1 make it smaller.
type Upsample struct {
	Factors      []float64     // for each axis, or one for all
	Mode         Interpolation // "": Nearest
	AlignCorners bool          // the first and last places stay where they are
	Antialias    bool          // widen the kernel where the size falls; Linearly and Cubic, without AlignCorners
}

// NewUpsample returns one that repeats the nearest element.
func NewUpsample(factors ...float64) *Upsample { return &Upsample{Factors: factors} }

// taps are the elements that each place of a result is made of: for tap t of place i,
// index[t][i] with weight[t][i].
type taps struct {
	index  [][]int32
	weight [][]float32
}

func (t *taps) add(index []int32, weight []float32) {
	t.index, t.weight = append(t.index, index), append(t.weight, weight)
}

// Forward maps [batch, space..., features] to [batch, ⌊factor·space⌋..., features].
func (u *Upsample) Forward(x *mlx.Array) *mlx.Array {
	const op = "upsample"
	if bad := wrong(x); bad != nil {
		return bad
	}
	space := x.Ndim() - 2
	factors := u.Factors
	if len(factors) == 1 && space > 0 {
		factors = make([]float64, space)
		for i := range factors {
			factors[i] = u.Factors[0]
		}
	}
	if space < 1 || len(factors) != space {
		return failed(op, mlx.ErrShape, "x %v with factors %v (want: one for each axis between the first and the last, or one for all)", x.Shape(), u.Factors)
	}
	if u.Antialias && (u.AlignCorners || u.Mode != Linearly && u.Mode != Cubic) {
		return failed(op, mlx.ErrIndex, "antialiasing in mode %q, corners aligned: %v (have: linear, cubic, false)", string(u.Mode), u.AlignCorners)
	}
	for i, f := range factors {
		n := x.Dim(1 + i)
		if !(f > 0) || f*float64(n) < 1 || f*float64(n) > math.MaxInt32 {
			return failed(op, mlx.ErrShape, "a factor of %v for an axis of %d", f, n)
		}
	}
	for i, f := range factors {
		var t taps
		switch u.Mode {
		case Nearest, "":
			t = nearestTaps(x.Dim(1+i), f)
		case Linearly, Cubic:
			t = u.taps(x.Dim(1+i), f)
		default:
			return failed(op, mlx.ErrIndex, "there is no mode %q (have: nearest, linear, cubic)", string(u.Mode))
		}
		x = t.apply(x, 1+i)
	}
	return x
}

// apply makes an axis of x anew: Σ over taps of weight·x[index].
func (t taps) apply(x *mlx.Array, axis int) *mlx.Array {
	var sum *mlx.Array
	for k, index := range t.index {
		y := mlx.Take(x, mlx.FromSlice(x.Scope(), index), axis)
		if t.weight[k] != nil {
			shape := make([]int, x.Ndim())
			for i := range shape {
				shape[i] = 1
			}
			shape[axis] = len(index)
			y = mlx.Multiply(mlx.FromSlice(x.Scope(), t.weight[k], shape...), y)
		}
		if sum == nil {
			sum = y
		} else {
			sum = mlx.Add(sum, y)
		}
	}
	return sum
}

// nearestTaps are the nearest elements; of two equally near ones the even, as float32 rounds.
func nearestTaps(n int, factor float64) taps {
	size := int(factor * float64(n))
	index := make([]int32, size)
	for i := range index {
		at := float32(i) * float32(float64(n)/float64(size))
		if factor == math.Trunc(factor) {
			at = float32(i / int(factor))
		} else if size > n {
			at = float32(math.RoundToEven(float64((float32(i)+0.5)*float32(float64(n)/float64(size)) - 0.5)))
		}
		index[i] = int32(min(max(at, 0), float32(n-1)))
	}
	var t taps
	t.add(index, nil)
	return t
}

// places are where the results lie among n elements, computed in float32 as mlx.nn does: a
// rounding decides between neighbours.
func (u *Upsample) places(n int, factor float64) []float32 {
	size := int(factor * float64(n))
	step, start := 1/factor, 0.0
	if u.AlignCorners {
		step = float64(n-1) / float64(max(size-1, 1))
	} else {
		start = (float64(size-1)*step - float64(n) + 1) / 2
	}
	out := make([]float32, size)
	for i := range out {
		out[i] = float32(i)*float32(step) - float32(start)
	}
	return out
}

func floor(x float32) float32 { return float32(math.Floor(float64(x))) }

func (u *Upsample) taps(n int, factor float64) taps {
	at := u.places(n, factor)
	inside := func(x float32) int32 { return int32(min(max(x, 0), float32(n-1))) }
	var t taps
	tap := func(f func(x float32) (place, weight float32)) {
		index, weight := make([]int32, len(at)), make([]float32, len(at))
		for i, x := range at {
			place, w := f(x)
			index[i], weight[i] = inside(place), w
		}
		t.add(index, weight)
	}
	switch {
	case u.Antialias:
		return u.antialiased(n, factor, at)
	case u.Mode == Linearly:
		bound := func(x float32) float32 { return min(max(x, 0), float32(n-1)) }
		tap(func(x float32) (float32, float32) { x = bound(x); return floor(x), 1 - (x - floor(x)) })
		tap(func(x float32) (float32, float32) {
			x = bound(x)
			return float32(math.Ceil(float64(x))), x - floor(x)
		})
	default:
		for _, k := range []float32{0, 1, -1, 2} {
			tap(func(x float32) (float32, float32) {
				place := floor(x) + k
				return place, keysKernel(-0.75, float32(math.Abs(float64(x-place))), k == 0 || k == 1)
			})
		}
	}
	return t
}

// keysKernel is the cubic kernel of Keys 1981 with slope a: near is |x| ≤ 1, and otherwise |x| ≤ 2.
func keysKernel(a, x float32, near bool) float32 {
	if near {
		return ((a+2)*x-(a+3))*x*x + 1
	}
	return (((x-5)*x+8)*x - 4) * a
}

// antialiased widens the kernel by 1/factor where the size falls; taps outside count 0, and the
// weights of a place add up to 1. The cubic kernel's slope is −0.5 there.
func (u *Upsample) antialiased(n int, factor float64, at []float32) taps {
	wide, radius := float32(1), 1.0
	if factor < 1 {
		wide = float32(1 / factor)
	}
	kernel := func(x float32) float32 { return max(1-x, 0) }
	if u.Mode == Cubic {
		radius = 2
		kernel = func(x float32) float32 {
			if x > 2 {
				return 0
			}
			return keysKernel(-0.5, x, x <= 1)
		}
	}
	reach := int(math.Ceil(radius*math.Max(1/factor, 1))) + 1
	sums := make([]float32, len(at))
	var t taps
	for k := 1 - reach; k < reach; k++ {
		index, weight := make([]int32, len(at)), make([]float32, len(at))
		for i, x := range at {
			place := floor(x) + float32(k)
			if place >= 0 && place < float32(n) {
				index[i], weight[i] = int32(place), kernel(float32(math.Abs(float64(x-place)))/wide)
				sums[i] += weight[i]
			}
		}
		t.add(index, weight)
	}
	for _, weight := range t.weight {
		for i, sum := range sums {
			if sum > 0 {
				weight[i] /= sum
			}
		}
	}
	return t
}
