package mlx

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Number is a number of Go, or a truth value, that stands beside an array as Python's does. What
// an untyped constant is depends on how it is written, as in Python: 2 is an int, 2.0 a
// float64, 2i a complex128.
type Number interface {
	bool | int | float64 | complex128
}

// Weak returns c as a 0-d array that widens an operation with x no more than a Python number
// beside an array does:
//
//	an int         of x's type; int32 beside booleans
//	a float64      of x's type where that is floating or complex; float32 beside integers and booleans
//	a complex128   complex64
//	a bool         bool, which widens nothing
//
// It is in x's scope:
//
//	y := mlx.Subtract(mlx.Weak(x, 1), x)      // 1 − x, of x's type: bfloat16, int8
//	y := mlx.Power(x, mlx.Weak(x, 0.5))       // √x, float32 where x holds integers
//
// An int that x's integer type does not hold is an error; mlx.core says so of all but uint64 and
// bool, where it lets the bits wrap. Scalar is what it is whatever stands beside it:
// Scalar(s, 2.0) is float64.
func Weak[C Number](x *Array, c C) *Array {
	const op = "weak"
	if bad := required(op, x); bad != nil {
		return bad
	}
	k, e := beside(op, x, c)
	if e != nil {
		return &Array{err: e}
	}
	r := buildIn(op, nil, 1, []*Array{x}, func(res *capi.Array, _ capi.Stream) int32 {
		*res = k.handle()
		return 0 // no handle is the failure
	}).madeOf()
	evaluated(r)
	switch {
	case k.dtype == Bool:
		r.host = boundsOf([]bool{k.whole != 0})
	case k.dtype.IsInteger():
		r.host = boundsOf([]int64{k.whole})
	}
	return r
}

// Scale returns x·c, of the type that [Weak] tells: a 16-bit x stays so, and integers do beside
// an int. Binds mlx_multiply.
func Scale[C Number](x *Array, c C) *Array {
	return withConstant("scale", capi.Multiply, x, c)
}

// Shift returns x + c, of the type that [Weak] tells. Binds mlx_add.
func Shift[C Number](x *Array, c C) *Array {
	return withConstant("shift", capi.Add, x, c)
}

func withConstant[C Number](op string, f func(*capi.Array, capi.Array, capi.Array, capi.Stream) int32, x *Array, c C) *Array {
	if bad := required(op, x); bad != nil {
		return bad
	}
	k, e := beside(op, x, c)
	if e != nil {
		return &Array{err: e}
	}
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		scalar := k.handle()
		status := f(res, x.h, scalar, s)
		freeTemporary(scalar)
		return status
	}).follows("same")
}

// constant is a number and the type that it gets.
type constant struct {
	dtype Dtype
	whole int64
	real  float64
	imag  float64
}

// beside returns c of the type that it has beside x.
func beside[C Number](op string, x *Array, c C) (k constant, e *Error) {
	if x.err != nil {
		return k, x.err
	}
	d := x.Dtype()
	switch c := any(c).(type) {
	case bool:
		k.dtype = Bool
		if c {
			k.whole = 1
		}
		return k, nil
	case complex128:
		return constant{dtype: Complex64, real: real(c), imag: imag(c)}, nil
	case float64:
		if d.IsInteger() || d == Bool {
			d = Float32
		}
		return constant{dtype: d, real: c}, nil
	case int:
		if d == Bool {
			d = Int32
		}
		if lo, hi := d.integers(); d.IsInteger() && (int64(c) < lo || c > 0 && uint64(c) > hi) {
			return k, newError(op, ErrDtype, fmt.Sprintf("%d beside %s: %s holds %d to %d (convert the array with AsType first)", c, x, d, lo, hi))
		}
		k = constant{dtype: d, whole: int64(c), real: float64(c)}
	}
	return k, nil
}

// integers returns the least and the greatest number of an integer type.
func (d Dtype) integers() (lo int64, hi uint64) {
	bits := 8 * d.Size()
	if d >= Int8 {
		return math.MinInt64 >> (64 - bits), math.MaxInt64 >> (64 - bits)
	}
	return 0, math.MaxUint64 >> (64 - bits)
}

// handle makes the 0-d array: of its type from the start, so that no conversion is computed.
func (k constant) handle() capi.Array {
	switch k.dtype {
	case Bool:
		return capi.ArrayNewBool(k.whole != 0)
	case Uint8:
		return zeroD(uint8(k.whole))
	case Uint16:
		return zeroD(uint16(k.whole))
	case Uint32:
		return zeroD(uint32(k.whole))
	case Uint64:
		return zeroD(uint64(k.whole))
	case Int8:
		return zeroD(int8(k.whole))
	case Int16:
		return zeroD(int16(k.whole))
	case Int32:
		return capi.ArrayNewInt(int32(k.whole))
	case Int64:
		return zeroD(k.whole)
	case Float16:
		return zeroD(HalfOf(float32(k.real)))
	case BFloat16:
		return zeroD(BrainOf(float32(k.real)))
	case Float64:
		return capi.ArrayNewFloat64(k.real)
	case Complex64:
		return capi.ArrayNewComplex(float32(k.real), float32(k.imag))
	}
	return capi.ArrayNewFloat32(float32(k.real))
}

func zeroD[T Element](x T) capi.Array {
	return capi.ArrayNewData(capi.Data([]T{x}), nil, capi.Dtype(DtypeOf[T]()))
}
