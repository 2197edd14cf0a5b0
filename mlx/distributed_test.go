package mlx_test

import (
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

func TestAGroupOfOneComputesAlone(t *testing.T) {
	g, err := mlx.InitDistributed(t.Context(), mlx.AnyBackend, false)
	require.NoError(t, err)
	require.Equal(t, 0, g.Rank())
	require.Equal(t, 1, g.Size())
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2})
	for name, y := range map[string]*mlx.Array{"all_sum": g.AllSum(x), "all_max": g.AllMax(x), "all_min": g.AllMin(x), "all_gather": g.AllGather(x), "sum_scatter": g.SumScatter(x)} {
		near(t, []float32{1, 2}, y, name)
	}
	for name, y := range map[string]*mlx.Array{"send": g.Send(x, 1), "recv": g.Recv(s, 0, mlx.Float32, 2), "recv like": g.RecvLike(x, -1)} {
		require.ErrorIs(t, y.Err(), mlx.ErrIndex, name)
	}
	_, err = mlx.InitDistributed(t.Context(), "%s", false)
	require.Error(t, err)
	require.False(t, mlx.Backend("none").Available())
}
