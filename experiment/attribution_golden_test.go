package experiment_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
)

// recordedAttribution is testdata/golden/attribution.json.gz: TransformerLens' logit_attrs and gradients.
type recordedAttribution struct {
	Target int `json:"target"`
	Other  int `json:"other"`
	Models []struct {
		Architecture string                     `json:"architecture"`
		Clean        []int                      `json:"clean"`
		Corrupted    []int                      `json:"corrupted"`
		Difference   float64                    `json:"difference"`
		Components   map[string]float64         `json:"components"` // by its labels: 0_attn_out
		Heads        map[string]float64         `json:"heads"`      // L0H3
		Effects      map[model.Site][][]float64 `json:"effects"`    // by position, of z by head
	} `json:"models"`
}

func readAttribution(t *testing.T) *recordedAttribution {
	t.Helper()
	file := &recordedAttribution{}
	require.NoError(t, golden.Read(modeltest.Path(t, "testdata/golden/attribution.json.gz"), file))
	require.Len(t, file.Models, 3)
	return file
}

func TestAttributionsAreTransformerLens(t *testing.T) {
	t.Parallel()
	golden := readAttribution(t)
	for _, want := range golden.Models {
		m := modeltest.Architecture(t, want.Architecture, nil)
		parts := func(by experiment.Kind) map[string]float64 {
			got, err := experiment.Attribute(context.Background(), m, edit.Input{IDs: want.Clean}, experiment.AttributeOptions{Target: golden.Target, Versus: &golden.Other, By: by})
			require.NoError(t, err)
			require.InDelta(t, want.Difference, float64(got.Whole[0]), 1e-4)
			values := map[string]float64{}
			for _, p := range got.Parts {
				name := string(p.Site)
				switch {
				case p.Head != nil:
					name = fmt.Sprintf("L%dH%d", *p.Layer, *p.Head)
				case p.Layer != nil:
					name = fmt.Sprintf("%d_%s", *p.Layer, p.Site)
				}
				values[name] = float64(p.Values[0])
			}
			return values
		}
		components, heads := parts(experiment.ByComponent), parts(experiment.OfHeads)
		require.GreaterOrEqual(t, len(want.Components), 2*m.Shape().Layers+1)
		for name, x := range want.Components {
			require.Contains(t, components, name)
			require.InDelta(t, x, components[name], 1e-4, "%s of %s", name, want.Architecture)
		}
		require.Len(t, want.Heads, m.Shape().Layers*m.Shape().Heads)
		for name, x := range want.Heads {
			require.Contains(t, heads, name)
			require.InDelta(t, x, heads[name], 1e-4, "%s of %s", name, want.Architecture)
		}
	}
}

func TestEffectsAreTransformerLensGradients(t *testing.T) {
	t.Parallel()
	golden := readAttribution(t)
	for _, want := range golden.Models {
		m := modeltest.Architecture(t, want.Architecture, nil)
		for site, rows := range want.Effects {
			o := experiment.PatchOptions{Question: experiment.Question{Metric: experiment.LogitDiff, Target: golden.Target, Versus: golden.Other}, Sites: []model.Site{site}}
			if site == model.Z {
				o.Columns = experiment.ByHead
			}
			got, err := experiment.Estimate(context.Background(), m, edit.Input{IDs: want.Clean}, edit.Input{IDs: want.Corrupted}, experiment.EstimateOptions{PatchOptions: o})
			require.NoError(t, err)
			require.Len(t, rows, m.Shape().Layers)
			for layer, row := range rows {
				require.Len(t, row, len(got.Effects[site][layer]))
				for column, x := range row {
					require.InDelta(t, x, float64(got.Effects[site][layer][column]), 1e-4, "%s of %s: layer %d, %d", site, want.Architecture, layer, column)
				}
			}
		}
	}
}
