package experiment_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// benchPair is two prompts of ten tokens that differ in the fourth.
func benchPair(b *testing.B, m model.Model) (clean, corrupted edit.Input) {
	clean, corrupted = edit.Input{IDs: ids(10, m.Shape().DVocab, 3)}, edit.Input{IDs: ids(10, m.Shape().DVocab, 3)}
	corrupted.IDs[3] = 4649
	return clean, corrupted
}

var benchQuestion = experiment.Question{Metric: experiment.LogitDiff, Target: 7042, Versus: 9}

// Patches of every head, and of every layer and position, of SmolLM2; and the loop of single runs that one
// writes first, which makes a tenth of the heads' patches.
func BenchmarkPatch(b *testing.B) {
	m := modeltest.SmolLM2(b).Model
	clean, corrupted := benchPair(b, m)
	for name, o := range map[string]experiment.PatchOptions{
		"heads":     {Question: benchQuestion, Columns: experiment.ByHead},
		"positions": {Question: benchQuestion, Sites: []model.Site{model.ResidPre}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, err := experiment.Patch(context.Background(), m, clean, corrupted, o)
				require.NoError(b, err)
			}
		})
	}
	b.Run("27 runs", func(b *testing.B) {
		places, err := m.Paths().Places("layers.*.z")
		require.NoError(b, err)
		set, err := states.Capture(context.Background(), m, clean, places)
		require.NoError(b, err)
		for b.Loop() {
			for layer := 0; layer < 30; layer += 10 {
				for head := range 9 {
					v, err := set.Value(places[layer])
					require.NoError(b, err)
					in := corrupted
					in.Edits = []edit.Edit{{Place: places[layer], Heads: []int{head}, Op: edit.Set, Value: v}}
					logits(b, m, in, 9)
				}
			}
		}
	})
}
