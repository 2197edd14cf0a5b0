package modeltest

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Difference returns the largest difference of a model's logits from those of a recorded run, as a
// part of its largest logit.
func Difference(t testing.TB, m model.Model, run golden.LogitRun) float64 {
	t.Helper()
	s := mlx.NewScope(m.Device())
	defer s.Close()
	logits, err := mlx.Data[float32](mlx.AsType(model.Forward(m, mlx.FromSlice(s, run.IDs, 1, len(run.IDs)), nil, nil), mlx.Float32))
	require.NoError(t, err)
	vocab, most, largest := m.Shape().DVocab, 0.0, 0.0
	for i, row := range run.Logits {
		for id, want := range row {
			most = max(most, math.Abs(float64(logits[run.Positions[i]*vocab+id])-want))
			largest = max(largest, math.Abs(want))
		}
	}
	return most / largest
}
