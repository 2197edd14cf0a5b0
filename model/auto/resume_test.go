package auto_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/emulated"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// A run taken up behind any block, and behind any position in each row of a fork of the cache, is
// the run.
func TestAPassThatBeginsInTheMiddleIsTheRest(t *testing.T) {
	t.Parallel()
	const rows, before = 3, 23
	for _, name := range emulated.Fewer(modeltest.Sample(t), 2) { // each has passes behind every block
		m := modeltest.Architecture(t, name, nil)
		recorded := modeltest.Recorded(t, name).Runs
		ids := recorded[len(recorded)-1].IDs
		if len(ids) <= before {
			continue
		}
		layers := m.Shape().Layers
		s := mlx.NewScope(m.Device())
		tokens := mlx.FromSlice(s, ids, 1, len(ids))
		whole := m.Stream(tokens, nil, nil, layers)
		cache := model.NewCache(m)
		lengths := &model.Tap{Lengths: []int{len(ids), len(ids), len(ids)}}
		require.NoError(t, m.Stream(mlx.FromSlice(s, ids[:before], 1, before), cache, lengths, layers).Err())
		rest := mlx.Tile(mlx.Slice(tokens, 1, mlx.Between(before, len(ids))), rows, 1)
		for from := range layers {
			h := m.Stream(tokens, nil, nil, from)
			if !m.Shape().Resumable(from) {
				require.ErrorContains(t, m.Resume(h, tokens, nil, nil, from, layers).Err(), "a pass cannot begin behind block")
				continue
			}
			requireClose(t, m.Resume(h, tokens, nil, nil, from, layers), whole, name)
			fork := cache.Fork(rows)
			h = mlx.Tile(mlx.Slice(h, 1, mlx.Between(before, len(ids))), rows, 1, 1)
			last := m.Resume(h, rest, fork, lengths, from, layers)
			for row := range rows {
				requireClose(t, mlx.Slice(last, 0, mlx.Between(row, row+1)), mlx.Slice(whole, 1, mlx.Between(before, len(ids))), name)
			}
			require.Equal(t, len(ids), fork.Len())
			require.Equal(t, before, cache.Len())
			fork.Close()
		}
		cache.Close()
		s.Close()
	}
}

// requireClose wants numbers alike but for the rounding of products of another shape.
func requireClose(t *testing.T, got, want *mlx.Array, name string) {
	t.Helper()
	difference := mlx.Max(mlx.Abs(mlx.Subtract(got, want)))
	largest := mlx.Max(mlx.Abs(want))
	d, err := mlx.Item[float32](mlx.AsType(mlx.Divide(difference, largest), mlx.Float32))
	require.NoError(t, err)
	require.Less(t, d, float32(2e-5), name)
}
