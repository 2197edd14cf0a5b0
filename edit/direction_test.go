package edit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
)

func TestWhatIsNotMeasuredIsRefusedBeforeItRuns(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	for _, text := range []string{"layers.1.resid_post=steer:ones*2", "layers.1.resid_post=swap-clamped:pair"} {
		e := parse(t, m, text, 6)
		require.False(t, e.Measured())
		_, err := edit.NewBatch(m, edit.Input{IDs: []int{1, 2, 3}, Edits: []edit.Edit{e}})
		require.ErrorContains(t, err, "needs a measure of the prompt first: states.Measure")
	}
	live := parse(t, m, "layers.1.resid_post=swap:pair", 6)
	require.True(t, live.Measured())
}

// Rows of a batch have directions, factors and clean runs of their own.
func TestRowsAreEditedAlongDirectionsOfTheirOwn(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	at := model.Place{Site: model.ResidPost, Layer: 1}
	d := m.Shape().DModel
	input := func(ids []int, text string, factor float64) edit.Input {
		e := parse(t, m, "layers.1.resid_post="+text, len(ids))
		e.Factor, e.Norm = factor, 3
		clean := filled(len(ids)*d, 0.5)
		for i := range clean {
			clean[i] += float32(i%5) * float32(factor)
		}
		positions, err := model.Indices(nil, len(ids), "position")
		require.NoError(t, err)
		e.Clean = edit.Value{Shape: []int{len(ids), d}, Data: clean, Positions: positions}
		return edit.Input{IDs: ids, Edits: []edit.Edit{e}}
	}
	inputs := []edit.Input{
		input([]int{1, 2, 3, 4}, "swap:pair", 1), input([]int{5, 6, 7, 8}, "swap-clamped:pair", 0.5), input([]int{5, 6, 7, 8}, "swap-clamped:pair", 1),
		input([]int{9, 1, 3, 2}, "steer:ones", 2), input([]int{9, 1, 3, 2}, "swap:pair", 1), input([]int{9, 1, 3, 2}, "swap:pair", 2), {IDs: []int{4, 4, 2, 1}},
	}
	together, shape := passing(t, m, at, inputs...)
	require.Equal(t, []int{len(inputs), 4, d}, shape)
	for i, in := range inputs {
		alone, _ := passing(t, m, at, in)
		for j, x := range alone {
			require.InDelta(t, x, together[i*4*d+j], 1e-4, "row %d", i)
		}
	}
}

func TestASwapOfNearlyParallelDirectionsIsToldOf(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	e := parse(t, m, "layers.1.resid_post=swap:near", 6)
	require.Contains(t, e.Caution(), "nearly parallel (|cos| 0.9959)")
	e = parse(t, m, "layers.1.resid_post=swap:pair", 6)
	require.Empty(t, e.Caution())
	e = parse(t, m, "layers.1.resid_post=zero", 6)
	require.Empty(t, e.Caution())
}
