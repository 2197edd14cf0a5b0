package experiment_test

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// contrasts are pairs of prompts of several lengths.
func contrasts(n, vocab, seed int) []experiment.Contrast {
	var pairs []experiment.Contrast
	for i := range n {
		pairs = append(pairs, experiment.Contrast{Positive: edit.Input{IDs: ids(4+i%3, vocab, seed+i)}, Negative: edit.Input{IDs: ids(5, vocab, seed+50+i)}})
	}
	return pairs
}

// state is the mean of what passes a place at an input's positions, captured by itself.
func state(t testing.TB, m model.Model, in edit.Input, at model.Place) []float64 {
	t.Helper()
	if in.Positions == nil {
		in.Positions = []int{-1}
	}
	set, err := states.Capture(context.Background(), m, in, []model.Place{at})
	require.NoError(t, err)
	x, err := set.Arrays[0].Float32()
	require.NoError(t, err)
	n := set.Arrays[0].Shape[0]
	out := make([]float64, len(x)/n)
	for i, v := range x {
		out[i%len(out)] += float64(v) / float64(n)
	}
	return out
}

func inner(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func less(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] - b[i]
	}
	return out
}

func float64s(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

func TestASteeringVectorIsTheMeanDifference(t *testing.T) {
	t.Parallel()
	for name, site := range map[string]model.Site{"gpt2": "", "gemma2-sliding": model.MLPOut, "qwen3-next-every-other": model.ResidPre, "gpt-oss": model.Z, "lfm2": model.AttnOut, "gpt-neox": model.ResidPost} {
		m := modeltest.Architecture(t, name, nil)
		pairs, held := contrasts(5, m.Shape().DVocab, 1), contrasts(3, m.Shape().DVocab, 30)
		pairs[1].Positive.Positions = []int{0, 2}
		got, err := experiment.Steer(context.Background(), m, pairs, held, experiment.SteerOptions{Site: site})
		require.NoError(t, err, name)
		for l, about := range got.Layers {
			at := model.Place{Site: got.Site, Layer: about.Layer}
			var mean, middle []float64
			squares := 0.0
			for _, p := range pairs {
				a, b := state(t, m, p.Positive, at), state(t, m, p.Negative, at)
				if mean == nil {
					mean, middle = make([]float64, len(a)), make([]float64, len(a))
				}
				for i := range a {
					mean[i], middle[i] = mean[i]+(a[i]-b[i])/5, middle[i]+(a[i]+b[i])/10
				}
				squares += inner(a, a) + inner(b, b)
			}
			v := float64s(got.Vectors[l])
			norm := math.Sqrt(inner(v, v))
			rounding := 1e-5 + 2e-6*math.Sqrt(squares/10) // of float32, in passes of another shape
			require.InDeltaSlice(t, mean, v, rounding, "%s: %s", name, at)
			require.InDelta(t, norm, float64(about.Norm), rounding)
			require.InDelta(t, math.Sqrt(squares/10), float64(about.StateNorm), 10*rounding)
			require.InDelta(t, 1, float64(about.Cosine), 1e-6)
			require.InDelta(t, inner(middle, v)/norm, float64(about.Threshold), 10*rounding)
			accuracy, separation := heldOut(t, m, held, at, v, float64(about.Threshold))
			require.InDelta(t, accuracy, float64(about.Accuracy), 1e-12)
			require.InEpsilon(t, separation, float64(about.Separation), 1e-3)
		}
	}
}

// heldOut is the accuracy and Cohen's d of pairs along a vector, by hand.
func heldOut(t testing.TB, m model.Model, pairs []experiment.Contrast, at model.Place, v []float64, threshold float64) (accuracy, separation float64) {
	t.Helper()
	norm, n := math.Sqrt(inner(v, v)), float64(len(pairs))
	var means, squares [2]float64
	for _, p := range pairs {
		for side, in := range []edit.Input{p.Positive, p.Negative} {
			x := inner(state(t, m, in, at), v) / norm
			means[side] += x / n
			squares[side] += x * x
			if (x > threshold) == (side == 0) {
				accuracy += 1 / (2 * n)
			}
		}
	}
	variance := (squares[0] - n*means[0]*means[0] + squares[1] - n*means[1]*means[1]) / (2*n - 2)
	return accuracy, (means[0] - means[1]) / math.Sqrt(variance)
}

// The principal component lies where the squares of the differences along it are greatest, and
// points to the positive prompts.
func TestAPrincipalComponentHasMostOfTheDifferences(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	pairs := contrasts(2, m.Shape().DVocab, 3)
	got, err := experiment.Steer(context.Background(), m, pairs, nil, experiment.SteerOptions{Method: experiment.PCA, Layers: []int{1, -1}})
	require.NoError(t, err)
	for l, about := range got.Layers {
		at := model.Place{Site: model.ResidPost, Layer: about.Layer}
		a := less(state(t, m, pairs[0].Positive, at), state(t, m, pairs[0].Negative, at))
		b := less(state(t, m, pairs[1].Positive, at), state(t, m, pairs[1].Negative, at))
		aa, bb, ab := inner(a, a), inner(b, b), inner(a, b)
		square := (aa+bb)/2 + math.Sqrt((aa-bb)*(aa-bb)/4+ab*ab)
		v := float64s(got.Vectors[l])
		require.InEpsilon(t, math.Sqrt(square/2), float64(about.Norm), 1e-4)
		require.InEpsilon(t, square, (inner(a, v)*inner(a, v)+inner(b, v)*inner(b, v))/inner(v, v), 1e-4)
		require.InEpsilon(t, square/(aa+bb), float64(about.Explained), 1e-4)
		require.Zero(t, about.Unsure)
		require.Positive(t, inner(a, v)+inner(b, v))
		require.True(t, math.IsNaN(float64(about.Accuracy)), "nothing is held out")
	}
}

// The effect is what an edit with the saved file and a strength does.
func TestTheEffectIsThatOfTheSavedVectorAsAnEdit(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"llama", "qwen3-next", "gpt-neox"} {
		m := modeltest.Architecture(t, name, nil)
		vocab := m.Shape().DVocab
		prompts := []edit.Input{{IDs: ids(6, vocab, 9)}, {IDs: ids(4, vocab, 2)}}
		got, err := experiment.Steer(context.Background(), m, contrasts(3, vocab, 1), nil, experiment.SteerOptions{
			Layers: []int{0, -1}, Strengths: []float64{-1.5, 0, 2}, Prompts: prompts, Target: 5, Versus: 9,
		})
		require.NoError(t, err)
		for i, write := range []func() (*bytes.Buffer, error){
			func() (b *bytes.Buffer, err error) { b = &bytes.Buffer{}; return b, got.File().WriteSafetensors(b) },
			func() (b *bytes.Buffer, err error) { b = &bytes.Buffer{}; return b, got.File().WriteNPZ(b) },
		} {
			raw, err := write()
			require.NoError(t, err)
			file := filepath.Join(t.TempDir(), []string{"v.safetensors", "v.npz"}[i])
			require.NoError(t, os.WriteFile(file, raw.Bytes(), 0o600))
			said, err := states.FileMetadata(file)
			require.NoError(t, err)
			require.Equal(t, "mean", said["method"])
			require.Equal(t, "3", said["pairs"])
			for l, about := range got.Layers {
				at := model.Place{Site: model.ResidPost, Layer: about.Layer}
				v, err := states.ReadValue(file, at)
				require.NoError(t, err)
				for s, strength := range []float64{-1.5, 0, 2} {
					want := 0.0
					for _, in := range prompts {
						in.Edits = []edit.Edit{{Place: at, Op: edit.Add, Value: v.Times(strength)}}
						x := logits(t, m, in, len(in.IDs)-1)
						want += float64(x[5]-x[9]) / 2
					}
					require.InDelta(t, want, float64(got.Effect.Values[l][s]), 2e-4, name)
				}
				require.InDelta(t, float64(got.Effect.Baseline), float64(got.Effect.Values[l][1]), 1e-4)
			}
			_, err = states.ReadValue(file, model.Place{Site: model.MLPOut, Layer: 1})
			require.ErrorContains(t, err, "name one of its arrays behind a colon")
		}
		doc := document(t, got)
		require.NoError(t, published(t, "steer-1").Validate(doc))
		doc.(map[string]any)["method"] = "median"
		require.Error(t, published(t, "steer-1").Validate(doc))
	}
}

// A layer in which all pairs are the same has no vector, and no file has one of 0.
func TestWhatIsTheSameInAllPairsHasNoVector(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	pairs := []experiment.Contrast{{Positive: edit.Input{IDs: []int{1, 2, 7}}, Negative: edit.Input{IDs: []int{3, 4, 7}}}}
	for _, method := range experiment.SteeringMethods() {
		got, err := experiment.Steer(context.Background(), m, pairs, pairs, experiment.SteerOptions{
			Site: model.ResidPre, Method: method, Strengths: []float64{1}, Prompts: []edit.Input{{IDs: []int{1, 2}}}, Target: 1, Versus: 2,
		})
		require.NoError(t, err)
		require.Equal(t, 1, got.Seen, "what is held out was learnt from")
		require.Contains(t, got.Figure().Notes, "1 pair held out (learnt from, too: 1)")
		require.Zero(t, got.Layers[0].Norm)
		require.True(t, math.IsNaN(float64(got.Layers[0].Accuracy)))
		require.True(t, math.IsNaN(float64(got.Effect.Values[0][0])))
		require.Positive(t, got.Layers[1].Norm)
		require.Len(t, got.Arrays(), 2)
		require.NoError(t, published(t, "steer-1").Validate(document(t, got)))
		_, err = experiment.Steer(context.Background(), m, pairs, nil, experiment.SteerOptions{Site: model.ResidPre, Method: method, Layers: []int{0}})
		require.ErrorContains(t, err, "have the same resid_pre in all layers that were read")
	}
}

func TestVectorsThatMeanNothingAreRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	pairs := contrasts(1, 512, 1)
	bad := []experiment.Contrast{{Positive: edit.Input{IDs: []int{1}}, Negative: edit.Input{IDs: []int{512}}}}
	for want, c := range map[string]struct {
		pairs, held []experiment.Contrast
		o           experiment.SteerOptions
	}{
		"there is no pair": {nil, nil, experiment.SteerOptions{}},
		`method "median" is unknown (have: [mean pca])`:         {pairs, nil, experiment.SteerOptions{Method: "median"}},
		`"logits" is no site of a layer`:                        {pairs, nil, experiment.SteerOptions{Site: model.Logits}},
		"pattern has a number for each key":                     {pairs, nil, experiment.SteerOptions{Site: model.Pattern}},
		"layer 3 does not exist":                                {pairs, nil, experiment.SteerOptions{Layers: []int{3}}},
		"1 strengths and 0 prompts":                             {pairs, nil, experiment.SteerOptions{Strengths: []float64{1}}},
		"a strength of +Inf":                                    {pairs, nil, experiment.SteerOptions{Strengths: []float64{math.Inf(1)}, Prompts: []edit.Input{{IDs: []int{1}}}}},
		"are both 0":                                            {pairs, nil, experiment.SteerOptions{Strengths: []float64{1}, Prompts: []edit.Input{{IDs: []int{1}}}}},
		"the negative prompt of pair 1: states: id 512":         {bad, nil, experiment.SteerOptions{}},
		"the negative prompt of held-out pair 1: states: id 51": {pairs, bad, experiment.SteerOptions{}},
		"to read it takes 1 MB":                                 {pairs, nil, experiment.SteerOptions{MaxMemory: 1}},
	} {
		_, err := experiment.Steer(context.Background(), m, c.pairs, c.held, c.o)
		require.ErrorContains(t, err, want)
	}
	_, err := experiment.Steer(context.Background(), nil, pairs, nil, experiment.SteerOptions{})
	require.ErrorContains(t, err, "there is no model")
	ctx, stop := context.WithCancel(context.Background())
	stop()
	_, err = experiment.Steer(ctx, m, pairs, nil, experiment.SteerOptions{})
	require.ErrorIs(t, err, context.Canceled)
}
