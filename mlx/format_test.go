package mlx_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// testdata/printed.json is from tools/golden/printed.py: arrays, and how Python's mlx 0.32.2
// prints them.
func TestFormatIsWhatPythonPrints(t *testing.T) {
	s := scope(t)
	file, err := os.Open("testdata/printed.json")
	require.NoError(t, err)
	defer file.Close()
	dtypes := map[string]mlx.Dtype{}
	for d := mlx.Bool; d <= mlx.Complex64; d++ {
		dtypes[d.String()] = d
	}
	count := 0
	for d := json.NewDecoder(file); d.More(); count++ {
		var c struct {
			Name, Dtype, Bytes, Text string
			Shape                    []int
		}
		require.NoError(t, d.Decode(&c))
		data, err := hex.DecodeString(c.Bytes)
		require.NoError(t, err, c.Name)
		text, err := mlx.FromBytes(s, data, dtypes[c.Dtype], c.Shape...).Format()
		require.NoError(t, err, c.Name)
		require.Equal(t, c.Text, text, c.Name)
	}
	require.Greater(t, count, 80)
}

func TestPrintingAnArrayEvaluatesNothing(t *testing.T) {
	s := scope(t)
	x := mlx.Exp(mlx.Ones(s, mlx.Float32, 2, 3))
	for _, verb := range []string{"%v", "%s", "%+v"} {
		require.Equal(t, "float32[2 3]", fmt.Sprintf(verb, x))
	}
	require.Equal(t, "float32[2 3] int8[]\n", fmt.Sprintln(x, mlx.Scalar(s, int8(1))))
	require.False(t, x.Ready())
	wrong := mlx.Add(x, mlx.Ones(s, mlx.Float32, 5))
	require.Contains(t, fmt.Sprint(wrong), "mlx: add: ", "the error is seen")
	_, err := wrong.Format()
	require.ErrorIs(t, err, mlx.ErrShape)
	x.Free()
	require.Contains(t, fmt.Sprint(x), "freed")
	require.NotPanics(t, func() { _ = fmt.Sprint((*mlx.Array)(nil), &mlx.Array{}) })
}
