package modeltest

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Apart is the largest difference of a model's logits [pos·d_vocab] from those of a recorded run, as
// a part of its largest logit. It is NaN if one of them is.
type Apart struct {
	Most          float64
	Position, ID  int
	Logit, Wanted float64
}

// String says where it is.
func (a Apart) String() string {
	return fmt.Sprintf("position %d id %d: logit %v, want %v (%.2g of the largest)", a.Position, a.ID, a.Logit, a.Wanted, a.Most)
}

// LogitsApart compares logits with a recorded run.
func LogitsApart(logits []float32, run golden.LogitRun) Apart {
	vocab, largest := len(logits)/len(run.IDs), 0.0
	for _, row := range run.Logits {
		for _, want := range row {
			largest = max(largest, math.Abs(want))
		}
	}
	most := Apart{}
	for i, row := range run.Logits {
		for id, want := range row {
			got := float64(logits[run.Positions[i]*vocab+id])
			if d := math.Abs(got-want) / largest; !(d <= most.Most) {
				most = Apart{d, run.Positions[i], id, got, want}
			}
			if math.IsNaN(most.Most) {
				return most
			}
		}
	}
	return most
}

// Difference returns the largest difference of a model's logits from those of a recorded run, as a
// part of its largest logit.
func Difference(t testing.TB, m model.Model, run golden.LogitRun) float64 {
	t.Helper()
	s := mlx.NewScope(m.Device())
	defer s.Close()
	logits, err := mlx.Data[float32](mlx.AsType(model.Forward(m, mlx.FromSlice(s, run.IDs, 1, len(run.IDs)), nil, nil), mlx.Float32))
	require.NoError(t, err)
	return LogitsApart(logits, run).Most
}
