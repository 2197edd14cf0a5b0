package experiment_test

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
)

// recordedPatching is testdata/golden/smollm2-patching.json: mlxterp's activation_patching.
type recordedPatching struct {
	Pairs []struct {
		Clean     []int                                      `json:"clean_ids"`
		Corrupted []int                                      `json:"corrupted_ids"`
		Baseline  map[experiment.Metric]float64              `json:"baseline"`
		Recovery  map[string]map[experiment.Metric][]float64 `json:"recovery"` // in per cent
	} `json:"pairs"`
}

var mlxterpComponents = map[string]model.Site{"mlp": model.MLPOut, "self_attn": model.AttnOut, "output": model.ResidPost}

// The tolerance, in points, is twice what the file says that two computations of it differ by.
func TestRecoveriesAreMlxterps(t *testing.T) {
	t.Parallel()
	o := modeltest.SmolLM2(t)
	data, err := os.ReadFile(modeltest.Path(t, "testdata/golden/smollm2-patching.json"))
	require.NoError(t, err)
	var golden recordedPatching
	require.NoError(t, json.Unmarshal(data, &golden))
	for i, pair := range golden.Pairs {
		metrics := []experiment.Metric{experiment.L2, experiment.Cosine, experiment.MSE}
		if i > 0 || testing.Short() {
			metrics = metrics[:1]
		}
		for _, metric := range metrics {
			got, err := experiment.Patch(context.Background(), o.Model, edit.Input{IDs: pair.Clean}, edit.Input{IDs: pair.Corrupted}, experiment.PatchOptions{
				Question: experiment.Question{Metric: metric}, Sites: []model.Site{model.MLPOut, model.AttnOut, model.ResidPost}, Columns: experiment.Together,
			})
			require.NoError(t, err)
			require.InEpsilon(t, pair.Baseline[metric], float64(got.Baseline.Corrupted), 1e-4)
			compared := 0
			for component, site := range mlxterpComponents {
				for layer, want := range pair.Recovery[component][metric] {
					require.InDelta(t, want, 100*float64(got.Recovery[site][layer][0]), 0.01, "%s of layer %d, %s", component, layer, metric)
					compared++
				}
			}
			require.GreaterOrEqual(t, compared, 90)
		}
	}
}
