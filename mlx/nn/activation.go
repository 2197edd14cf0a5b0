package nn

import "github.com/mlxlens/mlxlens/mlx"

// Activations keep x's type. Those with constants return the function: nn.ELU(1)(x). ReLU,
// SiLU, GELU, GELUTanh, Sigmoid, Tanh and Softmax are in package mlx.

// ReLU2 returns max(0, x)² (So et al. 2021, arXiv:2109.08668).
func ReLU2(x *mlx.Array) *mlx.Array { return mlx.Square(mlx.ReLU(x)) }

// ReLU6 returns min(max(0, x), 6).
func ReLU6(x *mlx.Array) *mlx.Array { return atMost(mlx.ReLU(x), 6) }

// LeakyReLU returns max(slope·x, x). mlx.nn's slope is 0.01.
func LeakyReLU(slope float64) Func {
	return func(x *mlx.Array) *mlx.Array { return mlx.Maximum(mlx.Scale(x, slope), x) }
}

// ELU returns x above 0 and alpha·(eˣ − 1) elsewhere (Clevert et al. 2015, arXiv:1511.07289).
// mlx.nn's alpha is 1.
func ELU(alpha float64) Func {
	return func(x *mlx.Array) *mlx.Array {
		return mlx.Where(mlx.Greater(x, mlx.Weak(x, 0)), x, mlx.Scale(mlx.Shift(mlx.Exp(x), -1), alpha))
	}
}

// CELU returns max(x, 0) + alpha·(exp(min(x, 0)/alpha) − 1) (Barron 2017, arXiv:1704.07483).
func CELU(alpha float64) Func {
	return func(x *mlx.Array) *mlx.Array {
		low := mlx.Exp(mlx.Divide(atMost(x, 0), mlx.Weak(x, alpha)))
		return mlx.Add(atLeast(x, 0), mlx.Scale(mlx.Shift(low, -1), alpha))
	}
}

// SELU returns 1.0507·ELU(1.67326)(x) (Klambauer et al. 2017, arXiv:1706.02515).
func SELU(x *mlx.Array) *mlx.Array { return mlx.Scale(ELU(1.67326)(x), 1.0507) }

// GELUFast returns x·σ(1.702·x), within 0.02 of GELU (Hendrycks and Gimpel 2016,
// arXiv:1606.08415).
func GELUFast(x *mlx.Array) *mlx.Array {
	return mlx.Multiply(x, mlx.Sigmoid(mlx.Scale(x, 1.702)))
}

// Softplus returns ln(1 + eˣ).
func Softplus(x *mlx.Array) *mlx.Array {
	if bad := wrong(x); bad != nil {
		return bad
	}
	return mlx.Logaddexp(x, mlx.Weak(x, 0))
}

// LogSigmoid returns ln σ(x) = −ln(1 + e⁻ˣ).
func LogSigmoid(x *mlx.Array) *mlx.Array { return mlx.Negative(Softplus(mlx.Negative(x))) }

// Softsign returns x/(1 + |x|).
func Softsign(x *mlx.Array) *mlx.Array { return mlx.Divide(x, mlx.Shift(mlx.Abs(x), 1)) }

// Mish returns x·tanh ln(1 + eˣ) (Misra 2019, arXiv:1908.08681).
func Mish(x *mlx.Array) *mlx.Array { return mlx.Multiply(x, mlx.Tanh(Softplus(x))) }

// Hardswish returns x·min(max(x + 3, 0), 6)/6 (Howard et al. 2019, arXiv:1905.02244).
func Hardswish(x *mlx.Array) *mlx.Array {
	y := mlx.Multiply(x, atMost(atLeast(mlx.Shift(x, 3), 0), 6))
	return mlx.Divide(y, mlx.Weak(y, 6))
}

// HardTanh returns min(max(x, low), high). mlx.nn's bounds are −1 and 1.
func HardTanh(low, high float64) Func {
	return func(x *mlx.Array) *mlx.Array { return atMost(atLeast(x, low), high) }
}

// HardShrink returns x where |x| is above lambda, and 0 elsewhere. mlx.nn's lambda is 0.5.
func HardShrink(lambda float64) Func {
	return func(x *mlx.Array) *mlx.Array {
		return mlx.Where(mlx.Greater(mlx.Abs(x), mlx.Weak(x, lambda)), x, mlx.Weak(x, 0))
	}
}

// Softshrink returns x − lambda·sign x where |x| is above lambda, and 0 elsewhere. mlx.nn's
// lambda is 0.5.
func Softshrink(lambda float64) Func {
	return func(x *mlx.Array) *mlx.Array {
		near := mlx.Subtract(x, mlx.Scale(mlx.Sign(x), lambda))
		return mlx.Where(mlx.Greater(mlx.Abs(x), mlx.Weak(x, lambda)), near, mlx.Weak(x, 0))
	}
}

// StepAt returns 1 where x is threshold or more, and 0 elsewhere, int32 as mlx.nn.step's.
func StepAt(threshold float64) Func {
	return func(x *mlx.Array) *mlx.Array {
		return mlx.AsType(mlx.GreaterEqual(x, mlx.Weak(x, threshold)), mlx.Int32)
	}
}

// Softmin returns exp(−x)/Σ exp(−x) over the last axis.
func Softmin(x *mlx.Array) *mlx.Array { return mlx.Softmax(mlx.Negative(x), -1) }

// LogSoftmax returns x − ln Σ eˣ over the last axis, shifted first so that large x keep their
// differences.
func LogSoftmax(x *mlx.Array) *mlx.Array {
	x = mlx.Subtract(x, mlx.StopGradient(mlx.KeepDims(mlx.Max, x, -1)))
	return mlx.Subtract(x, mlx.KeepDims(mlx.LogSumExp, x, -1))
}

// GLU returns a·σ(b) of the halves a and b of x along axis (Dauphin et al. 2016,
// arXiv:1612.08083).
func GLU(axis int) Func {
	return func(x *mlx.Array) *mlx.Array {
		halves := mlx.Split(x, 2, axis)
		if len(halves) != 2 {
			return halves[0]
		}
		return mlx.Multiply(halves[0], mlx.Sigmoid(halves[1]))
	}
}

// PReLU returns max(0, x) + Weight·min(0, x), the slope learned (He et al. 2015,
// arXiv:1502.01852).
type PReLU struct{ Weight *mlx.Array } // [features] or [1]

// NewPReLU returns slopes of 0.25, as mlx.nn's.
func NewPReLU(keys *Keys, features int) *PReLU {
	return &PReLU{InitConstant(0.25, mlx.Float32)(keys, features)}
}

// Forward returns max(0, x) + Weight·min(0, x).
func (p *PReLU) Forward(x *mlx.Array) *mlx.Array {
	return mlx.Add(atLeast(x, 0), mlx.Multiply(p.Weight, atMost(x, 0)))
}
