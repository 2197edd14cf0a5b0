package experiment_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
)

// recordedEdges is testdata/golden/edges.json.gz: edges by TransformerLens' hooks, inputs by captum.
type recordedEdges struct {
	Target   int `json:"target"`
	Other    int `json:"other"`
	Steps    int `json:"steps"`
	Baseline int `json:"baseline"`
	Models   []struct {
		Architecture string             `json:"architecture"`
		Clean        []int              `json:"clean"`
		Corrupted    []int              `json:"corrupted"`
		EAP          map[string]float64 `json:"eap"` // by its ends: layers.0.mlp_out → logits
		EAPIG        map[string]float64 `json:"eap_ig"`
		InputXGrad   []float64          `json:"input_x_gradient"`
		FromZero     []float64          `json:"integrated_gradients_zero"`
		FromToken    []float64          `json:"integrated_gradients_token"`
	} `json:"models"`
}

func readEdges(t *testing.T) *recordedEdges {
	t.Helper()
	file := &recordedEdges{}
	require.NoError(t, golden.Read(modeltest.Path(t, "testdata/golden/edges.json.gz"), file))
	require.Len(t, file.Models, 3)
	return file
}

func TestEdgesAreThoseOfTransformerLensHooks(t *testing.T) {
	t.Parallel()
	golden := readEdges(t)
	for _, want := range golden.Models {
		m := modeltest.Architecture(t, want.Architecture, nil)
		for method, scores := range map[experiment.Method]map[string]float64{experiment.AtGradient: want.EAP, experiment.IntegratedGradients: want.EAPIG} {
			o := experiment.EdgeOptions{Question: experiment.Question{Metric: experiment.LogitDiff, Target: golden.Target, Versus: golden.Other}, Method: method, Top: len(scores) + 1}
			if method == experiment.IntegratedGradients {
				o.Steps = golden.Steps
			}
			got, err := experiment.AttributeEdges(context.Background(), m, edit.Input{IDs: want.Clean}, edit.Input{IDs: want.Corrupted}, o)
			require.NoError(t, err)
			require.Len(t, got.Edges, len(scores), want.Architecture)
			for _, e := range got.Edges {
				name := e.From + " → " + e.To
				require.Contains(t, scores, name)
				require.InDelta(t, scores[name], float64(e.Score), 1e-4, "%s of %s by %s", name, want.Architecture, method)
			}
		}
	}
}

func TestAttributionsToTokensAreCaptums(t *testing.T) {
	t.Parallel()
	golden := readEdges(t)
	q := experiment.Question{Metric: experiment.LogitDiff, Target: golden.Target, Versus: golden.Other}
	for _, want := range golden.Models {
		m := modeltest.Architecture(t, want.Architecture, nil)
		for name, c := range map[string]struct {
			values []float64
			o      experiment.InputOptions
		}{
			"input x gradient": {want.InputXGrad, experiment.InputOptions{Question: q}},
			"from zero":        {want.FromZero, experiment.InputOptions{Question: q, Method: experiment.IntegratedGradients, Steps: golden.Steps}},
			"from a token":     {want.FromToken, experiment.InputOptions{Question: q, Method: experiment.IntegratedGradients, Steps: golden.Steps, Baseline: &golden.Baseline}},
		} {
			got, err := experiment.AttributeInput(context.Background(), m, edit.Input{IDs: want.Clean}, c.o)
			require.NoError(t, err)
			require.Len(t, got.Values, len(c.values))
			require.InDeltaSlice(t, c.values, numbers(got.Values), 1e-4, "%s: %s", want.Architecture, name)
		}
	}
}

func numbers(of []lens.Number) []float64 {
	out := make([]float64, len(of))
	for i, x := range of {
		out[i] = float64(x)
	}
	return out
}
