package experiment_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Integrated gradients are complete: they sum to the metric less the baseline's. Not in mixtures: their
// metric jumps where another expert is chosen; of models with steep paths, more points would be needed.
func TestIntegratedGradientsSumToTheMetricLessTheBaselines(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"llama", "gpt2", "gemma2-sliding", "lfm2", "affine-4bit-group64", "gpt-neox"} {
		m := modeltest.Architecture(t, name, nil)
		in := edit.Input{IDs: ids(7, m.Shape().DVocab, 3)}
		for _, metric := range []experiment.Metric{experiment.LogitDiff, experiment.LogProb} {
			got, err := experiment.AttributeInput(context.Background(), m, in, experiment.InputOptions{
				Question: experiment.Question{Metric: metric, Target: 5, Versus: 9}, Method: experiment.IntegratedGradients, Steps: 128, Baseline: &nine,
			})
			require.NoError(t, err, name)
			sum := 0.0
			for _, v := range got.Values {
				sum += float64(v)
			}
			require.InDelta(t, float64(got.Value-got.From), sum, 2e-3, name)
			require.InDelta(t, float64(got.Value-got.From)-sum, float64(got.Gap), 1e-9)
			x := logits(t, m, edit.Input{IDs: []int{9, 9, 9, 9, 9, 9, 9}}, 6)
			if metric == experiment.LogitDiff && m.Shape().DPerLayer == 0 { // layers' own embeddings stay
				require.InDelta(t, float64(x[5]-x[9]), float64(got.From), 1e-4, name)
			}
		}
	}
}

// Gradient times input is that of model.Gradient.
func TestGradientTimesInputIsTheModelsGradient(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"llama", "gpt-oss", "gemma3"} {
		m := modeltest.Architecture(t, name, nil)
		in := edit.Input{IDs: ids(7, m.Shape().DVocab, 3)}
		got, err := experiment.AttributeInput(context.Background(), m, in, experiment.InputOptions{Question: fiveOverNine})
		require.NoError(t, err)
		require.True(t, math.IsNaN(float64(got.Gap)))
		s := mlx.NewScope(m.Device())
		embed, kept := model.Keep(s, []model.Place{{Site: model.Embed}})
		tokens := model.Tokens(s, in.IDs)
		require.NoError(t, m.Stream(tokens, nil, embed, 0).Err())
		e, err := mlx.Data[float32](kept[0])
		require.NoError(t, err)
		_, gradients, err := model.Gradient(m, tokens, nil, model.Objective{Places: []model.Place{{Site: model.Logits}}, Of: func(y []*mlx.Array) *mlx.Array {
			last := mlx.Slice(y[0], 1, mlx.Between(6, 7))
			return mlx.Sum(mlx.Subtract(mlx.Slice(last, 2, mlx.Between(5, 6)), mlx.Slice(last, 2, mlx.Between(9, 10))))
		}}, []model.Place{{Site: model.Embed}})
		require.NoError(t, err)
		g, err := mlx.Data[float32](gradients[0])
		require.NoError(t, err)
		width := m.Shape().DModel
		for p, v := range got.Values {
			sum := 0.0
			for j := p * width; j < (p+1)*width; j++ {
				sum += float64(e[j]) * float64(g[j])
			}
			require.InDelta(t, sum, float64(v), 1e-4, name)
		}
		s.Close()
	}
}

func TestInputAttributionsOfNothingAreRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	in := edit.Input{IDs: modeltest.Sixty}
	far := 512
	edited := in
	edited.Edits = []edit.Edit{{Place: model.Place{Site: model.Embed}, Op: edit.Zero}}
	for want, c := range map[string]struct {
		in edit.Input
		o  experiment.InputOptions
	}{
		"has no steps and no baseline":                {in, experiment.InputOptions{Question: fiveOverNine, Steps: 3}},
		"kl is a distance of two runs":                {in, experiment.InputOptions{Question: experiment.Question{Metric: experiment.KL}}},
		"rank is a count":                             {in, experiment.InputOptions{Question: experiment.Question{Metric: experiment.Rank}}},
		"baseline 512 (number 1) is outside":          {in, experiment.InputOptions{Question: fiveOverNine, Method: experiment.IntegratedGradients, Baseline: &far}},
		"-2 steps: want 1 to 512":                     {in, experiment.InputOptions{Question: fiveOverNine, Method: experiment.IntegratedGradients, Steps: -2}},
		`method "magic": want "gradient" or "ig"`:     {in, experiment.InputOptions{Question: fiveOverNine, Method: "magic"}},
		"an edit of embed changes what is attributed": {edited, experiment.InputOptions{Question: fiveOverNine}},
	} {
		_, err := experiment.AttributeInput(context.Background(), m, c.in, c.o)
		require.ErrorContains(t, err, want, want)
	}
}
