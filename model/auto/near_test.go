package auto_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireNear requires that numbers differ by no more than bound. It is require.InDeltaSlice without
// reflection, which takes longer than the models do.
func requireNear(t *testing.T, want, got []float32, bound float64, where ...any) {
	t.Helper()
	require.Len(t, got, len(want), where...)
	for i, x := range want {
		if !(math.Abs(float64(x)-float64(got[i])) <= bound) {
			require.InDelta(t, x, got[i], bound, where...)
		}
	}
}
