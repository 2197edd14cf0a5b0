package experiment_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/sparse"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// identity is a dictionary that reconstructs every state: x = ReLU(x) − ReLU(−x).
func identity(t *testing.T, d int, hook string) string {
	t.Helper()
	enc, dec := make([]float32, d*2*d), make([]float32, 2*d*d)
	for i := range d {
		enc[i*2*d+i], enc[i*2*d+d+i] = 1, -1
		dec[i*d+i], dec[(d+i)*d+i] = 1, -1
	}
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "sae_weights.safetensors"))
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, checkpoint.WriteSafetensors(f, nil, []checkpoint.Array{
		checkpoint.Float32Array("W_enc", enc, d, 2*d), checkpoint.Float32Array("W_dec", dec, 2*d, d), checkpoint.Float32Array("b_enc", make([]float32, 2*d), 2*d), checkpoint.Float32Array("b_dec", make([]float32, d), d),
	}))
	text, err := json.Marshal(map[string]any{"architecture": "standard", "d_in": d, "d_sae": 2 * d, "dtype": "float32", "hook_name": hook, "apply_b_dec_to_input": true})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cfg.json"), text, 0o600))
	return dir
}

func dictionary(t *testing.T, m model.Model, path string, o sparse.Options) *sparse.Encoder {
	t.Helper()
	a, err := sparse.Open(path)
	require.NoError(t, err)
	e, err := a.On(m, o)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return e
}

func TestADictionaryThatLosesNothingChangesNothing(t *testing.T) {
	t.Parallel()
	for name, hook := range map[string]string{"llama-sliding": "blocks.1.hook_resid_post", "gemma2-sliding": "blocks.2.hook_mlp_out", "gpt2": "blocks.1.attn.hook_z"} {
		m := modeltest.Architecture(t, name, nil)
		at, err := m.Paths().Place(hook)
		require.NoError(t, err)
		d := 1
		for _, s := range m.Shape().Sizes(at.Site) {
			d *= s
		}
		e := dictionary(t, m, identity(t, d, hook), sparse.Options{})
		f, err := experiment.FeaturesOf(context.Background(), m, edit.Input{IDs: []int{5, 7, 1, 9, 8, 3}}, e, experiment.FeaturesOptions{Splice: true, Tokens: 2, Top: 3})
		require.NoError(t, err, name)
		require.InDelta(t, 1, float64(f.Explained), 1e-9, name)
		require.InDelta(t, d, f.L0, 1e-9, name)
		require.InDelta(t, 0, float64(f.Spliced.KL), 1e-5, name)
		require.InDelta(t, float64(f.Spliced.CE), float64(f.Spliced.CEOf), 1e-4, name)
		require.Equal(t, 5, f.Spliced.Steps)
		for _, c := range f.Cells {
			require.Zero(t, float64(c.Error), name)
			require.Len(t, c.Top, 3)
		}
		require.Equal(t, at.Site == model.Z, f.Named[0].Raises == nil, "a head's numbers are no direction of the stream")
		require.NoError(t, published(t, "features-1").Validate(document(t, f)), name)
	}
}

// What is spliced in is what an edit that sets the reconstruction does, and the numbers are those of
// the states that pass the place.
func TestFeaturesAreOfTheStatesOfTheirPlace(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "llama", nil)
	ctx, in := context.Background(), edit.Input{IDs: []int{5, 7, 1, 9, 8, 3}, Positions: []int{1, 4, 5}}
	for _, name := range []string{"jumprelu", "topk", "skip-transcoder"} {
		e := dictionary(t, m, modeltest.Path(t, "testdata/sparse/"+name), sparse.Options{})
		f, err := experiment.FeaturesOf(ctx, m, in, e, experiment.FeaturesOptions{Splice: true, Top: 24})
		require.NoError(t, err)
		set, err := states.Capture(ctx, m, in, []model.Place{e.In})
		require.NoError(t, err)
		v, err := set.Value(e.In)
		require.NoError(t, err)
		s := mlx.NewScope(m.Device())
		x := mlx.FromSlice(s, v.Data, 3, e.DIn)
		acts, err := mlx.Data[float32](e.Encode(x))
		require.NoError(t, err)
		back, err := mlx.Data[float32](e.Decode(e.Encode(x), x))
		require.NoError(t, err)
		s.Close()
		for i, c := range f.Cells {
			active := 0
			for _, a := range acts[i*24 : (i+1)*24] {
				if a > 0 {
					active++
				}
			}
			require.Equal(t, active, c.L0)
			require.Len(t, c.Top, active)
			for j, a := range c.Top {
				require.InDelta(t, acts[i*24+a.Feature], a.Activation, 1e-6)
				require.True(t, j == 0 || c.Top[j-1].Activation >= a.Activation)
			}
		}
		spliced := in
		spliced.Positions = nil
		spliced.Edits = []edit.Edit{{Place: e.Out, Op: edit.Set, Value: edit.Value{Shape: []int{3, e.DOut}, Data: back, Positions: in.Positions}}}
		c, err := lens.Compare(ctx, lens.Side{Model: m, Input: in}, lens.Side{Model: m, Input: spliced}, lens.CompareOptions{Layers: []int{-1}})
		require.NoError(t, err)
		require.InDelta(t, c.ByRow[0].KL, float64(f.Spliced.KL), 1e-5, name)
		require.Greater(t, float64(f.Spliced.KL), 0.0)
	}
}

// The judge is the model's own norm and unembedding of the row of W_dec; gpt2's norm and head have biases, by which what
// the negative of a row says is not the row's own with other signs.
func TestWhatADirectionLowersHasTheDirectionsOwnNumbers(t *testing.T) {
	t.Parallel()
	for name, hook := range map[string]string{"llama": "blocks.1.hook_resid_post", "gemma2": "blocks.1.hook_mlp_out", "gpt2": "blocks.1.hook_resid_post"} {
		m := modeltest.Architecture(t, name, nil)
		e := dictionary(t, m, identity(t, m.Shape().DModel, hook), sparse.Options{})
		f, err := experiment.FeaturesOf(context.Background(), m, edit.Input{IDs: []int{5, 7, 1}}, e, experiment.FeaturesOptions{Tokens: 3, Top: 2})
		require.NoError(t, err, name)
		figure := f.Figure()
		lowered := figure.Grids[len(figure.Grids)-1]
		require.Equal(t, "what they lower", lowered.Name)
		for i, feature := range f.Named {
			s := mlx.NewScope(m.Device())
			logits, err := mlx.Data[float32](mlx.AsType(model.ToLogits(m, e.Directions(s, []int{feature.Feature})), mlx.Float32))
			s.Close()
			require.NoError(t, err, name)
			total := 0.0
			for _, x := range logits {
				total += math.Exp(float64(x))
			}
			sorted := slices.Sorted(slices.Values(logits))
			slices.Reverse(sorted)
			for j, of := range [][]lens.Candidate{feature.Raises, feature.Lowers} {
				require.Len(t, of, 3)
				for k, c := range of {
					require.InDelta(t, logits[c.ID], c.Logit, 1e-5, "%s: #%d: %d of %d", name, feature.Feature, k, j)
					require.InDelta(t, math.Exp(float64(logits[c.ID]))/total, c.Prob, 1e-6, name)
				}
				slices.Reverse(sorted)
				require.InDelta(t, sorted[len(sorted)-1], of[0].Logit, 1e-5, "%s: the farthest is the first", name)
			}
			require.Less(t, feature.Lowers[0].Logit, 0.0, name)
			require.InDelta(t, feature.Lowers[0].Logit, lowered.Values[i][0], 0, "as it is printed")
		}
	}
}

func TestFeaturesThatCannotBeReadAreRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "llama", nil)
	e := dictionary(t, m, modeltest.Path(t, "testdata/sparse/standard"), sparse.Options{})
	in := edit.Input{IDs: []int{1, 2, 3}}
	late := in
	late.Edits = []edit.Edit{{Place: model.Place{Site: model.MLPOut, Layer: 2}, Op: edit.Zero}}
	for says, c := range map[string]struct {
		in edit.Input
		o  experiment.FeaturesOptions
	}{
		"top -1":                         {in, experiment.FeaturesOptions{Top: -1}},
		"97 tokens":                      {in, experiment.FeaturesOptions{Tokens: 97}},
		"it would change nothing":        {late, experiment.FeaturesOptions{}},
		"to read the states takes":       {in, experiment.FeaturesOptions{MaxMemory: 1}},
		"the prompt is empty":            {edit.Input{}, experiment.FeaturesOptions{}},
		"position 3 does not exist":      {edit.Input{IDs: in.IDs, Positions: []int{3}}, experiment.FeaturesOptions{}},
		"there is no model, or no dicti": {in, experiment.FeaturesOptions{Top: 1 << 20}},
	} {
		by := e
		if c.o.Top == 1<<20 {
			by = nil
		}
		_, err := experiment.FeaturesOf(context.Background(), m, c.in, by, c.o)
		require.ErrorContains(t, err, says)
	}
}
