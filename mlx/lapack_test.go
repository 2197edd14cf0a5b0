package mlx_test

import (
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

func only(a *mlx.Array) []*mlx.Array { return []*mlx.Array{a} }

func both(a, b *mlx.Array) []*mlx.Array { return []*mlx.Array{a, b} }

func all(a, b, c *mlx.Array) []*mlx.Array { return []*mlx.Array{a, b, c} }

// What MLX's linalg.cpp refuses on a GPU's stream.
var onTheCPU = map[string]func(a *mlx.Array) []*mlx.Array{
	"inv":              func(a *mlx.Array) []*mlx.Array { return only(mlx.Inv(a)) },
	"tri_inv":          func(a *mlx.Array) []*mlx.Array { return only(mlx.TriInv(a, mlx.Upper)) },
	"pinv":             func(a *mlx.Array) []*mlx.Array { return only(mlx.Pinv(a)) },
	"det":              func(a *mlx.Array) []*mlx.Array { return only(mlx.Det(a)) },
	"slogdet":          func(a *mlx.Array) []*mlx.Array { return both(mlx.Slogdet(a)) },
	"cholesky":         func(a *mlx.Array) []*mlx.Array { return only(mlx.Cholesky(a, mlx.Lower)) },
	"cholesky_inv":     func(a *mlx.Array) []*mlx.Array { return only(mlx.CholeskyInv(a, mlx.Upper)) },
	"solve":            func(a *mlx.Array) []*mlx.Array { return only(mlx.Solve(a, a)) },
	"solve_triangular": func(a *mlx.Array) []*mlx.Array { return only(mlx.SolveTriangular(a, a, mlx.Upper)) },
	"qr":               func(a *mlx.Array) []*mlx.Array { return both(mlx.QR(a)) },
	"svd":              func(a *mlx.Array) []*mlx.Array { return all(mlx.SVD(a)) },
	"singular values":  func(a *mlx.Array) []*mlx.Array { return only(mlx.SingularValues(a)) },
	"lu":               func(a *mlx.Array) []*mlx.Array { return all(mlx.LU(a)) },
	"lu_factor":        func(a *mlx.Array) []*mlx.Array { return both(mlx.LUFactor(a)) },
	"eig":              func(a *mlx.Array) []*mlx.Array { return both(mlx.Eig(a)) },
	"eigvals":          func(a *mlx.Array) []*mlx.Array { return only(mlx.Eigvals(a)) },
	"eigh":             func(a *mlx.Array) []*mlx.Array { return both(mlx.Eigh(a, mlx.Lower)) },
	"eigvalsh":         func(a *mlx.Array) []*mlx.Array { return only(mlx.Eigvalsh(a, mlx.Lower)) },
	"norm 2":           func(a *mlx.Array) []*mlx.Array { return only(mlx.NormOrd(a, 2)) },
	"norm -2":          func(a *mlx.Array) []*mlx.Array { return only(mlx.NormOrd(a, -2, 0, 1)) },
	"nuclear norm":     func(a *mlx.Array) []*mlx.Array { return only(mlx.NormMatrix(a, mlx.Nuclear)) },
}

// A second mlx.CPU stream plays the part of the mlx.GPU.
func TestLinearAlgebraOfAGPUGoesToTheCPUAndComesBack(t *testing.T) {
	require.NoError(t, mlx.Load())
	require.Equal(t, mlx.DefaultStream(mlx.CPU), mlx.ForLAPACK(mlx.DefaultStream(mlx.GPU)))
	gpu, err := mlx.NewStream(mlx.CPU)
	require.NoError(t, err)
	require.Equal(t, gpu, mlx.ForLAPACK(gpu), "a CPU's stream computes it itself")
	s, cpu := gpu.Scope().NewScope(), scope(t)
	defer s.Close()
	asked := 0
	defer mlx.SetForLAPACK(func(s mlx.Stream) mlx.Stream {
		if s == gpu {
			asked++
			return mlx.DefaultStream(mlx.CPU)
		}
		return s
	})()
	data := []float32{4, 1, 0, 1, 3, 1, 0, 1, 2}
	for name, f := range onTheCPU {
		want := f(mlx.FromSlice(cpu, data, 3, 3))
		asked = 0
		got := f(mlx.Exp(mlx.Log(mlx.FromSlice(s, data, 3, 3)))) // something of the GPU's that is not computed yet
		require.Positive(t, asked, name)
		require.Len(t, got, len(want))
		for i, a := range got {
			require.NoError(t, mlx.Eval(a), name)
			require.Equal(t, gpu, a.Stream(), "%s, result %d", name, i)
			require.Equal(t, gpu, mlx.Add(a, a).Stream(), "%s, result %d", name, i)
			near, err := mlx.Item[bool](mlx.All(mlx.Isclose(mlx.Abs(a), mlx.Abs(want[i]), mlx.Tolerance{Relative: 1e-3, Absolute: 1e-4})))
			require.NoError(t, err, name)
			require.True(t, near, "%s, result %d", name, i)
		}
	}
	singular := mlx.FromSlice(s, make([]float32, 9), 3, 3)
	bad := mlx.Add(mlx.Inv(singular), singular)
	require.ErrorContains(t, mlx.Eval(bad), "singular")
	require.Equal(t, gpu, bad.Stream())
	require.NoError(t, mlx.Eval(mlx.Exp(singular)), "and nobody else")
}

// MLX computes what it does not refuse where the operands are.
func TestOtherNormsStayOnTheirStream(t *testing.T) {
	defer mlx.SetForLAPACK(func(s mlx.Stream) mlx.Stream {
		t.Error("a norm that needs no LAPACK")
		return s
	})()
	a := mlx.Ones(scope(t), mlx.Float32, 3, 3)
	require.NoError(t, mlx.Eval(mlx.Norm(a), mlx.NormOrd(a, 1, 0, 1), mlx.NormOrd(a, 2, 0), mlx.NormMatrix(a, mlx.Frobenius), mlx.Cross(a, a, 1)))
}
