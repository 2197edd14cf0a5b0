package experiment_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
)

// A state that is set to a sum of few directions is found to be one, through 4-bit weights, tied ones and
// behind a soft-cap.
func TestAStateIsTheSumThatItWasMadeOf(t *testing.T) {
	t.Parallel()
	for _, m := range []model.Model{modeltest.Tiny(t), modeltest.Architecture(t, "gemma2-sliding", nil)} {
		at := model.Place{Site: model.ResidPost, Layer: 1}
		v, err := lens.Directions(m, nil, at, []int{40, 7, 61})
		require.NoError(t, err)
		d := m.Shape().DModel
		state := make([]float32, d)
		for k := range state {
			state[k] = 3*v.Data[k] + 2*v.Data[d+k] + v.Data[2*d+k]
		}
		in := edit.Input{IDs: []int{1, 2, 3, 4}, Positions: []int{1, -1}, Edits: []edit.Edit{{Place: at, Positions: []int{-1}, Op: edit.Set, Value: edit.Vector(state)}}}
		got, err := experiment.Decompose(context.Background(), m, in, experiment.DecomposeOptions{Places: []model.Place{at}, K: 20})
		require.NoError(t, err)
		require.NoError(t, published(t, "decompose-1").Validate(document(t, got)))
		found, of := got.Cells[0][1], map[int]float64{}
		for _, part := range found.Parts {
			of[part.Token.ID] = part.Coordinate
		}
		require.InDelta(t, 3, of[40], 1e-2)
		require.InDelta(t, 2, of[7], 1e-2)
		require.InDelta(t, 1, of[61], 1e-2)
		require.InDelta(t, 1, float64(found.Explained), 1e-5)
		require.Less(t, float64(found.Error), 1e-2*float64(found.Norm))
		other := got.Cells[0][0]
		require.Less(t, float64(other.Explained), 1.0)
		require.LessOrEqual(t, len(other.Selected), 20)
		require.NotEmpty(t, got.Figure().Grids)
		require.Len(t, got.Arrays(), 7)
	}
}

func TestDecompositionsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	m, at := modeltest.Tiny(t), model.Place{Site: model.ResidPost, Layer: 1}
	in := edit.Input{IDs: []int{1, 2, 3}}
	for says, o := range map[string]experiment.DecomposeOptions{
		"there is no model, or no place":        {},
		"513 tokens of a state: want 1 to 512":  {Places: []model.Place{at}, K: 513},
		"-1 tokens of a state":                  {Places: []model.Place{at}, K: -1},
		"tokens have no direction at final_nor": {Places: []model.Place{{Site: model.FinalNormOut}}},
		"by a matrix of its own, behind a norm": {Places: []model.Place{at}, Lens: lens.Embedding(m)},
		"allow more memory":                     {Places: []model.Place{at}, MaxMemory: 1 << 20},
	} {
		_, err := experiment.Decompose(context.Background(), m, in, o)
		require.ErrorContains(t, err, says)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	_, err := experiment.Decompose(ctx, m, in, experiment.DecomposeOptions{Places: []model.Place{at}})
	require.ErrorIs(t, err, context.Canceled)
}
