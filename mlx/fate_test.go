package mlx_test

import (
	"testing"
	"time"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// The error of a failed evaluation belongs to the arrays that failed, for good, and to no other:
// MLX gives it to whoever evaluates next, and takes the failed arrays for computed.
func TestErrorsOfEvaluationsStickToWhatFailed(t *testing.T) {
	s := scope(t)
	singular := mlx.FromSlice(s, []float32{1, 2, 2, 4}, 2, 2)
	innocent := func() *mlx.Array { return mlx.Exp(mlx.Zeros(s, mlx.Float32, 1)) }
	inverse := func(a []*mlx.Array) []*mlx.Array { return one(mlx.Sum(mlx.Inv(a[0]))) }
	for name, make := range map[string]func() []*mlx.Array{
		"inv":      func() []*mlx.Array { return one(mlx.Inv(singular)) },
		"solve":    func() []*mlx.Array { return one(mlx.Solve(singular, mlx.Ones(s, mlx.Float32, 2))) },
		"computed": func() []*mlx.Array { return one(mlx.Add(mlx.Inv(mlx.Multiply(singular, singular)), singular)) },
		"masked": func() []*mlx.Array {
			return one(mlx.MaskedScatter(singular, mlx.Greater(singular, mlx.Scalar(s, float32(0))), mlx.Ones(s, mlx.Float32, 2)))
		},
		"eig":  func() []*mlx.Array { return two(mlx.Eig(mlx.Divide(singular, mlx.Zeros(s, mlx.Float32)))) },
		"grad": func() []*mlx.Array { return mlx.Grad(inverse)(singular) },
		"vmap": func() []*mlx.Array { return mlx.Vmap(inverse, nil, nil)(one(mlx.Reshape(singular, 1, 2, 2))) },
	} {
		for how, evaluate := range map[string]func(...*mlx.Array) error{"eval": mlx.Eval, "async": mlx.AsyncEval} {
			bad := make()
			dependent := mlx.Add(bad[0], bad[0])
			beside := mlx.Exp(mlx.Scalar(s, float32(0)))
			if err := evaluate(beside, bad[0]); how == "eval" {
				require.Error(t, err, name)
			}
			time.Sleep(time.Millisecond) // an error that nobody waits for comes now
			for range 3 {
				require.Equal(t, []float32{1}, floats(t, innocent()), "%s, %s", name, how)
				require.NoError(t, mlx.AsyncEval(innocent()))
				require.NoError(t, mlx.DefaultStream(mlx.CPU).Synchronize())
			}
			require.Equal(t, []float32{1}, floats(t, beside), "%s, %s", name, how)
			for _, a := range append(bad, dependent, mlx.Sum(bad[0]), s.Hold(bad[0])) {
				require.Error(t, mlx.Eval(a), "%s, %s: %v", name, how, a)
				_, err := a.Format()
				require.Error(t, err)
			}
		}
	}
	// what was held on the way is known to have failed too
	middle := mlx.Inv(singular)
	require.Error(t, mlx.Eval(mlx.Sum(middle)))
	_, err := mlx.Data[float32](middle)
	require.Error(t, err)
	// and what did not fail is fine
	good := mlx.Inv(mlx.FromSlice(s, []float32{2, 0, 0, 2}, 2, 2))
	require.Equal(t, []float32{1}, floats(t, mlx.Sum(good)))
	require.Equal(t, []float32{.5, 0, 0, .5}, floats(t, good))
}

// MLX's text speaks of the inverse that is a part, or the check, of what was asked for.
func TestFailedFactorsNameTheOperationAndTheReason(t *testing.T) {
	s := scope(t)
	infinite := mlx.Divide(mlx.Ones(s, mlx.Float32, 2, 2), mlx.Zeros(s, mlx.Float32))
	zeros := mlx.Zeros(s, mlx.Float32, 2, 2)
	u, _, _ := mlx.SVD(infinite)
	eig, _ := mlx.Eig(infinite)
	eigh, _ := mlx.Eigh(infinite, mlx.Lower)
	summed := func(f func(*mlx.Array) *mlx.Array) mlx.Func {
		return func(a []*mlx.Array) []*mlx.Array { return one(mlx.Sum(f(a[0]))) }
	}
	either := func(a *mlx.Array) *mlx.Array { return mlx.Add(mlx.Inv(a), mlx.Pinv(a)) }
	stacked := mlx.Stack(0, zeros, zeros)
	for text, a := range map[string]*mlx.Array{
		"svd: float32[2 2] holds NaN or ∞":                u,
		"pinv: float32[2 2] holds NaN or ∞":               mlx.Pinv(infinite),
		"eig: float32[2 2] holds NaN or ∞":                eig,
		"eigvals: float32[2 2] holds NaN or ∞":            mlx.Eigvals(infinite),
		"eigh: float32[2 2] holds NaN or ∞":               eigh,
		"eigvalsh: float32[2 2] holds NaN or ∞":           mlx.Eigvalsh(infinite, mlx.Upper),
		"norm: float32[2 2] holds NaN or ∞":               mlx.NormMatrix(infinite, mlx.Nuclear),
		"inv: float32[2 2] is singular":                   mlx.Add(mlx.Inv(zeros), zeros),
		"solve: float32[2 2] is singular":                 mlx.Solve(zeros, zeros),
		"tri_inv: float32[2 2] has a 0 on its diagonal":   mlx.TriInv(zeros, mlx.Lower),
		"svd: float32[2 2 2] holds NaN or ∞":              mlx.SingularValues(mlx.Stack(0, infinite, zeros)),
		"inv: float32[2 2 2] is singular":                 mlx.Inv(stacked),
		"inv: float32[2 2] is singular, or pinv: float32": mlx.Vmap(summed(either), nil, nil)(one(stacked))[0],
	} {
		require.ErrorContains(t, mlx.Eval(a), text)
		require.NotContains(t, mlx.Eval(a).Error(), "Inverse::")
	}
}

func TestFactorsOfVmapAreThoseOfEachMatrix(t *testing.T) {
	s := scope(t)
	x := random(s, 1, -1, 1, 3, 4, 4)
	x = mlx.Add(x, mlx.Swapaxes(x, 1, 2))
	for name, f := range map[string]func(a *mlx.Array) *mlx.Array{
		"svd": mlx.SingularValues, "pinv": mlx.Pinv, "inv": mlx.Inv, "eigvals": mlx.Eigvals,
		"eigh": func(a *mlx.Array) *mlx.Array { return mlx.Eigvalsh(a, mlx.Lower) },
	} {
		mapped := mlx.Vmap(func(a []*mlx.Array) []*mlx.Array { return one(f(a[0])) }, nil, nil)(one(x))[0]
		within(t, mlx.Abs(f(x)), mlx.Abs(mapped), 1e-5, name)
	}
}
