package experiment

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
)

// States that are too many to be held at once are read in groups of layers and of inputs, with the
// same numbers.
func TestStatesAreReadInGroupsThatFit(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	inputs := []edit.Input{{IDs: modeltest.Sixty[:9], Positions: []int{2, 5}}, {IDs: modeltest.Sixty[3:7]}, {IDs: modeltest.Sixty[1:30]}}
	read := func(most int64) (passes int, states map[[2]int][]float32) {
		r, err := newStateReader(m, "", nil, 0, func(int) string { return "prompt" })
		require.NoError(t, err)
		r.most = most
		groups, err := r.prepare(inputs, 0)
		require.NoError(t, err)
		states = map[[2]int][]float32{}
		for _, layers := range groups {
			require.NoError(t, r.each(context.Background(), layers, inputs, func(i int, x [][]float32) error {
				passes++
				for l, layer := range layers {
					states[[2]int{i, layer}] = x[l]
				}
				return nil
			}))
		}
		return passes, states
	}
	once, want := read(storeBytes)
	require.Equal(t, 3, once)
	require.Len(t, want, 3*m.Shape().Layers)
	passes, got := read(1)
	require.Equal(t, 3*m.Shape().Layers, passes)
	for at, x := range want {
		require.InDeltaSlice(t, x, got[at], 1e-5)
	}
}
