package tuned

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
	"github.com/mlxlens/mlxlens/model"
)

// small is a lens of two layers and d_model 2.
func small() *Lens {
	l := &Lens{DModel: 2, Site: model.ResidPost}
	for i := range 2 {
		x := float32(i)
		l.Translators = append(l.Translators, Affine{Weight: []float32{1, x, 2, x}, Bias: []float32{x, 3}})
	}
	return l
}

func put(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func TestAMissingLensIsAnErrorThatSaysWhatIsWanted(t *testing.T) {
	dir := t.TempDir()
	for path, says := range map[string]string{
		"none":             "no such lens: want NAME.safetensors, mlxterp's NAME",
		"none.npz":         "none.json: no such file",
		"none.safetensors": "no such file",
		"params.pt":        "config.json: no such file",
		"":                 "the folder has no lens: want NAME.safetensors",
	} {
		_, err := Open(filepath.Join(dir, path))
		require.ErrorContains(t, err, says, path)
	}
	put(t, dir, "a.json", []byte(`{"num_layers": 2, "hidden_dim": 2}`))
	_, err := Open(filepath.Join(dir, "a"))
	require.ErrorContains(t, err, "a.npz: no such file")
	put(t, dir, "a.npz", nil)
	put(t, dir, "b.safetensors", nil)
	_, err = Open(dir)
	require.ErrorContains(t, err, "the folder has 2 lenses: give one of")
	put(t, dir, "params.pt", nil)
	_, err = Open(dir)
	require.ErrorContains(t, err, "the folder has 3 lenses: give one of")
}

func TestAFolderWithOneLensIsThatLens(t *testing.T) {
	dir := t.TempDir()
	var config, arrays bytes.Buffer
	require.NoError(t, small().WriteMLXterp(&config, &arrays))
	put(t, dir, "lens.v1.json", config.Bytes())
	put(t, dir, "lens.v1.npz", arrays.Bytes())
	for _, path := range []string{dir, filepath.Join(dir, "lens.v1"), filepath.Join(dir, "lens.v1.npz"), filepath.Join(dir, "lens.v1.x")} {
		l, err := Open(path)
		require.NoError(t, err)
		require.Equal(t, small().Translators, l.Translators)
	}
}

func TestAWrongMLXterpLensIsAnError(t *testing.T) {
	const config = `{"num_layers": 2, "hidden_dim": 2}`
	arrays := func(change func(a []checkpoint.Array) []checkpoint.Array) []byte {
		var b bytes.Buffer
		require.NoError(t, npz.Write(&b, change(small().arrays(mlxterpName))))
		return b.Bytes()
	}
	same := func(a []checkpoint.Array) []checkpoint.Array { return a }
	for says, c := range map[string]struct {
		config string
		arrays []byte
	}{
		"is not the JSON of a lens":               {`{"num_layers": "two"}`, arrays(same)},
		"num_layers is 0 and hidden_dim is 2":     {`{"hidden_dim": 2}`, arrays(same)},
		"num_layers is 2 and hidden_dim is 99999": {`{"num_layers": 2, "hidden_dim": 99999}`, arrays(same)},
		"the config says 3 layers, and the file lacks translators_2_weight, translators_2_bias": {
			`{"num_layers": 3, "hidden_dim": 2}`, arrays(same)},
		"the config says 1 layers, and the file also has translators_1_bias, translators_1_weight": {
			`{"num_layers": 1, "hidden_dim": 2}`, arrays(same)},
		`array "translators_0_weight" has the shape [2 2], not [4 4]`: {`{"num_layers": 2, "hidden_dim": 4}`, arrays(same)},
		"is of I32, not of floating-point numbers": {config, arrays(func(a []checkpoint.Array) []checkpoint.Array {
			a[1].Type = checkpoint.I32
			return a
		})},
		"the bias of translator 1 has +Inf at 0": {config, arrays(func(a []checkpoint.Array) []checkpoint.Array {
			a[3] = checkpoint.Float32Array(a[3].Name, []float32{float32(math.Inf(1)), 0}, 2)
			return a
		})},
		"is no .npz file, or is truncated": {config, []byte("hello")},
	} {
		dir := t.TempDir()
		put(t, dir, "x.json", []byte(c.config))
		put(t, dir, "x.npz", c.arrays)
		_, err := Open(filepath.Join(dir, "x"))
		require.ErrorContains(t, err, says)
	}
}

func TestAWrongSafetensorsLensIsAnError(t *testing.T) {
	good := map[string]string{keyFormat: format, keySite: "resid_post", keyForm: formAffine}
	with := func(key, value string) map[string]string {
		m := map[string]string{}
		for k, v := range good {
			m[k] = v
		}
		m[key] = value
		return m
	}
	arrays := small().arrays(small().name)
	for says, c := range map[string]struct {
		metadata map[string]string
		arrays   []checkpoint.Array
	}{
		`its metadata have the format "pt"`:                           {with(keyFormat, "pt"), arrays},
		`the form "x" is unknown`:                                     {with(keyForm, "x"), arrays},
		`site "layers.0.nothing" is unknown`:                          {with(keySite, "nothing"), arrays},
		"lacks layers.0.mlp_out.weight":                               {with(keySite, "mlp_out"), arrays},
		"lacks layers.1.resid_post.bias":                              {good, append(arrays[:3:3], checkpoint.Float32Array("more", nil, 0))},
		"has no translators":                                          {good, nil},
		`have the rank "x": want a number from 0 to below d_model, 2`: {with(keyRank, "x"), arrays},
		`have the rank "2": want a number from 0 to below d_model, 2`: {with(keyRank, "2"), arrays},
		"lacks layers.0.resid_post.up, layers.0.resid_post.down":      {with(keyRank, "1"), arrays},
		"and the file also has layers.0.resid_post.weight":            {with(keyRank, "0"), arrays},
		"only those of the form h + W·h + b may lack them":            {with(keyRank, "0"), []checkpoint.Array{arrays[1], arrays[3]}},
		`its metadata "fitted"`:                                       {with(keyFitted, "{"), arrays},
		"layers.0.resid_post.weight has the shape [4], not [2 2]": {
			good, append([]checkpoint.Array{checkpoint.Float32Array(arrays[0].Name, make([]float32, 4), 4)}, arrays[1:]...)},
	} {
		var b bytes.Buffer
		require.NoError(t, checkpoint.WriteSafetensors(&b, c.metadata, c.arrays))
		_, err := Open(put(t, t.TempDir(), "x.safetensors", b.Bytes()))
		require.ErrorContains(t, err, says)
	}
}

const alignmentTiny = "../../testdata/tuned/alignment/tiny-llama-d-linear-rope/"

// saved returns the entries of a recorded params.pt.
func saved(t testing.TB) map[string][]byte {
	z, err := zip.OpenReader(alignmentTiny + "params.pt")
	require.NoError(t, err)
	defer z.Close()
	entries := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		require.NoError(t, err)
		entries[f.Name], err = io.ReadAll(r)
		require.NoError(t, err)
	}
	return entries
}

func archive(t testing.TB, entries map[string][]byte, method uint16) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, data := range entries {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		require.NoError(t, err)
		_, err = w.Write(data)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

// alignmentLens is the recorded lens, to be changed.
type alignmentLens struct {
	t       *testing.T
	config  map[string]any
	entries map[string][]byte
}

func newAlignmentLens(t *testing.T) *alignmentLens {
	t.Helper()
	l := &alignmentLens{t: t, entries: saved(t)}
	text, err := os.ReadFile(alignmentTiny + "config.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &l.config))
	return l
}

// with is the config with another value of a key.
func (l *alignmentLens) with(key string, value any) map[string]any {
	config := maps.Clone(l.config)
	config[key] = value
	return config
}

// changed is params.pt with another content of an entry.
func (l *alignmentLens) changed(name string, change func(data []byte) []byte) []byte {
	entries := maps.Clone(l.entries)
	if data, ok := entries[name]; ok {
		entries[name] = change(bytes.Clone(data))
	}
	return archive(l.t, entries, zip.Store)
}

// running is params.pt with another program.
func (l *alignmentLens) running(program string) []byte {
	return l.changed("params/data.pkl", func([]byte) []byte { return []byte(program) })
}

// replaced is params.pt with other text in the program.
func (l *alignmentLens) replaced(old, new string) []byte {
	return l.changed("params/data.pkl", func(data []byte) []byte {
		require.Contains(l.t, string(data), old)
		return bytes.ReplaceAll(data, []byte(old), []byte(new))
	})
}

// requireError requires that a lens of the two files is refused.
func requireError(t *testing.T, config map[string]any, params []byte, says string) {
	t.Helper()
	dir := t.TempDir()
	text, err := json.Marshal(config)
	require.NoError(t, err)
	put(t, dir, "config.json", text)
	put(t, dir, "params.pt", params)
	_, err = Open(dir)
	require.ErrorContains(t, err, says)
}

func TestAnAlignmentLensWithAnotherConfigIsAnError(t *testing.T) {
	l := newAlignmentLens(t)
	whole := archive(t, l.entries, zip.Store)
	for says, config := range map[string]map[string]any{
		`lens_type "other" is unknown (have: linear_tuned_lens)`: l.with("lens_type", "other"),
		"num_hidden_layers is -1":                                l.with("num_hidden_layers", -1),
		"the config says 3 layers, and the file lacks 2.weight":  l.with("num_hidden_layers", 3),
		"the config says 1 layers, and the file also has 1.bias": l.with("num_hidden_layers", 1),
		"has the shape [64 64], not [65 65]":                     l.with("d_model", 65),
	} {
		requireError(t, config, whole, says)
	}
}

func TestAConfigWithAKeyTwiceIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"d_model": 64, "d_model": 128}`), 0o600))
	require.EqualError(t, readConfig(path, &struct{}{}), "tuned: "+path+`: it has "d_model" twice: programs differ in which they read; remove one`)
}

func TestAnAlignmentLensWithDamagedParametersIsAnError(t *testing.T) {
	l := newAlignmentLens(t)
	for says, params := range map[string][]byte{
		"is no file of torch.save":               []byte("\x80\x02N."),
		`has no entry "data.pkl"`:                archive(t, map[string][]byte{"x": nil}, zip.Store),
		"is compressed, or longer than the file": archive(t, l.entries, zip.Deflate),
		"ends too soon":                          l.changed("params/data.pkl", func(data []byte) []byte { return data[:100] }),
		"reaches beyond its storage":             l.changed("params/data/0", func(data []byte) []byte { return data[:4000] }),
		"the weight of translator 0 has NaN at 0": l.changed("params/data/0", func(data []byte) []byte {
			return append([]byte{0, 0, 0xc0, 0x7f}, data[4:]...)
		}),
	} {
		requireError(t, l.config, params, says)
	}
	fewer := maps.Clone(l.entries)
	delete(fewer, "params/data/3")
	requireError(t, l.config, archive(t, fewer, zip.Store), `has no entry "data/3"`)
}

func TestAPickleOfAnythingElseIsAnErrorAndIsNotRun(t *testing.T) {
	l := newAlignmentLens(t)
	for says, params := range map[string][]byte{
		`calls "torch._utils._rebuild_tensor_v9", which no dictionary of tensors needs: it is not run`: l.replaced("_rebuild_tensor_v2", "_rebuild_tensor_v9"),
		`calls "os.system\r"`: l.running("\x80\x02cos\nsystem\r\nX\x02\x00\x00\x00ls\x85R."),
		"is a torch.LongStorage (have: torch.BFloat16Storage,": l.replaced("FloatStorage", "LongStorage"),
		"opcode 0x95 is none that torch.save writes":           l.running("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f."),
		"is no dictionary of tensors":                          l.running("\x80\x02N."),
		"takes from an empty stack":                            l.running("\x80\x02R."),
	} {
		requireError(t, l.config, params, says)
	}
}

func TestALensWithoutBiasesHasNone(t *testing.T) {
	entries := saved(t)
	program := string(entries["params/data.pkl"])
	// the dictionary's items 0.weight and 1.weight alone, from their names to the next ones'
	at := func(name string) int { return bytes.Index([]byte(program), []byte("X\x08\x00\x00\x00"+name)) }
	bias := func(name string) int { return bytes.Index([]byte(program), []byte("X\x06\x00\x00\x00"+name)) }
	l, err := Open(alignmentTiny)
	require.NoError(t, err)
	dir := t.TempDir()
	text, err := os.ReadFile(alignmentTiny + "config.json")
	require.NoError(t, err)
	put(t, dir, "config.json", bytes.Replace(text, []byte(`"bias": true`), []byte(`"bias": false`), 1))
	end := bias("1.bias")
	entries["params/data.pkl"] = []byte(program[:bias("0.bias")] + program[at("1.weight"):end] + "u.")
	put(t, dir, "params.pt", archive(t, entries, zip.Store))
	got, err := Open(dir)
	require.NoError(t, err)
	require.Equal(t, l.Translators[1].Weight, got.Translators[1].Weight)
	require.Equal(t, make([]float32, l.DModel), got.Translators[1].Bias)
}
