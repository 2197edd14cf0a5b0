package main

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// The losses are Python's (transformer_lm.py), from the same seed. Both do the same steps in
// float32; what differs is the order of a few sums (Linear adds its bias behind the product,
// mlx.nn within it), and training multiplies that: Python against itself with one matrix
// changed by a unit in the last place differs by 7e-7 in 40 steps and 1.6e-4 in 120. The first
// steps tell whether the arithmetic is the same, the rest whether it stays so.
func TestTheLossCurveIsPythons(t *testing.T) {
	raw, err := os.ReadFile("testdata/losses.json")
	require.NoError(t, err)
	var want []float64
	require.NoError(t, json.Unmarshal(raw, &want))
	losses, err := train(mlx.On(mlx.CPU))
	require.NoError(t, err)
	require.Len(t, losses, len(want))
	early, late := 0.0, 0.0
	for step, loss := range losses {
		d := math.Abs(want[step] - float64(loss))
		if step < 40 {
			early = max(early, d)
		}
		late = max(late, d)
	}
	t.Logf("the largest difference is %.2g in the first 40 steps, %.2g in all", early, late)
	require.Less(t, early, 1e-5)
	require.Less(t, late, 5e-3)
	require.Less(t, want[len(want)-1], want[0]/1.5, "it learns")
}
