package experiment

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
)

// Whether blocks are gone through together or one by one, gradients are the same.
func TestGradientsBlockByBlockAreThoseOfOnePass(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"llama", "gpt2", "gemma2-sliding", "gpt-oss", "qwen3-5-moe", "lfm2"} {
		m := modeltest.Architecture(t, name, nil)
		rows := []edit.Input{{IDs: []int{3, 17, 9, 40, 22, 5}}, {IDs: []int{8, 7, 60, 41, 22, 5}}}
		rows[1].Edits = []edit.Edit{{Place: model.Place{Site: model.MLPOut, Layer: 0}, Op: edit.Scale, Factor: 0.5}}
		sites := []model.Site{model.Embed, model.ResidPre, model.Z, model.MLPOut}
		of := func(most int) (metrics []float64, found map[model.Place][]float32) {
			g := &gradients{m: m, q: Question{Metric: LogProb, Target: 5}, rows: rows, answer: 4, most: most, wanted: sites}
			found = map[model.Place][]float32{}
			metrics, err := g.run(context.Background(), func(at model.Place, x []float32) error {
				found[at] = append([]float32{}, x...)
				return nil
			})
			require.NoError(t, err, name)
			return metrics, found
		}
		oneMetrics, one := of(1)
		allMetrics, all := of(0)
		require.InDeltaSlice(t, allMetrics, oneMetrics, 1e-5)
		require.Greater(t, len(all), 6)
		require.Len(t, one, len(all))
		for at := range all {
			require.InDeltaSlice(t, all[at], one[at], 2e-5, "%s of %s", at, name)
		}
	}
}

func TestGradientsBeyondABoundAreRefused(t *testing.T) {
	g := &gradients{m: modeltest.Tiny(t), q: Question{Metric: Logit, Target: 5}, rows: []edit.Input{{IDs: modeltest.Sixty}}, answer: 59, bound: 1}
	_, err := g.run(context.Background(), nil)
	require.ErrorContains(t, err, "a gradient of 1 runs of 60 positions, through 1 blocks at once, needs")
	g.m = modeltest.Architecture(t, "gemma4-text", nil) // whose blocks look at each other
	_, err = g.run(context.Background(), nil)
	require.ErrorContains(t, err, "through 5 blocks at once")
}

// What a gradient has no room for is said before anything is run, and before what there would be to ask is known.
func TestGradientsWithoutRoomAreRefusedFirst(t *testing.T) {
	m, ctx := modeltest.Tiny(t), context.Background()
	a, b := edit.Input{IDs: modeltest.Sixty}, edit.Input{IDs: append([]int{9}, modeltest.Sixty[1:]...)}
	o := EstimateOptions{PatchOptions: PatchOptions{Question: Question{Metric: Logit, Target: 5}, MaxMemory: 1}}
	_, err := Estimate(ctx, m, a, b, o)
	require.ErrorContains(t, err, "a gradient of 1 runs of 60 positions")
	o.Question = Question{}
	require.ErrorContains(t, o.Fits(m, a, b), "a gradient of 1 runs of 60 positions")
	o.Method, o.Steps = IntegratedGradients, 4
	require.ErrorContains(t, o.Fits(m, a, b), "a gradient of 4 runs of 60 positions")
	o.MaxMemory = 0
	require.NoError(t, o.Fits(m, a, b))
	require.ErrorContains(t, EdgeOptions{MaxMemory: 1}.Fits(m, a, b), "writers add at 60 positions takes")
	require.ErrorContains(t, InputOptions{MaxMemory: 1}.Fits(m, a), "a gradient of 1 runs of 60 positions")
	require.ErrorContains(t, InputOptions{MaxMemory: 1, Method: IntegratedGradients}.Fits(m, a), "a gradient of 4 runs of 60 positions")
	require.NoError(t, InputOptions{}.Fits(m, a))
}

// The stores and the blocks share a bound: together they take no more than it.
func TestABoundIsShared(t *testing.T) {
	m := modeltest.Tiny(t)
	a := edit.Input{IDs: modeltest.Sixty, Positions: upTo(59)}
	store := func() *store {
		return &store{m: m, sites: []model.Site{model.ResidPre, model.MLPOut}, inputs: []edit.Input{a}}
	}
	one := int64(2 * 2 * 4 * 60 * m.Shape().DModel)
	all := 3 * one
	x, y := store(), store()
	taken, err := share(5*one, x, y)
	require.NoError(t, err)
	require.LessOrEqual(t, taken, 5*one)
	taken, err = share(100*one, x, y)
	require.NoError(t, err)
	require.Equal(t, 2*all, taken, "no more than there is to hold")
	taken, err = share(-1, x, y)
	require.NoError(t, err)
	require.Equal(t, 2*one, taken, "a layer each")
}

func TestIntegralsOfPolynomialsAreExact(t *testing.T) {
	for n := 1; n < 40; n++ {
		points, weights := legendre(n)
		for degree := range 2 * n {
			sum := 0.0
			for i, x := range points {
				sum += weights[i] * math.Pow(x, float64(degree))
			}
			require.InDelta(t, 1/float64(degree+1), sum, 1e-12, "x^%d by %d points", degree, n)
		}
	}
}

func TestRanksOfEqualNumbersAreTheirMean(t *testing.T) {
	require.Equal(t, []float64{4, 2, 2, 2, 5}, ranks([]float64{7, 1, 1, 1, 9}))
	require.InDelta(t, 1, float64(correlation([]float64{1, 2, 4}, []float64{3, 5, 9})), 1e-12)
}
