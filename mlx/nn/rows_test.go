package nn_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// Many rows go through the unpacked weight, few through the packed one; both are the layer.
func TestRowsOfAPackedLayerAreThoseOfTheLayer(t *testing.T) {
	t.Parallel()
	scope := mlx.NewScope(mlx.CPU)
	defer scope.Close()
	weight := mlx.Reshape(mlx.Sin(mlx.Arange(scope, 0, 48*64, 1, mlx.Float32)), 48, 64)
	bias := mlx.Arange(scope, 0, 48, 1, mlx.Float32)
	q := mlx.Quantization{GroupSize: 32, Bits: 4}
	w, scales, biases := mlx.Quantize(weight, q)
	l := &nn.Linear{Weight: w, Scales: scales, Biases: biases, Quant: q, Bias: bias}
	for _, rows := range []int{1, 15, 16, 40} {
		x := mlx.Reshape(mlx.Cos(mlx.Arange(scope, 0, float64(rows*64), 1, mlx.Float32)), 1, rows, 64)
		for _, r := range [][2]int{{0, 48}, {8, 24}, {47, 48}} {
			got := l.Rows(x, r[0], r[1])
			require.NoError(t, mlx.Eval(got))
			part := mlx.Between(r[0], r[1])
			want := mlx.Slice(mlx.QuantizedMatmul(x, w, scales, biases, q), -1, part)
			if rows >= 16 {
				want = mlx.MatmulT(x, mlx.Slice(l.Dense(scope, mlx.Float32), 0, part))
			}
			want = mlx.Add(want, mlx.Slice(bias, 0, part))
			require.Equal(t, want.Shape(), got.Shape())
			same, err := mlx.Item[bool](mlx.Allclose(want, got, mlx.Tolerance{Relative: 1e-5, Absolute: 1e-5}))
			require.NoError(t, err)
			require.True(t, same, "%d rows, outputs %v", rows, r)
			exact, err := mlx.Item[bool](mlx.ArrayEqual(want, got, false))
			require.NoError(t, err)
			require.True(t, exact || rows < 16, "%d rows, outputs %v", rows, r)
		}
	}
}
