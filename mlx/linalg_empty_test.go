package mlx_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// ofEmpty are NumPy's results for matrices without elements, of float32 and by shape: what is not
// there is refused, as NumPy does. Of QR they are those of mode "reduced", LU's of scipy.linalg.lu_factor's
// sizes.
var ofEmpty = map[string]map[string]string{
	"inv":              {"0 0": "[0 0]", "2 0 0": "[2 0 0]", "0 2 2": "[0 2 2]"},
	"tri_inv":          {"0 0": "[0 0]", "2 0 0": "[2 0 0]", "0 2 2": "[0 2 2]"},
	"cholesky":         {"0 0": "[0 0]", "2 0 0": "[2 0 0]", "0 2 2": "[0 2 2]"},
	"cholesky_inv":     {"0 0": "[0 0]", "2 0 0": "[2 0 0]", "0 2 2": "[0 2 2]"},
	"pinv":             {"0 0": "[0 0]", "0 3": "[3 0]", "3 0": "[0 3]", "2 0 3": "[2 3 0]", "2 3 0": "[2 0 3]", "2 0 0": "[2 0 0]", "0 2 2": "[0 2 2]", "0 2 3": "[0 3 2]"},
	"det":              {"0 0": "[] 1", "2 0 0": "[2] 1", "0 2 2": "[0]"},
	"slogdet":          {"0 0": "[] 1 [] 0", "2 0 0": "[2] 1 [2] 0", "0 2 2": "[0] [0]"},
	"solve":            {"0 0": "[0 0]", "2 0 0": "[2 0 0]", "0 2 2": "[0 2 2]"},
	"solve_triangular": {"0 0": "[0 0]", "2 0 0": "[2 0 0]", "0 2 2": "[0 2 2]"},
	"qr": {"0 0": "[0 0] [0 0]", "0 3": "[0 0] [0 3]", "3 0": "[3 0] [0 0]", "2 0 3": "[2 0 0] [2 0 3]", "2 3 0": "[2 3 0] [2 0 0]", "2 0 0": "[2 0 0] [2 0 0]",
		"0 2 2": "[0 2 2] [0 2 2]", "0 2 3": "[0 2 2] [0 2 3]"},
	"svd": {"0 0": "[0 0] [0] [0 0]", "0 3": "[0 0] [0] [3 3] eye", "3 0": "[3 3] eye [0] [0 0]", "2 0 3": "[2 0 0] [2 0] [2 3 3] eye", "2 3 0": "[2 3 3] eye [2 0] [2 0 0]",
		"2 0 0": "[2 0 0] [2 0] [2 0 0]", "0 2 2": "[0 2 2] [0 2] [0 2 2]", "0 2 3": "[0 2 2] [0 2] [0 3 3]"},
	"singular values": {"0 0": "[0]", "0 3": "[0]", "3 0": "[0]", "2 0 3": "[2 0]", "2 3 0": "[2 0]", "2 0 0": "[2 0]", "0 2 2": "[0 2]", "0 2 3": "[0 2]"},
	"lu": {"0 0": "[0] [0 0] [0 0]", "0 3": "[0] [0 0] [0 3]", "3 0": "[3] rows [3 0] [0 0]", "2 0 3": "[2 0] [2 0 0] [2 0 3]", "2 3 0": "[2 3] rows [2 3 0] [2 0 0]",
		"2 0 0": "[2 0] [2 0 0] [2 0 0]", "0 2 2": "[0 2] [0 2 2] [0 2 2]", "0 2 3": "[0 2] [0 2 2] [0 2 3]"},
	"lu_factor": {"0 0": "[0 0] [0]", "0 3": "[0 3] [0]", "3 0": "[3 0] [0]", "2 0 3": "[2 0 3] [2 0]", "2 3 0": "[2 3 0] [2 0]", "2 0 0": "[2 0 0] [2 0]",
		"0 2 2": "[0 2 2] [0 2]", "0 2 3": "[0 2 3] [0 2]"},
	"eig":          {"0 0": "[0] [0 0]", "2 0 0": "[2 0] [2 0 0]", "0 2 2": "[0 2] [0 2 2]"},
	"eigh":         {"0 0": "[0] [0 0]", "2 0 0": "[2 0] [2 0 0]", "0 2 2": "[0 2] [0 2 2]"},
	"eigvals":      {"0 0": "[0]", "2 0 0": "[2 0]", "0 2 2": "[0 2]"},
	"eigvalsh":     {"0 0": "[0]", "2 0 0": "[2 0]", "0 2 2": "[0 2]"},
	"nuclear norm": {"0 0": "[] 0", "0 3": "[] 0", "3 0": "[] 0"},
	"norm 2":       {}, // as in mlx.core; NumPy has 0 since 2.0
	"norm -2":      {},
}

// told writes what ofEmpty says of a result.
func told(t *testing.T, s *mlx.Scope, a *mlx.Array) string {
	t.Helper()
	text := fmt.Sprint(a.Shape())
	if a.Size() == 0 {
		return text
	}
	for name, want := range map[string]*mlx.Array{
		" eye": mlx.Eye(s, mlx.Grid{Rows: 3, Cols: 3}, mlx.Float32), " rows": mlx.Arange(s, 0, 3, 1, mlx.Float32),
		" 1": mlx.Ones(s, mlx.Float32), " 0": mlx.Zeros(s, mlx.Float32),
	} {
		near := mlx.Allclose(mlx.AsType(a, mlx.Float32), want, mlx.Tolerance{})
		if equal, err := mlx.Item[bool](near); err == nil && equal {
			return text + name
		}
	}
	return text + " neither"
}

func TestLinearAlgebraOfNothingIsNumPys(t *testing.T) {
	if !inChild(t) {
		return
	}
	s := scope(t)
	for name, f := range onTheCPU {
		for _, shape := range [][]int{{0, 0}, {0, 3}, {3, 0}, {2, 0, 3}, {2, 3, 0}, {2, 0, 0}, {0, 2, 2}, {0, 2, 3}} {
			if strings.Contains(name, "norm") && len(shape) > 2 {
				continue // its axes are not the last
			}
			fmt.Println(name, shape)
			key := fmt.Sprint(shape)
			want, has := ofEmpty[name][key[1:len(key)-1]]
			got := ""
			for i, a := range f(mlx.Zeros(s, mlx.Float32, shape...)) {
				if !has {
					require.Error(t, a.Err(), "%s of %v", name, shape)
					continue
				}
				require.NoError(t, mlx.Eval(a), "%s of %v", name, shape)
				if i > 0 {
					got += " "
				}
				got += told(t, s, a)
			}
			require.Equal(t, want, got, "%s of %v", name, shape)
			if f(mlx.Eye(s, mlx.Grid{Rows: 3, Cols: 3}, mlx.Int32))[0].Err() != nil {
				require.Error(t, f(mlx.Zeros(s, mlx.Int32, shape...))[0].Err(), "%s of int32%v", name, shape)
			}
		}
	}
	a, none := mlx.Eye(s, mlx.Grid{Rows: 2, Cols: 2}, mlx.Float32), mlx.Zeros(s, mlx.Float32, 2, 0)
	require.Equal(t, "float32[2 0]", mlx.Solve(a, none).String())
	require.Equal(t, "float32[2 0]", mlx.SolveTriangular(a, none, mlx.Upper).String())
	require.NoError(t, mlx.Eval(mlx.Solve(a, none), mlx.SolveTriangular(a, none, mlx.Upper)))
	require.Equal(t, "float32[0]", mlx.Solve(mlx.Zeros(s, mlx.Float32, 0, 0), mlx.Zeros(s, mlx.Float32, 0)).String())
	u, _, _ := mlx.SVD(mlx.Zeros(s, mlx.Float32, 1<<20, 0))
	require.ErrorIs(t, u.Err(), mlx.ErrMemory)
}
