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
	"github.com/mlxlens/mlxlens/states"
)

var nine = 9 // a token that a target is set against

// What the parts of each kind add sums to the logits that the model gives, in every recorded
// architecture: with norms behind parts, factors, experts, other mixers, soft-caps.
func TestPartsSumToTheLogitsOfEveryArchitecture(t *testing.T) {
	t.Parallel()
	for _, name := range modeltest.Sample(t) {
		m := modeltest.Architecture(t, name, nil)
		in := edit.Input{IDs: ids(6, m.Shape().DVocab, 3), Positions: []int{2, -1}}
		for _, by := range experiment.Kinds() {
			got, err := experiment.Attribute(context.Background(), m, in, experiment.AttributeOptions{Target: 5, Versus: &nine, By: by, Top: 1 << 20})
			switch {
			case by == experiment.OfExperts && m.Shape().Experts == 0:
				require.ErrorContains(t, err, "no expert_out", name)
				continue
			}
			require.NoError(t, err, "%s by %s", name, by)
			for i, p := range got.Positions {
				x := logits(t, m, in, p)
				require.InDelta(t, float64(x[5])-float64(x[9]), float64(got.Capped[i]), 1e-4, name)
				sum, size := 0.0, 0.0
				for _, part := range got.Parts {
					sum += float64(part.Values[i])
					size += math.Abs(float64(part.Values[i]))
				}
				require.InDelta(t, float64(got.Whole[i]), sum, 2e-6*size, "%s by %s", name, by)
				require.InDelta(t, sum, float64(got.Sum[i]), 1e-9*size)
				require.InDelta(t, sum, float64(got.Through[m.Shape().Layers][i]), 1e-9*size)
			}
		}
	}
}

// partsOf are a kind's values at the last position, by their names.
func partsOf(t *testing.T, m model.Model, in edit.Input, by experiment.Kind, top int) map[string]float64 {
	t.Helper()
	got, err := experiment.Attribute(context.Background(), m, in, experiment.AttributeOptions{Target: 5, Versus: &nine, By: by, Top: top})
	require.NoError(t, err)
	values := map[string]float64{}
	for _, p := range got.Parts {
		values[p.Name] = float64(p.Values[len(p.Values)-1])
	}
	return values
}

// A kind of parts is a finer cut of the same sum: the heads of a layer with their bias are what its
// attention adds, the neurons what its MLP adds.
func TestFinerPartsSumToCoarser(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"gemma2-sliding", "granite", "gpt2", "gpt-oss", "starcoder2-sliding-untied"} {
		m := modeltest.Architecture(t, name, nil)
		in := edit.Input{IDs: ids(6, m.Shape().DVocab, 3)}
		whole := partsOf(t, m, in, experiment.ByComponent, 0)
		for by, site := range map[experiment.Kind]model.Site{experiment.OfHeads: model.AttnOut, experiment.OfNeurons: model.MLPOut} {
			got, err := experiment.Attribute(context.Background(), m, in, experiment.AttributeOptions{Target: 5, Versus: &nine, By: by, Top: 1 << 20})
			require.NoError(t, err)
			for layer := range m.Shape().Layers {
				sum := 0.0
				for _, p := range got.Parts {
					if p.Layer != nil && *p.Layer == layer && p.Site != model.AttnOut && p.Site != model.MLPOut {
						sum += float64(p.Values[0])
					}
				}
				at := model.Place{Site: site, Layer: layer}
				require.InDelta(t, whole[at.String()], sum, 1e-5, "%s of %s", at, name)
			}
		}
	}
}

func TestWithTopTheGreatestPartsAreKept(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "llama", nil)
	in := edit.Input{IDs: ids(6, m.Shape().DVocab, 3)}
	all, few := partsOf(t, m, in, experiment.OfNeurons, 1<<20), partsOf(t, m, in, experiment.OfNeurons, 7)
	require.Len(t, few, 7)
	least := math.Inf(1)
	for name, x := range few {
		require.Equal(t, all[name], x)
		least = min(least, math.Abs(x))
	}
	for name, x := range all {
		if _, kept := few[name]; !kept {
			require.LessOrEqual(t, math.Abs(x), least, name)
		}
	}
}

// A direct contribution is the stream's part through the final norm as it is: here computed from a
// capture, of a model with an RMS norm, by what the norm makes of the whole.
func TestComponentsAreTheirShareOfTheNormedStream(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "llama", nil)
	in := edit.Input{IDs: ids(6, m.Shape().DVocab, 3), Positions: []int{-1}}
	parts := partsOf(t, m, in, experiment.ByComponent, 0)
	last := model.Place{Site: model.ResidPost, Layer: m.Shape().Layers - 1}
	out := model.Place{Site: model.MLPOut, Layer: 1}
	set, err := states.Capture(context.Background(), m, in, []model.Place{out, last})
	require.NoError(t, err)
	part, err := set.Value(out)
	require.NoError(t, err)
	whole, err := set.Value(last)
	require.NoError(t, err)
	// logits are Σ wᵢ·xᵢ/σ: leaving the part out at the same σ takes its contribution away
	less := slicesLess(whole.Data, part.Data)
	ratio := rms(less) / rms(whole.Data) // of the σ of what is left to that of the whole
	a, b := readout(t, m, whole.Data), readout(t, m, less)
	require.InDelta(t, a-b*ratio, parts[out.String()], 1e-4)
}

func TestAttributionsOfNothingAreRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	in := edit.Input{IDs: modeltest.Sixty}
	for want, o := range map[string]experiment.AttributeOptions{
		`attribution by "soul": want one of [component head neuron expert]`:     {By: "soul"},
		"target 512 (number 1) is outside the vocabulary: ids go from 0 to 511": {Target: 512},
		"the target and the token that it is set against are both 9":            {Target: 9, Versus: &nine},
		"the greatest -1 parts: want 1 or more, or 0 for all":                   {Top: -1},
		"of 60 positions needs": {MaxMemory: 1},
		"attribution by expert: model: this architecture has no expert_out: it has no": {By: experiment.OfExperts},
	} {
		_, err := experiment.Attribute(context.Background(), m, in, o)
		require.ErrorContains(t, err, want)
	}
	steered := in
	steered.Edits = []edit.Edit{{Place: model.Place{Site: model.ResidPost, Layer: 1}, Op: edit.Zero}}
	_, err := experiment.Attribute(context.Background(), m, steered, experiment.AttributeOptions{})
	require.ErrorContains(t, err, "changes the stream itself")
}

func slicesLess(a, b []float32) []float32 {
	out := make([]float32, len(a))
	for i := range a {
		out[i] = a[i] - b[i]
	}
	return out
}

// rms is the root of the mean of squares, with the norm's ε.
func rms(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum/float64(len(x)) + 1e-5)
}

// readout is the difference of the logits 5 and 9 of a stream.
func readout(t *testing.T, m model.Model, x []float32) float64 {
	t.Helper()
	s := mlx.NewScope(m.Device())
	defer s.Close()
	y, err := mlx.Data[float32](m.UncappedIDs(m.FinalNorm(mlx.FromSlice(s, x, 1, len(x))), []int{5, 9}))
	require.NoError(t, err)
	return float64(y[0]) - float64(y[1])
}
