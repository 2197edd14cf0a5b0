package auto_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/model/load"
)

// bfloatBound is the bound where both compute in bfloat16, by the same operations but
// for the order inside of activations: two steps of its 8 bits.
const bfloatBound = 1.0 / 64

// What a GPU computes, in the checkpoint's own types, computed on the CPU too. Each kind of device adds up in its own order, so that mlx-lm
// gives other numbers on each: up to 0.06 of the largest logit apart. On a GPU ours may be as far from mlx-lm's as those are from float32's.
func TestStoredTypesGiveMLXLMsBFloat16Numbers(t *testing.T) {
	seen := 0
	for _, name := range modeltest.Every(t) {
		a := architecture(t, name)
		if a.BFloat16 == nil {
			continue
		}
		seen++
		t.Run(a.Name, func(t *testing.T) {
			m := openArchitecture(t, a, auto.Options{AsStored: true, Weights: load.Packed})
			want, bound := a.BFloat16, bfloatBound
			if m.Device() == mlx.GPU {
				if !mlx.CUDAAvailable() {
					t.Skip("mlx-lm's numbers of a Metal GPU are not recorded; `make mac-report` compares with mlx-lm there")
				}
				want, bound = a.CUDA, max(bound, ofRounding(t, a))
			}
			require.Empty(t, firstDifference(t, m, *want, bound))
		})
	}
	require.Equal(t, 3, seen)
}

// ofRounding is how far mlx-lm's numbers of a GPU are from those of float32, as a part of the largest: what rounding to bfloat16 alone does there.
func ofRounding(t *testing.T, a *golden.Architecture) float64 {
	t.Helper()
	exact := a.Runs[1]
	require.Equal(t, exact.IDs, a.CUDA.IDs)
	return modeltest.LogitsApart(narrow(slices.Concat(a.CUDA.Logits...)), exact).Most
}

func narrow(wide []float64) []float32 {
	x := make([]float32, len(wide))
	for i, v := range wide {
		x[i] = float32(v)
	}
	return x
}
