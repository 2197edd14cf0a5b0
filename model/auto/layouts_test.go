package auto_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model/auto"
)

// mlx-community's files hold what mlx-lm's sanitize makes of the authors'; both are opened.
func TestHuggingFacesLayoutIsTheSameModel(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, name := range modeltest.Sample(t) {
		a := architecture(t, name)
		if a.HF == nil {
			continue
		}
		seen++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, a.WriteHF(dir))
			m := modeltest.Open(t, dir, auto.Options{}).Model
			require.Empty(t, firstDifference(t, m, a.Runs[2], relative))
		})
	}
	require.NotZero(t, seen)
}

// transformers 5 saves the experts of Qwen3-VL's mixtures as it holds them, [expert, out, in]; the
// published files have them transposed.
func TestExpertsThatTransformersSavedAreThePublishedOnes(t *testing.T) {
	t.Parallel()
	a := architecture(t, "qwen3-vl-moe")
	turned := 0
	for i := range a.HF {
		for j := range a.HF[i].Parts {
			if part := &a.HF[i].Parts[j]; part.Permute != nil {
				part.Permute, a.HF[i].Axis = nil, 1
				turned++
			}
		}
	}
	require.NotZero(t, turned)
	dir := t.TempDir()
	require.NoError(t, a.WriteHF(dir))
	m := modeltest.Open(t, dir, auto.Options{}).Model
	require.Empty(t, firstDifference(t, m, a.Runs[2], relative))
}
