package experiment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
)

// Two facts, of which one has a subject of one token: computed by hand.
func TestAnAverageIsOverFactsByPart(t *testing.T) {
	t.Parallel()
	tracing := func(subject []int, last int, effects ...lens.Number) *experiment.Tracing {
		tr := &experiment.Tracing{
			Run: experiment.Run{Position: last}, Subject: subject, Metric: experiment.Prob, Components: []model.Site{model.MLPOut}, Rows: []int{0},
			Effects: map[model.Site][][]lens.Number{model.MLPOut: {effects}}, Clean: 0.5, Total: 0.25,
		}
		for i := range effects {
			tr.Positions = append(tr.Positions, i)
		}
		return tr
	}
	var sum experiment.Averaging
	require.Nil(t, sum.Average())
	require.NoError(t, sum.Add(tracing([]int{1, 2, 3}, 7, 9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8)))
	require.NoError(t, sum.Add(tracing([]int{0}, 2, 0.5, 0.6, 1)))
	got := sum.Average()
	require.Equal(t, 2, got.Facts)
	require.InDeltaSlice(t, []float64{0.1, 0.2, 0.4, 0.5, 0.6, 0.9}, floats(got.Effects[model.MLPOut][0]), 1e-12)
	require.Equal(t, []int{1, 1, 2, 2, 1, 2}, got.Counts)
	// of 0.3 and 0.5: deviation 0.1414, divided by √2, times 12.7062, Student's t of one degree
	require.InDelta(t, 1.27062, float64(got.Errors[model.MLPOut][0][2]), 1e-5)
	other := tracing([]int{0}, 2, 1, 1, 1)
	other.Metric = experiment.LogProb
	require.ErrorContains(t, sum.Add(other), "have no average")
}

func floats(x []lens.Number) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}
