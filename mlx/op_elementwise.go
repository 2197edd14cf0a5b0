package mlx

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// More functions element by element: of one operand in its own shape, of two with
// broadcasting. Integers become float32 where the equation is not of integers.

// Arccos returns arccos x in radians, NaN outside [−1, 1]. Binds mlx_arccos.
func Arccos(x *Array) *Array { return unary("arccos", capi.Arccos, x) }

// Arccosh returns the inverse of cosh, NaN below 1. Binds mlx_arccosh.
func Arccosh(x *Array) *Array { return unary("arccosh", capi.Arccosh, x) }

// Arcsin returns arcsin x in radians, NaN outside [−1, 1]. Binds mlx_arcsin.
func Arcsin(x *Array) *Array { return unary("arcsin", capi.Arcsin, x) }

// Arcsinh returns the inverse of sinh. Binds mlx_arcsinh.
func Arcsinh(x *Array) *Array { return unary("arcsinh", capi.Arcsinh, x) }

// Arctan returns arctan x in radians. Binds mlx_arctan.
func Arctan(x *Array) *Array { return unary("arctan", capi.Arctan, x) }

// Arctanh returns the inverse of tanh, NaN outside [−1, 1]. Binds mlx_arctanh.
func Arctanh(x *Array) *Array { return unary("arctanh", capi.Arctanh, x) }

// Cosh returns (eˣ + e⁻ˣ)/2. Binds mlx_cosh.
func Cosh(x *Array) *Array { return unary("cosh", capi.Cosh, x) }

// Sinh returns (eˣ − e⁻ˣ)/2. Binds mlx_sinh.
func Sinh(x *Array) *Array { return unary("sinh", capi.Sinh, x) }

// Tan returns tan x, x in radians. Binds mlx_tan.
func Tan(x *Array) *Array { return unary("tan", capi.Tan, x) }

// Degrees returns x·180/π. Binds mlx_degrees.
func Degrees(x *Array) *Array { return unary("degrees", capi.Degrees, x) }

// Radians returns x·π/180. Binds mlx_radians.
func Radians(x *Array) *Array { return unary("radians", capi.Radians, x) }

// Erfinv returns the inverse of Erf on (−1, 1). Binds mlx_erfinv.
func Erfinv(x *Array) *Array { return unary("erfinv", capi.Erfinv, x) }

// Log2 returns log₂ x. Binds mlx_log2.
func Log2(x *Array) *Array { return unary("log2", capi.Log2, x) }

// Log10 returns log₁₀ x. Binds mlx_log10.
func Log10(x *Array) *Array { return unary("log10", capi.Log10, x) }

// Trunc returns x without its fraction. Binds mlx_trunc.
func Trunc(x *Array) *Array { return unary("trunc", capi.Trunc, x) }

// Positive returns x. Binds mlx_positive.
func Positive(x *Array) *Array { return unary("positive", capi.Positive, x) }

// Copy returns x, computed anew into memory of its own. Binds mlx_copy.
func Copy(x *Array) *Array { return unary("copy", capi.Copy, x) }

// Real returns the real part of x, float32 for complex64. Binds mlx_real.
func Real(x *Array) *Array { return unary("real", capi.Real, x) }

// Imag returns the imaginary part of x, float32 for complex64 and 0 for other types. Binds mlx_imag.
func Imag(x *Array) *Array { return unary("imag", capi.Imag, x) }

// Conjugate returns x with its imaginary part negated. Binds mlx_conjugate.
func Conjugate(x *Array) *Array { return unary("conjugate", capi.Conjugate, x) }

// Isfinite returns x is neither infinite nor NaN. Result: bool. Binds mlx_isfinite.
func Isfinite(x *Array) *Array { return classified("isfinite", capi.Isfinite, x) }

// Isposinf returns x is +∞. Result: bool. Binds mlx_isposinf.
func Isposinf(x *Array) *Array { return classified("isposinf", capi.Isposinf, x) }

// Isneginf returns x is −∞. Result: bool. Binds mlx_isneginf.
func Isneginf(x *Array) *Array { return classified("isneginf", capi.Isneginf, x) }

// Arctan2 returns the angle of the point (b, a), arctan a/b in the right quadrant, in radians. Binds mlx_arctan2.
func Arctan2(a, b *Array) *Array { return binary("arctan2", capi.Arctan2, a, b) }

// LogicalXor returns whether exactly one of a and b is true. Result: bool. Binds mlx_logical_xor.
func LogicalXor(a, b *Array) *Array { return binary("logical_xor", capi.LogicalXor, a, b) }

// BitwiseAnd returns the bits that a and b share, of integers or booleans. Binds mlx_bitwise_and.
func BitwiseAnd(a, b *Array) *Array { return binary("bitwise_and", capi.BitwiseAnd, a, b) }

// BitwiseOr returns the bits of a and of b, of integers or booleans. Binds mlx_bitwise_or.
func BitwiseOr(a, b *Array) *Array { return binary("bitwise_or", capi.BitwiseOr, a, b) }

// BitwiseXor returns the bits that one of a and b has, of integers or booleans. Binds mlx_bitwise_xor.
func BitwiseXor(a, b *Array) *Array { return binary("bitwise_xor", capi.BitwiseXor, a, b) }

// LeftShift returns a·2ᵇ, the bits of a moved up by b, of integers or booleans. Binds mlx_left_shift.
func LeftShift(a, b *Array) *Array { return binary("left_shift", capi.LeftShift, a, b) }

// RightShift returns a/2ᵇ rounded down, the bits of a moved down by b, of integers or booleans. Binds mlx_right_shift.
func RightShift(a, b *Array) *Array { return binary("right_shift", capi.RightShift, a, b) }

// BitwiseInvert returns the bits that x has not, of integers or booleans.
// Binds mlx_bitwise_invert.
func BitwiseInvert(x *Array) *Array { return unary("bitwise_invert", capi.BitwiseInvert, x) }

// FloorDivide returns a/b rounded down, or, of integers, towards 0, as mlx.core does before 0.32.3. Later ones round integers
// down too, and so does this where the library has one of them; Divmod rounds down with any. Division of integers by 0 gives 0,
// and of the least by −1 the least again, as in NumPy; a divisor made from Go data that holds a 0 is an error.
// Binds mlx_floor_divide.
func FloorDivide(a, b *Array) *Array {
	return divide("floor_divide", capi.FloorDivide, a, b, divisor.negated)
}

// Remainder returns a − b·⌊a/b⌋, which has the sign of b. Of integers, b = 0 gives 0, as in
// NumPy; a divisor made from Go data that holds a 0 is an error. Binds mlx_remainder.
func Remainder(a, b *Array) *Array {
	return divide("remainder", capi.Remainder, a, b, divisor.zeros)
}

// Divmod returns ⌊a/b⌋ and a − b·⌊a/b⌋, the quotient rounded down for integers too, where that of
// FloorDivide is not. Divisors that are 0 or −1 are treated as there. Binds mlx_divmod.
func Divmod(a, b *Array) (quotient, remainder *Array) {
	const op = "divmod"
	if bad := required(op, a, b); bad != nil {
		return bad, bad
	}
	d, e := newDivisor(op, a, b)
	if e != nil {
		return &Array{err: e}, &Array{err: e}
	}
	two := buildList(op, []*Array{a, d.safe}, func(res *capi.VectorArray, s capi.Stream) int32 {
		return capi.Divmod(res, a.h, d.safe.h, s)
	})
	q, r := two[0], two[len(two)-1]
	return d.instead(q, divisor.negated, a), d.instead(r, divisor.zeros, a)
}

// negate is Negative, which MLX has for signed types only; where the quotient is of another, no
// divisor is −1.
func negate(a *Array) *Array {
	if d := a.Dtype(); d >= Uint8 && d <= Uint64 || d == Bool {
		return a
	}
	return Negative(a)
}

// divisor is what integers are divided by. Processors raise a signal when it is 0, or when it is
// −1 and the dividend the least number: 1 stands in those places.
type divisor struct {
	safe       *Array
	bad, minus *Array // where it is either, where it is −1; nil when no place needs care
}

func newDivisor(op string, a, b *Array) (divisor, *Error) {
	plain := divisor{safe: b}
	if a.err != nil || b.err != nil || !integral(a.Dtype()) || !integral(b.Dtype()) {
		return plain, nil
	}
	if b.host != nil {
		if b.host.zero {
			return plain, newError(op, ErrIndex, fmt.Sprintf("the divisor %v has a 0, and integers cannot be divided by it", b))
		}
		if !b.host.minusOne {
			return plain, nil
		}
	}
	minus := Equal(b, Full(b.Scope(), -1, Int8))
	if d := b.Dtype(); d >= Uint8 && d <= Uint64 || d == Bool {
		minus = Zeros(b.Scope(), Bool) // the comparison would take the type's greatest for −1
	}
	bad := LogicalOr(Equal(b, Zeros(b.Scope(), b.Dtype())), minus)
	return divisor{Where(bad, Ones(b.Scope(), b.Dtype()), b), bad, minus}, nil
}

// instead returns q with other of the dividend where the divisor was replaced.
func (d divisor) instead(q *Array, other func(d divisor, a *Array) *Array, a *Array) *Array {
	if d.bad == nil || q.err != nil {
		return q
	}
	return Where(d.bad, other(d, AsType(a, q.Dtype())), q)
}

// negated is a/−1, and 0 for a/0.
func (d divisor) negated(a *Array) *Array { return Where(d.minus, negate(a), d.zeros(a)) }

func (d divisor) zeros(a *Array) *Array { return Zeros(a.Scope(), a.Dtype()) }

func divide(op string, f func(*capi.Array, capi.Array, capi.Array, capi.Stream) int32, a, b *Array, other func(divisor, *Array) *Array) *Array {
	if bad := required(op, a, b); bad != nil {
		return bad
	}
	d, e := newDivisor(op, a, b)
	if e != nil {
		return &Array{err: e}
	}
	return d.instead(binary(op, f, a, d.safe), other, a)
}

func integral(d Dtype) bool { return d.IsInteger() || d == Bool }

// Round returns x rounded to a number of decimals, halves to even; a negative number rounds
// to tens, hundreds and so on. Binds mlx_round.
func Round(x *Array, decimals int) *Array {
	const op = "round"
	if bad := required(op, x); bad != nil {
		return bad
	}
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Round(res, x.h, c32(decimals), s)
	}).follows("same")
}

// Clip returns max(lo, min(x, hi)); a bound that is nil is none. The operands broadcast.
// Binds mlx_clip.
func Clip(x, lo, hi *Array) *Array {
	const op = "clip"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if lo == nil && hi == nil {
		return failed(op, ErrShape, "both bounds are nil")
	}
	return build(op, []*Array{x, lo, hi}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Clip(res, x.h, handle(lo), handle(hi), s)
	}).follows("broadcast")
}

// Replacements stand for what is not finite. An infinite PosInf or NegInf is the greatest or
// least finite number of the array's type.
type Replacements struct {
	NaN    float64
	PosInf float64 // of +∞
	NegInf float64 // of −∞
}

// NanToNum returns x with r in place of what is not finite. Binds mlx_nan_to_num.
func NanToNum(x *Array, r Replacements) *Array {
	const op = "nan_to_num"
	if bad := required(op, x); bad != nil {
		return bad
	}
	finite := func(v float64) capi.OptionalFloat {
		return capi.OptionalFloat{Value: float32(v), HasValue: !math.IsInf(v, 0)}
	}
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.NanToNum(res, x.h, float32(r.NaN), finite(r.PosInf), finite(r.NegInf), s)
	}).follows("same")
}

// Tolerance says how far apart close elements may be; Python's are 1e-5 and 1e-8.
type Tolerance struct {
	Relative float64 // to the magnitude of the second operand
	Absolute float64
	EqualNaN bool // two NaN are close
}

// Isclose returns |a − b| ≤ absolute + relative·|b|, true for equal infinities. Result: bool.
// Binds mlx_isclose.
func Isclose(a, b *Array, t Tolerance) *Array {
	const op = "isclose"
	if bad := required(op, a, b); bad != nil {
		return bad
	}
	return build(op, []*Array{a, b}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Isclose(res, a.h, b.h, t.Relative, t.Absolute, t.EqualNaN, s)
	})
}

// Allclose returns whether Isclose holds for every element, a 0-d bool.
// Binds mlx_allclose.
func Allclose(a, b *Array, t Tolerance) *Array {
	const op = "allclose"
	if bad := required(op, a, b); bad != nil {
		return bad
	}
	return build(op, []*Array{a, b}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Allclose(res, a.h, b.h, t.Relative, t.Absolute, t.EqualNaN, s)
	})
}

// ArrayEqual returns whether a and b have one shape and equal elements, a 0-d bool; two NaN
// are equal if equalNaN. Binds mlx_array_equal.
func ArrayEqual(a, b *Array, equalNaN bool) *Array {
	const op = "array_equal"
	if bad := required(op, a, b); bad != nil {
		return bad
	}
	return build(op, []*Array{a, b}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.ArrayEqual(res, a.h, b.h, equalNaN, s)
	})
}

// View returns the bytes of x as elements of another type, without a conversion. The last
// axis grows or shrinks with the sizes of the types, and must divide. As bool, each byte other
// than 0 is true. Binds mlx_view.
func View(x *Array, d Dtype) *Array {
	const op = "view"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if !d.valid() {
		return failed(op, ErrDtype, "%v is no data type", d)
	}
	if d == Bool && x.err == nil && x.Dtype() != Bool {
		// a byte other than 0 and 1 is no bool in Go: in mlx.core it counts as true
		return NotEqual(View(x, Uint8), Zeros(x.Scope(), Uint8))
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.View(res, x.h, capi.Dtype(d), s)
	})
}

// ToFP8 returns x rounded to the 8-bit floats of the mxfp8 format (e4m3), as uint8.
// Binds mlx_to_fp8.
func ToFP8(x *Array) *Array { return unary("to_fp8", capi.ToFp8, x) }

// FromFP8 undoes ToFP8, into a floating type. x: uint8. Binds mlx_from_fp8.
func FromFP8(x *Array, d Dtype) *Array {
	const op = "from_fp8"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if !d.IsFloat() || d == Float64 {
		return failed(op, ErrDtype, "the result cannot be %s (have: float32, float16, bfloat16)", d)
	}
	if x.err == nil && x.Dtype() != Uint8 {
		return failed(op, ErrDtype, "the operand is %s, not uint8", x.Dtype())
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.FromFp8(res, x.h, capi.Dtype(d), s)
	})
}
