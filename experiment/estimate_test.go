package experiment_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// kinds of models whose gradients are tried.
var derived = []string{"llama", "gpt2", "gemma2-sliding", "gemma4-text", "gpt-oss", "qwen3-5-moe", "lfm2", "affine-4bit-group64"}

func twoRuns(m model.Model) (clean, corrupted edit.Input) {
	vocab := m.Shape().DVocab
	clean, corrupted = edit.Input{IDs: ids(9, vocab, 3)}, edit.Input{IDs: ids(9, vocab, 3)}
	corrupted.IDs[3], corrupted.IDs[6] = 17, 21
	return clean, corrupted
}

var fiveOverNine = experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 9}

// derivable are the sites whose effects are estimated.
func derivable(m model.Model, columns experiment.Columns) []model.Site {
	return slices.DeleteFunc(sitesOf(m, columns), func(s model.Site) bool { return s.Axis(model.Key) >= 0 })
}

// byHand is (a′ − a)·∂metric/∂a by position, of one place.
func byHand(t *testing.T, m model.Model, clean, corrupted edit.Input, at model.Place, q experiment.Question) []float64 {
	t.Helper()
	s := mlx.NewScope(m.Device())
	defer s.Close()
	last := len(corrupted.IDs) - 1
	objective := model.Objective{Places: []model.Place{{Site: model.ResidPost, Layer: m.Shape().Layers - 1}}, Of: func(y []*mlx.Array) *mlx.Array {
		x := model.ToLogits(m, mlx.Slice(y[0], 1, mlx.Between(last, last+1)))
		one := func(id int) *mlx.Array { return mlx.Sum(mlx.Slice(x, 2, mlx.Between(id, id+1))) }
		return mlx.Subtract(one(q.Target), one(q.Versus))
	}}
	b, err := edit.NewBatch(m, corrupted)
	require.NoError(t, err)
	_, gradients, err := model.Gradient(m, b.Tokens(s, 0, last+1), b.Tap(0, last+1), objective, []model.Place{at})
	require.NoError(t, err)
	g, err := mlx.Data[float32](gradients[0])
	require.NoError(t, err)
	values := make([][]float32, 2)
	for i, in := range []edit.Input{clean, corrupted} {
		set, err := states.Capture(context.Background(), m, edit.Input{IDs: in.IDs}, []model.Place{at})
		require.NoError(t, err)
		v, err := set.Value(at)
		require.NoError(t, err)
		values[i] = v.Data
	}
	out := make([]float64, last+1)
	for i := range g {
		out[i*len(out)/len(g)] += float64(g[i]) * float64(values[0][i]-values[1][i])
	}
	return out
}

// Effects are differences times the gradient of one pass.
func TestEffectsAreDifferencesTimesGradients(t *testing.T) {
	t.Parallel()
	for _, name := range derived {
		m := modeltest.Architecture(t, name, nil)
		clean, corrupted := twoRuns(m)
		sites := derivable(m, experiment.ByPosition)
		o := experiment.EstimateOptions{PatchOptions: experiment.PatchOptions{Question: fiveOverNine, Sites: sites}}
		got, err := experiment.Estimate(context.Background(), m, clean, corrupted, o)
		require.NoError(t, err, name)
		for i, site := range sites {
			for row, layer := range got.Rows {
				at := model.Place{Site: site, Layer: layer}
				if m.Check(at) != nil {
					require.True(t, math.IsNaN(float64(got.Effects[site][row][0])))
					continue
				}
				if (i+row)%3 == 0 { // each is a pass here
					for column, want := range byHand(t, m, clean, corrupted, at, fiveOverNine) {
						within := 2e-5 * (1 + math.Abs(want)) // products of another shape sum in another order, on a GPU and on some processors
						require.InDelta(t, want, float64(got.Effects[site][row][column]), within, "%s of %s at %d", at, name, column)
					}
				}
			}
		}
	}
}

// Integrated from one run to the other, the effects of a site in a layer, by position or by head, sum to
// that of the patch of all of it. Not in mixtures: their metric jumps where another expert is chosen.
func TestIntegratedEffectsSumToThePatchOfAll(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"llama", "gpt2", "gemma2-sliding", "gemma4-text", "lfm2"} {
		m := modeltest.Architecture(t, name, nil)
		clean, corrupted := twoRuns(m)
		for _, columns := range []experiment.Columns{experiment.ByPosition, experiment.ByHead} {
			o := experiment.PatchOptions{Question: fiveOverNine, Columns: columns, Layers: []int{1, -1}}
			got, err := experiment.Estimate(context.Background(), m, clean, corrupted, experiment.EstimateOptions{PatchOptions: o, Method: experiment.IntegratedGradients, Steps: 64})
			require.NoError(t, err, name)
			o.Columns = experiment.Together
			o.Sites = got.Components
			want, err := experiment.Patch(context.Background(), m, clean, corrupted, o)
			require.NoError(t, err)
			for _, site := range got.Components {
				for row, layer := range got.Rows {
					sum := 0.0
					for _, x := range got.Effects[site][row] {
						if !math.IsNaN(float64(x)) {
							sum += float64(x)
						}
					}
					if m.Check(model.Place{Site: site, Layer: layer}) == nil {
						require.InDelta(t, float64(want.Values[site][row][0]-want.Baseline.Corrupted), sum, 1e-3, "%s of layer %d of %s, by %s", site, layer, name, columns)
					}
				}
			}
		}
	}
}

// What is patched exactly is Patch's own number, and what correlates is what is listed.
func TestExactEffectsArePatches(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "gpt2", nil)
	clean, corrupted := twoRuns(m)
	for _, columns := range []experiment.Columns{experiment.ByPosition, experiment.ByHead} {
		o := experiment.PatchOptions{Question: fiveOverNine, Columns: columns, Positions: []int{3, 6, 8}}
		got, err := experiment.Estimate(context.Background(), m, clean, corrupted, experiment.EstimateOptions{PatchOptions: o, Exact: 6})
		require.NoError(t, err)
		want, err := experiment.Patch(context.Background(), m, clean, corrupted, o)
		require.NoError(t, err)
		require.Len(t, got.Exact, 6)
		for i, e := range got.Exact {
			column := e.Column
			if columns == experiment.ByPosition {
				column = slices.Index(want.Positions, e.Column)
			}
			require.InDelta(t, float64(want.Values[e.Site][e.Layer][column]-want.Baseline.Corrupted), float64(e.Patched), 1e-5)
			require.Equal(t, got.Effects[e.Site][e.Layer][column], e.Estimate)
			if i > 0 {
				require.LessOrEqual(t, math.Abs(float64(e.Estimate)), math.Abs(float64(got.Exact[i-1].Estimate)))
			}
		}
		require.InDelta(t, correlation(got.Exact), float64(got.Pearson), 1e-12)
		require.LessOrEqual(t, math.Abs(float64(got.Spearman)), 1.0)
	}
}

func TestEstimatesWithoutAGradientAreRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	clean, corrupted := twoRuns(m)
	for want, o := range map[string]experiment.EstimateOptions{
		`method "magic": want "gradient" or "ig"`: {Method: "magic"},
		`5 steps: a gradient has none; take "ig"`: {Steps: 5},
		"9999 steps: want 1 to 512":               {Steps: 9999, Method: experiment.IntegratedGradients},
		"rank is a count and has no gradient":     {PatchOptions: experiment.PatchOptions{Question: experiment.Question{Metric: experiment.Rank}}},
		"kl is a distance from the clean run":     {PatchOptions: experiment.PatchOptions{Question: experiment.Question{Metric: experiment.KL}, Noising: true}},
		"pattern has a number for each key":       {PatchOptions: experiment.PatchOptions{Question: fiveOverNine, Sites: []model.Site{model.Pattern}}},
		"-1 exact patches: want 0 or more":        {Exact: -1},
		"a window of 3 layers":                    {PatchOptions: experiment.PatchOptions{Window: 3}},
	} {
		_, err := experiment.Estimate(context.Background(), m, clean, corrupted, o)
		require.ErrorContains(t, err, want, want)
	}
}

// correlation is Pearson's, by the textbook's other form.
func correlation(of []experiment.Estimated) float64 {
	n := float64(len(of))
	var x, y, xx, yy, xy float64
	for _, e := range of {
		a, b := float64(e.Estimate), float64(e.Patched)
		x, y, xx, yy, xy = x+a, y+b, xx+a*a, yy+b*b, xy+a*b
	}
	return (n*xy - x*y) / math.Sqrt((n*xx-x*x)*(n*yy-y*y))
}
