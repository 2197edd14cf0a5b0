package tuned

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
)

// A corpus may begin with a title of one token, whose state is many times as long as others' in many models.
func TestTheSizeOfStatesIsNotThatOfATitle(t *testing.T) {
	m := modeltest.Tiny(t)
	o, err := Recipe("adamw")
	require.NoError(t, err)
	sizes := func(sequences ...[]int) []float64 {
		trainer, err := NewTrainer(m, sequences, o)
		require.NoError(t, err)
		t.Cleanup(trainer.Close)
		of, err := trainer.sizes()
		require.NoError(t, err)
		return of
	}
	long, other := []int{5, 9, 2, 7, 300, 12}, []int{8, 1, 4}
	want := sizes(long, other)
	require.Equal(t, want, sizes([]int{3}, long, other))
	require.NotEqual(t, want, sizes(long), "more than the first sequence counts")
	require.NotEqual(t, want, sizes([]int{3}), "one token is all that there is")
}
