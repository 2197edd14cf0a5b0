package experiment_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// A cell is the mean over samples of a run with noise and what was captured of the clean run, less
// the run with the noise alone.
func TestEffectsOfRestoredStatesAreThoseOfSingleRuns(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"gpt2", "gemma2-sliding", "gemma4-text", "lfm2", "gpt-neox"} {
		m := modeltest.Architecture(t, name, nil)
		in := edit.Input{IDs: ids(7, m.Shape().DVocab, 3)}
		o := experiment.TracingOptions{
			Question: experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 9},
			Subject:  []int{1, 2}, Samples: 3, Seed: 7, Window: 2,
		}
		got, err := experiment.CausalTrace(context.Background(), m, in, o)
		require.NoError(t, err, name)
		noised := make([]edit.Input, 3)
		base := make([]float64, 3)
		difference := func(in edit.Input) float64 {
			x := logits(t, m, in, 6)
			return float64(x[5]) - float64(x[9])
		}
		mean := 0.0
		for i := range noised {
			noised[i] = edit.Input{IDs: in.IDs, Edits: []edit.Edit{{Place: model.Place{Site: model.Embed}, Positions: []int{1, 2}, Op: edit.Noise, Factor: got.Noise.Deviation, Seed: experiment.SampleSeed(7, i)}}}
			base[i] = difference(noised[i])
			mean += base[i] / 3
		}
		require.InDelta(t, mean, float64(got.Corrupted.Mean), 2e-4, name)
		require.InDelta(t, difference(in)-mean, float64(got.Total), 2e-4, name)
		layers := m.Shape().Layers
		for site, window := range got.Windows {
			layer, position := layers-1, 3+len(site)%4
			from := layer - window/2
			want := 0.0
			for i := range noised {
				run := noised[i]
				for at := from; at < min(layers, from+window); at++ {
					place := model.Place{Site: site, Layer: at}
					set, err := states.Capture(context.Background(), m, in, []model.Place{place})
					require.NoError(t, err)
					v, err := set.Value(place)
					require.NoError(t, err)
					run.Edits = append(run.Edits[:len(run.Edits):len(run.Edits)], edit.Edit{Place: place, Positions: []int{position}, Op: edit.Set, Value: v})
				}
				want += (difference(run) - base[i]) / 3
			}
			require.InDelta(t, want, float64(got.Effects[site][layer][position]), 3e-4, "%s: %s", name, site)
		}
		last := got.Effects[model.ResidPost][layers-1][6]
		require.InDelta(t, float64(got.Total), float64(last), 3e-4, "the last state of the last block is the clean answer")
		require.Zero(t, got.Effects[model.MLPOut][0][0], "what comes before the subject is clean")
		require.NoError(t, published(t, "rome-1").Validate(document(t, got)))
		var sum experiment.Averaging
		require.NoError(t, sum.Add(got))
		require.NoError(t, published(t, "rome-average-1").Validate(document(t, sum.Average())))
		require.Greater(t, got.Errors[model.MLPOut][1][3], got.Errors[model.MLPOut][0][0])
	}
}

func TestTheDeviationOfAnEmbeddingIsThatOfItsNumbers(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	vocab := m.Shape().DVocab
	all := make([]int, vocab)
	for i := range all {
		all[i] = i
	}
	place := model.Place{Site: model.Embed}
	var sum, square, n float64
	for from := 0; from < vocab; from += 64 {
		set, err := states.Capture(context.Background(), m, edit.Input{IDs: all[from : from+64]}, []model.Place{place})
		require.NoError(t, err)
		x, err := set.Arrays[0].Float32()
		require.NoError(t, err)
		for _, v := range x {
			sum, square, n = sum+float64(v), square+float64(v)*float64(v), n+1
		}
	}
	got, err := experiment.EmbeddingDeviation(context.Background(), m)
	require.NoError(t, err)
	require.InEpsilon(t, math.Sqrt(square/n-sum/n*sum/n), got, 1e-5)
}

func TestTracingsThatMeanNothingAreRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	in := edit.Input{IDs: []int{1, 2, 3}}
	for want, o := range map[string]experiment.TracingOptions{
		"there is no subject":                             {},
		"the subject: position 3 does not exist":          {Subject: []int{3}},
		"noise of -1 standard deviations":                 {Subject: []int{1}, Noise: -1},
		"1 samples of noise: want 2 to 1000":              {Subject: []int{1}, Samples: 1},
		"a window of 4 layers: want 1 to 3":               {Subject: []int{1}, Window: 4},
		`"logits" is no site of a layer`:                  {Subject: []int{1}, Sites: []model.Site{model.Logits}},
		"target 512 (number 1) is outside the vocabulary": {Subject: []int{1}, Question: experiment.Question{Target: 512}},
	} {
		_, err := experiment.CausalTrace(context.Background(), m, in, o)
		require.ErrorContains(t, err, want, fmt.Sprint(o))
	}
}

func TestSeedsShareNoSampleOfNoise(t *testing.T) {
	taken := map[uint64]bool{}
	for _, seed := range []uint64{0, 1, 2, 3, 1000, 1 << 32, 1<<64 - 1} {
		for i := range 1000 {
			of := experiment.SampleSeed(seed, i)
			require.False(t, taken[of], "seed %d, sample %d", seed, i)
			taken[of] = true
		}
	}
}

// Noise comes behind edits of the embedding: before them it would be taken away, and the runs called corrupted.
func TestAnEditedSubjectIsCorruptedToo(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	in := edit.Input{IDs: []int{1, 2, 3, 4}, Edits: []edit.Edit{{Place: model.Place{Site: model.Embed}, Op: edit.Zero}}}
	got, err := experiment.CausalTrace(context.Background(), m, in, experiment.TracingOptions{
		Question: experiment.Question{Metric: experiment.KL}, Subject: []int{1}, Samples: 2, Layers: []int{0},
	})
	require.NoError(t, err)
	require.Greater(t, float64(got.Corrupted.Mean), 1e-9)
}
