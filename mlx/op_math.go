package mlx

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Element by element: operands of different shapes broadcast as in NumPy, and
// those of different types are promoted as in mlx.core.

// Abs returns |x|. Binds mlx_abs.
func Abs(x *Array) *Array { return unary("abs", capi.Abs, x) }

// Negative returns −x. Binds mlx_negative.
func Negative(x *Array) *Array { return unary("negative", capi.Negative, x) }

// Exp returns eˣ. Binds mlx_exp.
func Exp(x *Array) *Array { return unary("exp", capi.Exp, x) }

// Expm1 returns eˣ − 1. Binds mlx_expm1.
func Expm1(x *Array) *Array { return unary("expm1", capi.Expm1, x) }

// Log returns ln x. Binds mlx_log.
func Log(x *Array) *Array { return unary("log", capi.Log, x) }

// Log1p returns ln(1 + x). Binds mlx_log1p.
func Log1p(x *Array) *Array { return unary("log1p", capi.Log1p, x) }

// Sqrt returns √x. Binds mlx_sqrt.
func Sqrt(x *Array) *Array { return unary("sqrt", capi.Sqrt, x) }

// Rsqrt returns 1/√x. Binds mlx_rsqrt.
func Rsqrt(x *Array) *Array { return unary("rsqrt", capi.Rsqrt, x) }

// Square returns x². Binds mlx_square.
func Square(x *Array) *Array { return unary("square", capi.Square, x) }

// Reciprocal returns 1/x. Binds mlx_reciprocal.
func Reciprocal(x *Array) *Array { return unary("reciprocal", capi.Reciprocal, x) }

// Sin returns sin x, x in radians. Binds mlx_sin.
func Sin(x *Array) *Array { return unary("sin", capi.Sin, x) }

// Cos returns cos x, x in radians. Binds mlx_cos.
func Cos(x *Array) *Array { return unary("cos", capi.Cos, x) }

// Tanh returns tanh x. Binds mlx_tanh.
func Tanh(x *Array) *Array { return unary("tanh", capi.Tanh, x) }

// Sigmoid returns 1/(1 + e⁻ˣ). Binds mlx_sigmoid.
func Sigmoid(x *Array) *Array { return unary("sigmoid", capi.Sigmoid, x) }

// Erf returns the error function 2/√π ∫₀ˣ e^(−t²) dt. Binds mlx_erf.
func Erf(x *Array) *Array { return unary("erf", capi.Erf, x) }

// Floor returns the greatest integer ≤ x. Binds mlx_floor.
func Floor(x *Array) *Array { return unary("floor", capi.Floor, x) }

// Ceil returns the least integer ≥ x. Binds mlx_ceil.
func Ceil(x *Array) *Array { return unary("ceil", capi.Ceil, x) }

// Sign returns −1, 0 or 1 with the sign of x. Binds mlx_sign.
func Sign(x *Array) *Array { return unary("sign", capi.Sign, x) }

// Isnan returns x is not a number. Result: bool. Binds mlx_isnan.
func Isnan(x *Array) *Array { return classified("isnan", capi.Isnan, x) }

// Isinf returns x is +∞ or −∞. Result: bool. Binds mlx_isinf.
func Isinf(x *Array) *Array { return classified("isinf", capi.Isinf, x) }

// LogicalNot returns not x. Result: bool. Binds mlx_logical_not.
func LogicalNot(x *Array) *Array { return unary("logical_not", capi.LogicalNot, x) }

// StopGradient returns x, through which no gradient flows. Binds mlx_stop_gradient.
func StopGradient(x *Array) *Array { return unary("stop_gradient", capi.StopGradient, x) }

// Add returns a + b. Binds mlx_add.
func Add(a, b *Array) *Array { return binary("add", capi.Add, a, b) }

// Subtract returns a − b. Binds mlx_subtract.
func Subtract(a, b *Array) *Array { return binary("subtract", capi.Subtract, a, b) }

// Multiply returns a · b. Binds mlx_multiply.
func Multiply(a, b *Array) *Array { return binary("multiply", capi.Multiply, a, b) }

// Divide returns a / b, in floating point. Binds mlx_divide.
func Divide(a, b *Array) *Array { return binary("divide", capi.Divide, a, b) }

// Power returns aᵇ. Binds mlx_power.
func Power(a, b *Array) *Array { return ofTwo("power", capi.Power, a, b).follows("paired") }

// Maximum returns the larger of a and b, NaN if either is. Binds mlx_maximum.
func Maximum(a, b *Array) *Array { return binary("maximum", capi.Maximum, a, b) }

// Minimum returns the smaller of a and b, NaN if either is. Binds mlx_minimum.
func Minimum(a, b *Array) *Array { return binary("minimum", capi.Minimum, a, b) }

// Logaddexp returns ln(eᵃ + eᵇ). Binds mlx_logaddexp.
func Logaddexp(a, b *Array) *Array { return binary("logaddexp", capi.Logaddexp, a, b) }

// Equal returns a = b. Result: bool. Binds mlx_equal.
func Equal(a, b *Array) *Array { return binary("equal", capi.Equal, a, b) }

// NotEqual returns a ≠ b. Result: bool. Binds mlx_not_equal.
func NotEqual(a, b *Array) *Array { return binary("not_equal", capi.NotEqual, a, b) }

// Less returns a < b. Result: bool. Binds mlx_less.
func Less(a, b *Array) *Array { return binary("less", capi.Less, a, b) }

// LessEqual returns a ≤ b. Result: bool. Binds mlx_less_equal.
func LessEqual(a, b *Array) *Array { return binary("less_equal", capi.LessEqual, a, b) }

// Greater returns a > b. Result: bool. Binds mlx_greater.
func Greater(a, b *Array) *Array { return binary("greater", capi.Greater, a, b) }

// GreaterEqual returns a ≥ b. Result: bool. Binds mlx_greater_equal.
func GreaterEqual(a, b *Array) *Array { return binary("greater_equal", capi.GreaterEqual, a, b) }

// LogicalAnd returns a and b. Result: bool. Binds mlx_logical_and.
func LogicalAnd(a, b *Array) *Array { return binary("logical_and", capi.LogicalAnd, a, b) }

// LogicalOr returns a or b. Result: bool. Binds mlx_logical_or.
func LogicalOr(a, b *Array) *Array { return binary("logical_or", capi.LogicalOr, a, b) }

// Where returns x where condition holds and y elsewhere. The three broadcast.
// Binds mlx_where.
func Where(condition, x, y *Array) *Array {
	const op = "where"
	if bad := required(op, condition, x, y); bad != nil {
		return bad
	}
	return build(op, []*Array{condition, x, y}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Where(res, condition.h, x.h, y.h, s)
	}).follows("broadcast")
}

// AsType converts the elements. Binds mlx_astype.
func AsType(x *Array, d Dtype) *Array {
	const op = "astype"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if !d.valid() {
		return failed(op, ErrDtype, "%v is no data type", d)
	}
	if d == Float64 && x.stream.Device() == GPU {
		return failed(op, ErrDtype, "float64 exists on the cpu only")
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Astype(res, x.h, capi.Dtype(d), s)
	}).follows("same")
}

// ReLU returns max(x, 0), in x's type. Binds mlx_maximum.
func ReLU(x *Array) *Array {
	return withConstant("relu", capi.Maximum, x, 0)
}

// SiLU returns x·σ(x) (Elfwing et al. 2017, arXiv:1702.03118).
func SiLU(x *Array) *Array {
	return Multiply(x, Sigmoid(x))
}

// GELU returns x·Φ(x) = x/2·(1 + erf(x/√2)) (Hendrycks and Gimpel 2016,
// arXiv:1606.08415).
func GELU(x *Array) *Array {
	return Multiply(x, Scale(Shift(Erf(Scale(x, 1/math.Sqrt2)), 1), 0.5))
}

// GELUTanh returns the approximation x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))) of
// GELU that GPT-2 was trained with (its gelu_new).
func GELUTanh(x *Array) *Array {
	cubic := Add(x, Scale(Multiply(x, Square(x)), 0.044715))
	return Multiply(x, Scale(Shift(Tanh(Scale(cubic, math.Sqrt(2/math.Pi))), 1), 0.5))
}
