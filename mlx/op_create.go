package mlx

import (
	"fmt"
	"math"
	"math/bits"
	"reflect"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// checkShape refuses what MLX would wrap, crash on or never have memory for.
func checkShape(op string, shape []int, d Dtype) *Error {
	if !d.valid() {
		return newError(op, ErrDtype, fmt.Sprintf("%v is no data type", d))
	}
	total := uint64(d.Size())
	for _, n := range shape {
		if n < 0 || n > math.MaxInt32 {
			return newError(op, ErrShape, fmt.Sprintf("shape %v has an axis of length %d (have: 0 to %d)", shape, n, math.MaxInt32))
		}
		hi, lo := bits.Mul64(total, uint64(n))
		if hi != 0 || lo > math.MaxInt64 {
			return newError(op, ErrShape, fmt.Sprintf("shape %v has more elements than 64 bits count", shape))
		}
		total = lo
	}
	if limit := uint64(loaded.memoryLimit.Load()); limit > 0 && total > limit {
		return newError(op, ErrMemory, fmt.Sprintf("%s%v needs %d bytes, and MLX's memory limit is %d", d, shape, total, limit))
	}
	return nil
}

// numElements may wrap: what uses it compares with a real length, or has checked.
func numElements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// create is buildIn for a creation of a given shape.
func create(op string, s *Scope, shape []int, d Dtype, operands []*Array, f func(*capi.Array, capi.Stream) int32) *Array {
	if err := Load(); err != nil {
		return failed(op, ErrLibrary, "%v", err)
	}
	if e := checkShape(op, shape, d); e != nil {
		return &Array{err: e}
	}
	if s == nil {
		s = On(DefaultDevice())
	}
	if d == Float64 && s.Device() == GPU {
		return failed(op, ErrDtype, "float64 exists on the cpu only")
	}
	most := int64(numElements(shape))
	if most == 0 {
		// MLX would compute what the empty result is made of: 2³¹ rows of nothing are 8 GB
		return buildIn(op, s, none, operands, func(res *capi.Array, st capi.Stream) int32 {
			return capi.Zeros(res, int32s(shape), capi.Dtype(d), st)
		})
	}
	return buildIn(op, s, most, operands, f)
}

// FromSlice returns an array of the given shape with a copy of data, row-major.
// A nil scope leaves it to the collector, on the default device. No shape means
// one axis of len(data). Binds mlx_array_new_data.
func FromSlice[T Element](s *Scope, data []T, shape ...int) *Array {
	const op = "fromslice"
	if shape == nil {
		shape = []int{len(data)}
	}
	d := DtypeOf[T]()
	if n := numElements(shape); n != len(data) {
		return failed(op, ErrShape, "shape %v has %d elements, and the slice %d", shape, n, len(data))
	}
	at := data
	if len(data) == 0 {
		at = make([]T, 1) // MLX takes the address even when there is nothing at it
	}
	a := create(op, s, shape, d, nil, func(res *capi.Array, _ capi.Stream) int32 {
		*res = capi.ArrayNewData(capi.Data(at), int32s(shape), capi.Dtype(d))
		return 0 // no handle is the failure
	})
	evaluated(a)
	a.host = boundsOf(data)
	return a
}

// FromBytes returns an array of the given type and shape with a copy of data, the
// elements' bytes in row-major order and this machine's byte order, at any
// alignment. Binds mlx_array_new_data.
func FromBytes(s *Scope, data []byte, d Dtype, shape ...int) *Array {
	const op = "frombytes"
	if n := numElements(shape) * d.Size(); n != len(data) {
		return failed(op, ErrShape, "%s%v has %d bytes, and the slice %d", d, shape, n, len(data))
	}
	if len(data) == 0 {
		data = make([]byte, 8)
	}
	a := create(op, s, shape, d, nil, func(res *capi.Array, _ capi.Stream) int32 {
		*res = capi.ArrayNewData(capi.Data(data), int32s(shape), capi.Dtype(d))
		return 0 // no handle is the failure
	})
	evaluated(a)
	return a
}

// boundsOf returns what is to be known of integers that may be indices or divisors, and of
// booleans that may be a mask; nil for other types.
func boundsOf[T Element](data []T) *bounds {
	switch xs := any(data).(type) {
	case []bool:
		b := &bounds{}
		for _, x := range xs {
			if x {
				b.trues++
			}
			b.zero = b.zero || !x
		}
		return b
	case []int8:
		return boundsOfIntegers(xs)
	case []uint8:
		return boundsOfIntegers(xs)
	case []int16:
		return boundsOfIntegers(xs)
	case []uint16:
		return boundsOfIntegers(xs)
	case []int32:
		return boundsOfIntegers(xs)
	case []uint32:
		return boundsOfIntegers(xs)
	case []int64:
		return boundsOfIntegers(xs)
	case []uint64:
		return boundsOfIntegers(xs)
	}
	return nil
}

func boundsOfIntegers[T int8 | uint8 | int16 | uint16 | int32 | uint32 | int64 | uint64](xs []T) *bounds {
	b := bounds{lo: math.MaxInt64, hi: math.MinInt64}
	for _, x := range xs {
		v := int64(x)
		if v < 0 && x > 0 {
			v = math.MaxInt64 // a uint64 beyond any place
		}
		b.lo, b.hi = min(b.lo, v), max(b.hi, v)
		b.zero = b.zero || x == 0
		b.minusOne = b.minusOne || v == -1
	}
	return &b
}

// Scalar returns a 0-d array of one value. Binds mlx_array_new_bool, mlx_array_new_int,
// mlx_array_new_float32, mlx_array_new_float64, mlx_array_new_complex; other types
// mlx_array_new_data.
func Scalar[T Element](s *Scope, x T) *Array {
	var h func() capi.Array
	switch v := any(x).(type) {
	case bool:
		h = func() capi.Array { return capi.ArrayNewBool(v) }
	case int32:
		h = func() capi.Array { return capi.ArrayNewInt(v) }
	case float32:
		h = func() capi.Array { return capi.ArrayNewFloat32(v) }
	case float64:
		h = func() capi.Array { return capi.ArrayNewFloat64(v) }
	case complex64:
		h = func() capi.Array { return capi.ArrayNewComplex(real(v), imag(v)) }
	default:
		return FromSlice(s, []T{x}, []int{}...)
	}
	a := create("scalar", s, nil, DtypeOf[T](), nil, func(res *capi.Array, _ capi.Stream) int32 {
		*res = h()
		return 0 // no handle is the failure
	})
	a.host = boundsOf([]T{x})
	return a
}

// Full returns an array of the given shape and type with every element x, converted to the
// type: Full(s, 0.5, Float16, 2, 3), Full(s, 1<<62+1, Int64, 4). Binds mlx_full.
func Full[T Element | int](s *Scope, x T, d Dtype, shape ...int) *Array {
	const op = "full"
	if err := Load(); err != nil {
		return failed(op, ErrLibrary, "%v", err)
	}
	v := valueOf(s, x, d)
	if v.err != nil {
		return v
	}
	if s.owns() {
		defer v.Free()
	}
	return create(op, s, shape, d, []*Array{v}, func(res *capi.Array, st capi.Stream) int32 {
		return capi.Full(res, int32s(shape), v.h, capi.Dtype(d), st)
	})
}

// valueOf is x as a 0-d array that a conversion to d loses least of.
func valueOf[T Element | int](s *Scope, x T, d Dtype) *Array {
	switch x := any(x).(type) {
	case Half:
		return Scalar(s, x)
	case Brain:
		return Scalar(s, x)
	}
	v := reflect.ValueOf(x)
	switch {
	case v.CanInt():
		return Scalar(s, v.Int())
	case v.CanUint():
		return Scalar(s, v.Uint())
	case v.CanComplex():
		return Scalar(s, complex64(v.Complex()))
	case !v.CanFloat():
		return Scalar(s, v.Bool())
	}
	f := v.Float()
	switch whole := d.IsInteger() && f == math.Trunc(f); {
	case whole && f >= 1<<63 && f < 1<<64:
		return Scalar(s, uint64(f)) // what the processor makes of it is its own choice
	case whole && math.Abs(f) <= 1<<62:
		return Scalar(s, int64(f))
	case s.Device() == GPU:
		return Scalar(s, float32(f)) // it has no float64
	}
	return Scalar(s, f)
}

// Zeros returns an array of zeros. Binds mlx_zeros.
func Zeros(s *Scope, d Dtype, shape ...int) *Array {
	return create("zeros", s, shape, d, nil, func(res *capi.Array, st capi.Stream) int32 {
		return capi.Zeros(res, int32s(shape), capi.Dtype(d), st)
	})
}

// Ones returns an array of ones. Binds mlx_ones.
func Ones(s *Scope, d Dtype, shape ...int) *Array {
	return create("ones", s, shape, d, nil, func(res *capi.Array, st capi.Stream) int32 {
		return capi.Ones(res, int32s(shape), capi.Dtype(d), st)
	})
}

// Arange returns start, start+step, … below stop (above it, for a negative step).
// Binds mlx_arange.
func Arange(s *Scope, start, stop, step float64, d Dtype) *Array {
	const op = "arange"
	n := math.Ceil((stop - start) / step)
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return failed(op, ErrShape, "from %v to %v by %v is no finite range", start, stop, step)
	}
	return create(op, s, []int{int(min(max(n, 0), 1<<62))}, d, nil, func(res *capi.Array, st capi.Stream) int32 {
		return capi.Arange(res, start, stop, step, capi.Dtype(d), st)
	})
}

// Linspace returns num numbers from start to stop at equal distances; without endpoint, stop
// is not among them. Binds mlx_linspace, mlx_linspace_endpoint.
func Linspace(s *Scope, start, stop float64, num int, endpoint bool, d Dtype) *Array {
	const op = "linspace"
	if num < 0 {
		return failed(op, ErrShape, "%d numbers (have: 0 and more)", num)
	}
	return create(op, s, []int{num}, d, nil, func(res *capi.Array, st capi.Stream) int32 {
		if endpoint {
			return capi.Linspace(res, start, stop, c32(num), capi.Dtype(d), st)
		}
		return capi.LinspaceEndpoint(res, start, stop, c32(num), false, capi.Dtype(d), st)
	})
}

// Grid is the shape of a matrix, and one of its diagonals: Offset 0 goes through [0, 0], a positive one
// lies above.
type Grid struct {
	Rows, Cols int
	Offset     int
}

// Eye returns [Rows, Cols] with ones on the diagonal and zeros elsewhere. Binds mlx_eye.
func Eye(s *Scope, g Grid, d Dtype) *Array { return onGrid("eye", capi.Eye, s, g, d) }

func onGrid(op string, f func(*capi.Array, int32, int32, int32, capi.Dtype, capi.Stream) int32, s *Scope, g Grid, d Dtype) *Array {
	return create(op, s, []int{g.Rows, g.Cols}, d, nil, func(res *capi.Array, st capi.Stream) int32 {
		return f(res, c32(g.Rows), c32(g.Cols), offset32(g.Offset, g.Rows, g.Cols), capi.Dtype(d), st)
	})
}

// Identity returns the unit matrix [n, n]. Binds mlx_identity.
func Identity(s *Scope, n int, d Dtype) *Array {
	return create("identity", s, []int{n, n}, d, nil, func(res *capi.Array, st capi.Stream) int32 {
		return capi.Identity(res, c32(n), capi.Dtype(d), st)
	})
}

// Tri returns [Rows, Cols] with ones on and below the diagonal and zeros above.
// Binds mlx_tri.
func Tri(s *Scope, g Grid, d Dtype) *Array { return onGrid("tri", capi.Tri, s, g, d) }

// Hanning returns the window 1/2 − 1/2·cos 2πi/(m−1), i from 0 to m−1, float32.
// Binds mlx_hanning.
func Hanning(s *Scope, m int) *Array { return window("hanning", capi.Hanning, s, m) }

// Hamming returns the window 0.54 − 0.46·cos 2πi/(m−1), i from 0 to m−1, float32.
// Binds mlx_hamming.
func Hamming(s *Scope, m int) *Array { return window("hamming", capi.Hamming, s, m) }

// Blackman returns the window 0.42 − 0.5·cos 2πi/(m−1) + 0.08·cos 4πi/(m−1), i from 0 to
// m−1, float32. Binds mlx_blackman.
func Blackman(s *Scope, m int) *Array { return window("blackman", capi.Blackman, s, m) }

// Bartlett returns the window 1 − |2i/(m−1) − 1|, i from 0 to m−1, float32.
// Binds mlx_bartlett.
func Bartlett(s *Scope, m int) *Array { return window("bartlett", capi.Bartlett, s, m) }

func window(op string, f func(*capi.Array, int32, capi.Stream) int32, s *Scope, m int) *Array {
	if m < 0 {
		return failed(op, ErrShape, "%d elements (have: 0 and more)", m)
	}
	return create(op, s, []int{m}, Float32, nil, func(res *capi.Array, st capi.Stream) int32 {
		return f(res, c32(m), st)
	})
}

// ZerosLike returns zeros in x's shape, of x's type or the one given.
// Binds mlx_zeros_like, mlx_zeros_like_dtype.
func ZerosLike(x *Array, d ...Dtype) *Array {
	return like("zeros_like", capi.ZerosLike, capi.ZerosLikeDtype, x, d).madeOf()
}

// OnesLike returns ones in x's shape, of x's type or the one given.
// Binds mlx_ones_like, mlx_ones_like_dtype.
func OnesLike(x *Array, d ...Dtype) *Array {
	return like("ones_like", capi.OnesLike, capi.OnesLikeDtype, x, d).madeOf()
}

func like(op string, f sortAll, typed func(*capi.Array, capi.Array, capi.Dtype, capi.Stream) int32, x *Array, d []Dtype) *Array {
	if len(d) == 0 {
		return unary(op, f, x)
	}
	if bad := required(op, x); bad != nil {
		return bad
	}
	if len(d) > 1 || !d[0].valid() {
		return failed(op, ErrDtype, "%v is not one data type", d)
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return typed(res, x.h, capi.Dtype(d[0]), s)
	}).follows("same")
}

// FullLike returns x's shape filled with v converted to a type. Binds mlx_full_like.
func FullLike(x, v *Array, d Dtype) *Array {
	const op = "full_like"
	if bad := required(op, x, v); bad != nil {
		return bad
	}
	if !d.valid() {
		return failed(op, ErrDtype, "%v is no data type", d)
	}
	return build(op, []*Array{x, v}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.FullLike(res, x.h, v.h, capi.Dtype(d), s)
	}).madeOf(v).follows("broadcast")
}
