package mlx

import (
	"fmt"
	"math"
	"math/bits"

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
	if limit := uint64(loaded.memoryLimit); limit > 0 && total > limit {
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
	return buildIn(op, s, operands, f)
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
	return create(op, s, shape, d, nil, func(res *capi.Array, _ capi.Stream) int32 {
		*res = capi.ArrayNewData(capi.Data(data), int32s(shape), capi.Dtype(d))
		return 0 // no handle is the failure
	})
}

// boundsOf returns the least and greatest element of 32- and 64-bit integers, the
// types of indices; nil for others.
func boundsOf[T Element](data []T) *bounds {
	b := bounds{math.MaxInt64, math.MinInt64}
	switch xs := any(data).(type) {
	case []int32:
		for _, x := range xs {
			b.lo, b.hi = min(b.lo, int64(x)), max(b.hi, int64(x))
		}
	case []uint32:
		for _, x := range xs {
			b.lo, b.hi = min(b.lo, int64(x)), max(b.hi, int64(x))
		}
	case []int64:
		for _, x := range xs {
			b.lo, b.hi = min(b.lo, x), max(b.hi, x)
		}
	default:
		return nil
	}
	return &b
}

// Scalar returns a 0-d array of one value.
func Scalar[T Element](s *Scope, x T) *Array { return FromSlice(s, []T{x}, []int{}...) }

// Full returns an array of the given shape and type with every element x.
// Binds mlx_full.
func Full(s *Scope, x float64, d Dtype, shape ...int) *Array {
	const op = "full"
	if err := Load(); err != nil {
		return failed(op, ErrLibrary, "%v", err)
	}
	v := Scalar(s, float32(x))
	if s == nil || s.Device() == CPU {
		v = Scalar(s, x)
	}
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
	return create(op, s, []int{int(min(max(n, 0), math.MaxInt32+1))}, d, nil, func(res *capi.Array, st capi.Stream) int32 {
		return capi.Arange(res, start, stop, step, capi.Dtype(d), st)
	})
}
