package experiment_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
)

// patches is testdata/golden/patching.json.gz: what TransformerLens patches.
type patches struct {
	Target int `json:"target"`
	Other  int `json:"other"`
	Models []struct {
		Architecture string                     `json:"architecture"`
		Clean        []int                      `json:"clean"`
		Corrupted    []int                      `json:"corrupted"`
		Baseline     map[string]float64         `json:"baseline"`
		Values       map[model.Site][][]float64 `json:"values"`
	} `json:"models"`
}

func TestPatchesAreTransformerLensPatches(t *testing.T) {
	t.Parallel()
	var recorded patches
	require.NoError(t, golden.Read(modeltest.Path(t, "testdata/golden/patching.json.gz"), &recorded))
	for _, want := range recorded.Models {
		m := modeltest.Architecture(t, want.Architecture, nil)
		require.Len(t, want.Values, 8)
		for site, rows := range want.Values {
			o := experiment.PatchOptions{
				Question: experiment.Question{Metric: experiment.LogitDiff, Target: recorded.Target, Versus: recorded.Other}, Sites: []model.Site{site},
			}
			if site.Axis(model.Head, model.KVHead) >= 0 {
				o.Columns = experiment.ByHead
			}
			got, err := experiment.Patch(context.Background(), m, edit.Input{IDs: want.Clean}, edit.Input{IDs: want.Corrupted}, o)
			require.NoError(t, err)
			require.InDelta(t, want.Baseline["clean"], float64(got.Baseline.Clean), 1e-4)
			require.InDelta(t, want.Baseline["corrupted"], float64(got.Baseline.Corrupted), 1e-4)
			require.Len(t, got.Values[site], len(rows))
			for layer, row := range rows {
				require.Len(t, got.Values[site][layer], len(row), "%s of %s", site, want.Architecture)
				for column, x := range row {
					require.InDelta(t, x, float64(got.Values[site][layer][column]), 1e-4, "%s of %s, layer %d, column %d", site, want.Architecture, layer, column)
				}
			}
		}
	}
}
