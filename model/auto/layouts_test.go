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
