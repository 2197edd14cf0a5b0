package states_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// Rows of a batch that are of other lengths, positions and edits are what each is alone.
func TestCapturesTogetherAreWhatEachIsAlone(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	ps := places(t, m, everywhere(m))
	zero := edit.Edit{Place: model.Place{Site: model.MLPOut, Layer: 0}, Positions: []int{-2}, Op: edit.Zero}
	var inputs []edit.Input
	for n := 12; n <= 15; n++ {
		ids := modeltest.Sixty[n : 2*n]
		inputs = append(inputs, edit.Input{IDs: ids}, edit.Input{IDs: ids, Positions: []int{1, -3}}, edit.Input{IDs: ids, Edits: []edit.Edit{zero}})
	}
	inputs = append(inputs, edit.Input{})
	i := 0
	for set, err := range states.CaptureAll(context.Background(), m, inputs, ps) {
		if i == len(inputs)-1 {
			require.ErrorContains(t, err, "the prompt is empty")
			i++
			continue
		}
		require.NoError(t, err)
		want, err := states.Capture(context.Background(), m, inputs[i], ps)
		require.NoError(t, err)
		require.Equal(t, want.Positions, set.Positions)
		require.Equal(t, want.IDs, set.IDs)
		for j := range want.Arrays {
			require.Equal(t, want.Arrays[j].Shape, set.Arrays[j].Shape, "%d: %s", i, want.Arrays[j].Name)
			require.InDeltaSlice(t, numbers(t, &want.Arrays[j]), numbers(t, &set.Arrays[j]), 1e-4, "%d: %s", i, want.Arrays[j].Name)
		}
		i++
	}
	require.Equal(t, len(inputs), i)
}

func TestMeanIsOverAllPositionsOfAllPrompts(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	place := model.Place{Site: model.Z, Layer: 1}
	inputs := []edit.Input{{IDs: modeltest.Sixty[:9]}, {IDs: modeltest.Sixty[20:27], Positions: []int{0, -1}}}
	v, err := states.Mean(context.Background(), m, inputs, place)
	require.NoError(t, err)
	require.Equal(t, []int{m.Shape().Heads, m.Shape().DHead}, v.Shape)
	want := make([]float64, len(v.Data))
	for _, in := range inputs {
		s, err := states.Capture(context.Background(), m, in, []model.Place{place})
		require.NoError(t, err)
		for i, x := range numbers(t, &s.Arrays[0]) {
			want[i%len(want)] += float64(x) / 11
		}
	}
	for i := range want {
		require.InDelta(t, want[i], v.Data[i], 1e-5)
	}
	_, err = states.Mean(context.Background(), m, inputs, model.Place{Site: model.Pattern})
	require.ErrorContains(t, err, "a number for each key")
}
