package sparse_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/sparse"
	"github.com/mlxlens/mlxlens/mlx"
)

func TestAFeaturesRowIsTheLensOfItsDirection(t *testing.T) {
	m := modeltest.Tiny(t)
	a, err := sparse.Open(recorded + "tiny-llama-b")
	require.NoError(t, err)
	e, err := a.On(m, sparse.Options{})
	require.NoError(t, err)
	defer e.Close()
	whole, err := e.Reader()
	require.NoError(t, err)
	scope := mlx.NewScope(m.Device())
	defer scope.Close()
	h := make([]float32, 3*e.DIn)
	for i := range h {
		h[i] = float32(i%11) - 5
	}
	x := mlx.FromSlice(scope, h, 3, e.DIn)
	acts, err := mlx.Data[float32](e.Encode(x))
	require.NoError(t, err)
	sum := e.Decode(mlx.ZerosLike(e.Encode(x)), x)
	for f := range e.Features {
		one, err := e.Feature(f)
		require.NoError(t, err)
		part := one.Translate(e.In, x)
		sum = mlx.Add(sum, part)
		got, err := mlx.Data[float32](part)
		require.NoError(t, err)
		row, err := a.Direction(f)
		require.NoError(t, err)
		for i := range 3 {
			for k, d := range row {
				require.InDelta(t, acts[i*e.Features+f]*d, got[i*e.DIn+k], 1e-4, "feature %d", f)
			}
		}
	}
	want, err := mlx.Data[float32](whole.Translate(e.In, x))
	require.NoError(t, err)
	got, err := mlx.Data[float32](sum)
	require.NoError(t, err)
	for i := range want {
		require.InDelta(t, want[i], got[i], 1e-3)
	}

	seven, err := e.Feature(7)
	require.NoError(t, err)
	g, err := lens.Run(context.Background(), m, edit.Input{IDs: []int{30, 7, 500}}, lens.Options{Beside: []lens.Translator{whole, seven}})
	require.NoError(t, err)
	require.Equal(t, []string{"layers.0.resid_post", "layers.1.resid_post", "layers.1.resid_post (sparse)", "layers.1.resid_post (sparse #7)", "layers.2.resid_post"}, g.Rows)
	_, err = e.Feature(24)
	require.ErrorContains(t, err, "feature 24: there are 24 (0–23)")
}

func TestADictionaryOfNoRowHasNoReader(t *testing.T) {
	m := modeltest.Tiny(t)
	for says, o := range map[string]sparse.Options{
		"no row is of both":    {Out: "layers.2.mlp_out"},
		"which no row is of (": {In: "layers.1.resid_pre"},
	} {
		a, err := sparse.Open(recorded + "tiny-llama-b")
		require.NoError(t, err)
		e, err := a.On(m, o)
		require.NoError(t, err)
		_, err = e.Reader()
		require.ErrorContains(t, err, says)
		e.Close()
	}
}
