package experiment_test

import (
	"context"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
)

// layerOf is the layer in a name, −1 for the embedding, so many as there are for the logits.
func layerOf(t *testing.T, name string, layers int) int {
	t.Helper()
	switch name {
	case "embed":
		return -1
	case "logits":
		return layers
	}
	n, err := strconv.Atoi(strings.Split(name, ".")[1])
	require.NoError(t, err)
	return n
}

// estimated is the effect of patching all positions of a site, by layer.
func estimated(t *testing.T, m model.Model, clean, corrupted edit.Input, site model.Site, columns experiment.Columns) [][]float64 {
	t.Helper()
	got, err := experiment.Estimate(context.Background(), m, clean, corrupted, experiment.EstimateOptions{
		PatchOptions: experiment.PatchOptions{Question: fiveOverNine, Sites: []model.Site{site}, Columns: columns},
	})
	require.NoError(t, err)
	var out [][]float64
	for _, row := range got.Effects[site] {
		out = append(out, nil)
		for _, x := range row {
			out[len(out)-1] = append(out[len(out)-1], float64(x))
		}
	}
	return out
}

// The edges that cross into a layer or beyond, from what is before it, sum to the effect of the stream
// that enters it: no reader is left out, and none counts twice. A writer's sum to its own effect, also through a norm behind
// attention.
func TestEdgesSumToEffects(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"llama", "gpt2", "gemma2-sliding", "gpt-oss", "qwen3-5-moe", "lfm2", "gpt-neox", "cohere2", "granite", "deepseek-v3", "affine-4bit-group64", "nemotron-h", "granite4-h", "olmo2", "glm4", "gemma3"} {
		m := modeltest.Architecture(t, name, nil)
		clean, corrupted := twoRuns(m)
		layers := m.Shape().Layers
		got, err := experiment.AttributeEdges(context.Background(), m, clean, corrupted, experiment.EdgeOptions{Question: fiveOverNine, Top: 1 << 20})
		require.NoError(t, err, name)
		require.Len(t, got.Edges, got.Count)
		stream := estimated(t, m, clean, corrupted, model.ResidPre, experiment.Together)
		normed := m.Check(model.Place{Site: model.AttnRaw}) == nil && name != "granite" // heads' parts add up to first order alone
		for layer := range layers {
			if normed {
				break
			}
			sum := 0.0
			for _, e := range got.Edges {
				if layerOf(t, e.From, layers) < layer && layerOf(t, e.To, layers) >= layer {
					sum += float64(e.Score)
				}
			}
			require.InDelta(t, stream[layer][0], sum, 1e-4, "%s into layer %d", name, layer)
		}
		mlps := estimated(t, m, clean, corrupted, model.MLPOut, experiment.Together)
		for layer := range layers {
			if math.IsNaN(mlps[layer][0]) {
				continue // the layer has none
			}
			require.InDelta(t, mlps[layer][0], float64(got.OutOf[model.Place{Site: model.MLPOut, Layer: layer}.String()]), 1e-4, name)
		}
		for layer, row := range estimated(t, m, clean, corrupted, model.HeadOut, experiment.ByHead) {
			for head, want := range row {
				if !math.IsNaN(want) {
					at := model.Place{Site: model.HeadOut, Layer: layer}.String() + "#" + strconv.Itoa(head)
					require.InDelta(t, want, float64(got.OutOf[at]), 1e-4, "%s of %s", at, name)
				}
			}
		}
	}
}

// Averaged over the path of embeddings, the edges out of the embedding, which is all that the two runs
// differ by, sum to what the metrics differ by.
func TestIntegratedEdgesOfTheEmbeddingSumToTheDifference(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"llama", "gpt2", "gemma2-sliding", "lfm2"} {
		m := modeltest.Architecture(t, name, nil)
		clean, corrupted := twoRuns(m)
		got, err := experiment.AttributeEdges(context.Background(), m, clean, corrupted, experiment.EdgeOptions{
			Question: fiveOverNine, Method: experiment.IntegratedGradients, Steps: 24, Top: 3,
		})
		require.NoError(t, err, name)
		require.Len(t, got.Edges, 3)
		require.GreaterOrEqual(t, math.Abs(float64(got.Edges[0].Score)), math.Abs(float64(got.Edges[2].Score)))
		require.InDelta(t, float64(got.Baseline.Clean-got.Baseline.Corrupted), float64(got.OutOf["embed"]), 5e-3, name)
	}
}

func TestEdgesThatAreNotThereAreRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	clean, corrupted := twoRuns(m)
	long := corrupted
	long.IDs = append(long.IDs[:9:9], 4)
	edges := func(m model.Model, corrupted edit.Input, o experiment.EdgeOptions) error {
		_, err := experiment.AttributeEdges(context.Background(), m, clean, corrupted, o)
		return err
	}
	o := experiment.EdgeOptions{Question: fiveOverNine}
	require.ErrorContains(t, edges(m, long, o), "the prompts have 10 and 9 tokens")
	require.ErrorContains(t, edges(m, corrupted, experiment.EdgeOptions{Question: fiveOverNine, Top: -1}), "the greatest -1 edges")
	require.ErrorContains(t, edges(m, corrupted, experiment.EdgeOptions{Question: fiveOverNine, MaxMemory: 1}), "writers add at 9 positions takes")
	m = modeltest.Architecture(t, "gemma4-text", nil)
	clean, corrupted = twoRuns(m)
	require.ErrorContains(t, edges(m, corrupted, o), "what the stream does not carry")
}
