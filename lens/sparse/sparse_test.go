package sparse_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens/sparse"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

const recorded = "../../testdata/sparse/"

// scope is the JumpReLU autoencoder in Gemma Scope's form.
const scope = recorded + "gemma-scope-2b-pt-res/layer_1/width_16k/average_l0_5/params.npz"

// expected is testdata/sparse/expected.json.gz: what SAELens makes of some states.
type expected struct {
	States [][]float32 `json:"states"`
	Cases  map[string]struct {
		Activations    [][]float32 `json:"activations"`
		Reconstruction [][]float32 `json:"reconstruction"`
	} `json:"cases"`
}

func expectation(t *testing.T) expected {
	t.Helper()
	var e expected
	require.NoError(t, golden.Read(recorded+"expected.json.gz", &e))
	return e
}

func on(t *testing.T, path string, m model.Model, o sparse.Options) *sparse.Encoder {
	t.Helper()
	a, err := sparse.Open(path)
	require.NoError(t, err)
	e, err := a.On(m, o)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return e
}

func TestDictionariesAreSAELens(t *testing.T) {
	t.Parallel()
	m, want := modeltest.Architecture(t, "llama", nil), expectation(t)
	paths := map[string]string{"jumprelu as npz": scope}
	for name := range want.Cases {
		paths[name] = recorded + name
	}
	require.Len(t, paths, 11)
	for name, path := range paths {
		e := on(t, path, m, sparse.Options{})
		by := want.Cases[strings.TrimSuffix(name, " as npz")]
		s := mlx.NewScope(m.Device())
		x := mlx.FromSlice(s, slices.Concat(want.States...), len(want.States), e.DIn)
		acts := e.Encode(x)
		got, err := mlx.Data[float32](acts)
		require.NoError(t, err, name)
		require.InDeltaSlice(t, slices.Concat(by.Activations...), got, 1e-4, name)
		active := 0
		for _, a := range got {
			if a > 0 {
				active++
			}
		}
		require.Positive(t, active, name)
		require.Less(t, active, len(got), name)
		back, err := mlx.Data[float32](e.Decode(acts, x))
		require.NoError(t, err, name)
		require.InDeltaSlice(t, slices.Concat(by.Reconstruction...), back, 1e-4, name)
		s.Close()
	}
}

func TestADictionaryKnowsItsPlaces(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "llama", nil)
	post := model.Place{Site: model.ResidPost, Layer: 1}
	for _, path := range []string{recorded + "standard", recorded + "standard/cfg.json", recorded + "standard/sae_weights.safetensors", scope} {
		e := on(t, path, m, sparse.Options{})
		require.Equal(t, [2]model.Place{post, post}, [2]model.Place{e.In, e.Out}, path)
	}
	e := on(t, recorded+"transcoder", m, sparse.Options{})
	require.Equal(t, [2]model.Place{{Site: model.MLPNorm, Layer: 1}, {Site: model.MLPOut, Layer: 1}}, [2]model.Place{e.In, e.Out})
	e = on(t, recorded+"standard", m, sparse.Options{In: "layers.2.mlp_out"})
	require.Equal(t, model.Place{Site: model.MLPOut, Layer: 2}, e.Out)
}

func TestADirectionIsARowOfTheDecoder(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "llama", nil)
	for _, path := range []string{recorded + "jumprelu", scope} {
		e := on(t, path, m, sparse.Options{})
		s := mlx.NewScope(m.Device())
		defer s.Close()
		rows, err := mlx.Data[float32](e.Directions(s, []int{7, 2}))
		require.NoError(t, err)
		for i, f := range []int{7, 2} {
			row, err := e.Direction(f)
			require.NoError(t, err)
			require.Equal(t, row, rows[i*e.DOut:(i+1)*e.DOut])
		}
		_, err = e.Direction(24)
		require.ErrorContains(t, err, "feature 24: there are 24 (0–23)")
	}
}

// changed is a copy of a recorded dictionary with other text in cfg.json.
func changed(t *testing.T, name, from, to string) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range []string{"cfg.json", "sae_weights.safetensors"} {
		data, err := os.ReadFile(filepath.Join(recorded, name, file))
		require.NoError(t, err)
		if file == "cfg.json" {
			require.Contains(t, string(data), from)
			data = []byte(strings.Replace(string(data), from, to, 1))
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), data, 0o600))
	}
	return dir
}

func TestWhatIsNoDictionaryIsRefused(t *testing.T) {
	t.Parallel()
	for says, path := range map[string]string{
		"no such dictionary":                                         "nowhere",
		`the architecture "matching_pursuit" is not read`:            changed(t, "standard", `"architecture": "standard"`, `"architecture": "matching_pursuit"`),
		"it has no array threshold":                                  changed(t, "standard", `"architecture": "standard"`, `"architecture": "jumprelu"`),
		`it has the array "threshold", which`:                        changed(t, "jumprelu", `"architecture": "jumprelu"`, `"architecture": "standard"`),
		"W_dec has the shape [24 64], and d_in 64, d_out 64 and 25":  changed(t, "standard", `"d_sae": 24`, `"d_sae": 25`),
		"k is 25, and there are 24 features":                         changed(t, "topk", `"k": 5`, `"k": 25`),
		"k is no whole number":                                       changed(t, "topk", `"k": 5`, `"k": 2.5`),
		"are no sizes of a dictionary":                               changed(t, "standard", `"d_sae": 24`, `"d_sae": -1`),
		`normalize_activations "other" is not read`:                  changed(t, "standard", `"normalize_activations": "none"`, `"normalize_activations": "other"`),
		"it reads one head (hook_head_index 3)":                      changed(t, "standard", `"model_name"`, `"hook_head_index": 3, "model_name"`),
		"is not the JSON of a dictionary":                            changed(t, "standard", `{"d_in"`, `{"d_in`),
		`the activation_fn "tanh-relu" is not read`:                  changed(t, "standard", `{"d_in"`, `{"activation_fn_str": "tanh-relu", "d_in"`),
		"d_in is 64 and d_out 32, and the architecture \"standard\"": changed(t, "standard", `{"d_in"`, `{"d_out": 32, "d_in"`),
	} {
		a, err := sparse.Open(path)
		require.ErrorContains(t, err, says)
		require.Nil(t, a)
	}
}

func TestADictionaryOfAnotherModelIsRefused(t *testing.T) {
	t.Parallel()
	m, small := modeltest.Tiny(t), modeltest.Architecture(t, "llama", nil)
	for says, c := range map[string]struct {
		path string
		m    model.Model
		o    sparse.Options
	}{
		`reads states of 64 numbers at layers.1.resid_post, and the model has 128 there: it is a dictionary of another model, "tiny"`: {recorded + "standard", m, sparse.Options{}},
		"does not say which place it is of":                         {changed(t, "standard", `"hook_name": "blocks.1.hook_resid_post"`, `"hook": ""`), small, sparse.Options{}},
		"does not say which place it reconstructs":                  {changed(t, "transcoder", `"hook_name_out"`, `"hook_out"`), small, sparse.Options{}},
		"the model has 3 layers":                                    {recorded + "standard", small, sparse.Options{In: "layers.9.resid_post"}},
		"the norm's gain: attn_norm, mlp_norm":                      {changed(t, "transcoder", `ln2.hook_out`, `ln2.hook_normalized`), small, sparse.Options{}},
		"the model has 0 there":                                     {recorded + "standard", small, sparse.Options{In: "layers.1.pattern"}},
		"allow more memory":                                         {recorded + "standard", small, sparse.Options{MaxMemory: 1 << 20}},
		"W_enc has NaN or an infinity: its training went wrong, or": {damaged(t), small, sparse.Options{}},
	} {
		a, err := sparse.Open(c.path)
		require.NoError(t, err)
		_, err = a.On(c.m, c.o)
		a.Close()
		require.ErrorContains(t, err, says)
	}
}

// damaged is a dictionary with NaN in its encoder.
func damaged(t *testing.T) string {
	t.Helper()
	dir := changed(t, "standard", `"k"`[:0], "")
	path := filepath.Join(dir, "sae_weights.safetensors")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var header map[string]struct {
		Offsets [2]int `json:"data_offsets"`
	}
	n := int(data[0]) | int(data[1])<<8
	var raw map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data[8:8+n], &raw))
	delete(raw, "__metadata__")
	text, err := json.Marshal(raw)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &header))
	at := 8 + n + header["W_enc"].Offsets[0] + 4*100
	copy(data[at:], []byte{0, 0, 0xc0, 0x7f})
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return dir
}
