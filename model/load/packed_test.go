package load_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model/load"
)

// loader opens a file of some arrays, of which those with scales are packed as MLX does
// without a config: affine, 4 bits, groups of 64.
func loader(t *testing.T, arrays ...checkpoint.Array) *load.Loader {
	t.Helper()
	require.NoError(t, mlx.Load())
	var file bytes.Buffer
	require.NoError(t, checkpoint.WriteSafetensors(&file, nil, arrays))
	path := filepath.Join(t.TempDir(), "a.safetensors")
	require.NoError(t, os.WriteFile(path, file.Bytes(), 0o600))
	ck, err := checkpoint.OpenFile(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ck.Close()) })
	l, err := load.NewLoader(ck, nil, mlx.CPU, load.Packed, nil, true, nil)
	require.NoError(t, err)
	t.Cleanup(l.Weights().Free)
	return l
}

// packed is a matrix [2, 64] of codes 3 with the scale 0.5 and the bias −1.
func packed(name string) []checkpoint.Array {
	return []checkpoint.Array{
		{Name: name + ".weight", Type: checkpoint.U32, Shape: []int{2, 8}, Bytes: bytes.Repeat([]byte{0x33}, 64)},
		checkpoint.Float32Array(name+".scales", []float32{0.5, 0.5}, 2, 1),
		checkpoint.Float32Array(name+".biases", []float32{-1, -1}, 2, 1),
	}
}

func TestWhatPackedWeightsDoNotAllowIsRefused(t *testing.T) {
	for what, c := range map[string]struct {
		want load.Want
		says string
	}{
		"as they are": {load.Want{}, ""},
		"rows":        {load.Want{Rows: []int{1, 0}}, "its rows in another order"},
		"transposed":  {load.Want{Transposed: true}, "it transposed"},
		"plus one":    {load.Want{PlusOne: true}, "1 added to it"},
	} {
		t.Run(what, func(t *testing.T) {
			l := loader(t, packed("a.matrix")...)
			c.want.Role, c.want.Modules, c.want.Shape = "matrix", []string{"a.matrix"}, []int{2, 64}
			matrix := l.Linear(c.want)
			err := l.Load()
			if c.says == "" {
				require.NoError(t, err)
				require.Equal(t, mlx.Quantization{GroupSize: 64, Bits: 4, Mode: "affine"}, matrix.Quant)
				s := mlx.NewScope(mlx.CPU)
				defer s.Close()
				x, err := mlx.Data[float32](matrix.Dense(s, mlx.Float32))
				require.NoError(t, err)
				require.Len(t, x, 128)
				require.Equal(t, float32(0.5), x[127], "3·0.5 − 1")
				return
			}
			require.ErrorContains(t, err, `tensor "a.matrix.weight" is packed in affine 4-bit group 64, and the model needs `+c.says+", which only plain numbers allow")
			require.Nil(t, matrix.Weight, "nothing is made")
		})
	}
}

func TestOnlyTheGainOfANormGetsOne(t *testing.T) {
	l := loader(t,
		checkpoint.Float32Array("norm.weight", []float32{1, -2}, 2), checkpoint.Float32Array("norm.bias", []float32{5, 6}, 2),
		checkpoint.Float32Array("rms.weight", []float32{7, 8}, 2),
		checkpoint.Float32Array("plain.weight", []float32{1, -2}, 2), checkpoint.Float32Array("plain.bias", []float32{5, 6}, 2),
	)
	l.PlusOne() // of RMS norms
	norm := l.LayerNorm(load.Want{Role: "norm", Modules: []string{"norm"}, Shape: []int{2}, PlusOne: true}, 1e-5)
	plain := l.LayerNorm(load.Want{Role: "plain", Modules: []string{"plain"}, Shape: []int{2}}, 1e-5)
	rms := l.RMSNorm(load.Want{Role: "rms", Modules: []string{"rms"}, Shape: []int{2}}, 1e-5)
	require.NoError(t, l.Load())
	for _, c := range []struct {
		of   *mlx.Array
		want []float32
	}{
		{norm.Weight, []float32{2, -1}}, {norm.Bias, []float32{5, 6}}, {rms.Weight, []float32{8, 9}}, {plain.Weight, []float32{1, -2}}, {plain.Bias, []float32{5, 6}},
	} {
		got, err := mlx.Data[float32](c.of)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
}

// The bias of a linear layer goes with its rows, and is never transposed or shifted.
func TestABiasHasTheOrderOfItsRows(t *testing.T) {
	l := loader(t, checkpoint.Float32Array("m.weight", []float32{1, 2, 3, 4}, 2, 2), checkpoint.Float32Array("m.bias", []float32{5, 6}, 2))
	m := l.Linear(load.Want{Role: "m", Modules: []string{"m"}, Shape: []int{2, 2}, Rows: []int{1, 0}, Bias: true})
	require.NoError(t, l.Load())
	weight, err := mlx.Data[float32](m.Weight)
	require.NoError(t, err)
	require.Equal(t, []float32{3, 4, 1, 2}, weight)
	bias, err := mlx.Data[float32](m.Bias)
	require.NoError(t, err)
	require.Equal(t, []float32{6, 5}, bias)
}
