package jacobian_test

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/internal/torchfile"
	"github.com/mlxlens/mlxlens/lens/jacobian"
)

// small is a lens of two layers and d_model 2.
func small(t *testing.T) *jacobian.Lens {
	t.Helper()
	l, err := jacobian.New(map[int][]float32{0: {1, 2, 3, 4}, 2: {0.5, -1, 65504, 0}}, 2, 7, 4, jacobian.Metadata{
		"model_name": "m", "list": []any{1, 0.5, nil}, "nested": jacobian.Metadata{"yes": true}, "corpus": "c",
	})
	require.NoError(t, err)
	return l
}

func open(t *testing.T, path string) *jacobian.Lens {
	t.Helper()
	l, err := jacobian.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// put writes a file.
func put(t *testing.T, name string, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, write(&b))
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	return path
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	want := small(t)
	for _, typ := range []checkpoint.Type{checkpoint.F16, checkpoint.F32} {
		for name, write := range map[string]func(io.Writer, checkpoint.Type) error{"x.pt": want.WritePT, "x.safetensors": want.WriteSafetensors} {
			path := put(t, name, func(w io.Writer) error { return write(w, typ) })
			got := open(t, path)
			require.Equal(t, []int{0, 2}, got.Layers)
			require.Equal(t, 7, got.Prompts)
			require.Equal(t, 2, got.DModel)
			require.Equal(t, 4, got.Target)
			require.Equal(t, "m", got.Model())
			require.Equal(t, []any{1, 0.5, nil}, got.Metadata["list"])
			require.Equal(t, jacobian.Metadata{"yes": true}, got.Metadata["nested"])
			for _, layer := range want.Layers {
				require.Equal(t, matrix(t, want, layer), matrix(t, got, layer))
			}
			again := put(t, name, func(w io.Writer) error { return write(w, typ) })
			a, err := os.ReadFile(path)
			require.NoError(t, err)
			b, err := os.ReadFile(again)
			require.NoError(t, err)
			require.Equal(t, a, b)
		}
	}
	large, err := jacobian.New(map[int][]float32{0: {65520}}, 1, 1, 1, nil)
	require.NoError(t, err)
	require.ErrorContains(t, large.WritePT(io.Discard, checkpoint.F16), "layer 0 has 65520 in row 0, which 16 bits cannot hold: write it with 32")
}

func TestTransformerLensFilesAreRead(t *testing.T) {
	want := load(t).Models[1]
	require.Equal(t, "llama", want.Architecture)
	m := modeltest.Architecture(t, "llama", nil)
	for name, part := range map[string]float64{"llama.pt": 1e-3, "llama-checkpoint.pt": 1e-6} { // float16, float32
		l := open(t, modeltest.Path(t, "testdata/jacobian/"+name))
		require.NoError(t, l.Fits(m, jacobian.Options{}))
		require.Equal(t, 3, l.Prompts)
		require.Equal(t, m.Shape().Layers-1, l.Target)
		for _, w := range want.Matrices {
			requireClose(t, w.Rows["0"], matrix(t, l, w.Layer)[:l.DModel], part, name)
		}
	}
}

// MLXLENS_TRANSFORMERLENS_PYTHON names a Python that has transformer-lens 4.
func TestTransformerLensReadsWhatIsWritten(t *testing.T) {
	python := os.Getenv("MLXLENS_TRANSFORMERLENS_PYTHON")
	if python == "" {
		t.Skip("MLXLENS_TRANSFORMERLENS_PYTHON is not set")
	}
	m := modeltest.Architecture(t, "llama", nil)
	f, err := jacobian.NewFit(m, jacobian.FitOptions{Skip: 16})
	require.NoError(t, err)
	require.NoError(t, f.Add(t.Context(), load(t).Models[1].Prompts[0], nil))
	l, err := f.Lens(jacobian.Metadata{"model_name": "llama"})
	require.NoError(t, err)
	lens := put(t, "lens.pt", func(w io.Writer) error { return l.WritePT(w, checkpoint.F32) })
	fit := put(t, "fit.pt", func(w io.Writer) error { return f.Save(w, jacobian.Metadata{"model_name": "llama"}) })
	out, err := exec.Command(python, "-c", `import sys
from transformer_lens.tools.analysis import JacobianLens
a, b = (JacobianLens.load(p) for p in sys.argv[1:])
assert a.n_prompts == b.n_prompts == 1 and a.metadata["model_name"] == b.metadata["model_name"] == "llama"
assert a.source_layers == b.source_layers and all((a.jacobians[l] == b.jacobians[l]).all() for l in a.source_layers)
JacobianLens.merge([a, a])`, lens, fit).CombinedOutput()
	require.NoError(t, err, string(out))
}

// TransformerLens 4.3.0 merges lenses whose metadata are the same but for n_prompts (JacobianLens.merge), and loads J, n_prompts,
// d_model and metadata alone (JacobianLens.load).
func TestShardsDifferWhereTransformerLensDoesNotCompare(t *testing.T) {
	var paths []string
	for _, shard := range []string{"p", "q"} {
		l, err := jacobian.New(map[int][]float32{0: {1, 2, 3, 4}}, 2, 1, 1, jacobian.Metadata{
			"model_name": "m", "n_prompts": 1, jacobian.Digest: shard, jacobian.Digests: []any{shard}, jacobian.Errors: []any{nil}, jacobian.Origin: shard,
		})
		require.NoError(t, err)
		path := put(t, "x.pt", func(w io.Writer) error { return l.WritePT(w, checkpoint.F32) })
		root := rootOf(t, path)
		keys := root.Values["metadata"].(*torchfile.Dict).Values
		require.Equal(t, map[any]any{"model_name": "m", "n_prompts": 1, "target_layer": 1}, keys)
		require.Equal(t, l.Metadata[jacobian.Digests], open(t, path).Metadata[jacobian.Digests])
		require.Equal(t, shard, open(t, path).Metadata[jacobian.Origin])
		paths = append(paths, path)
	}
	_, err := jacobian.Merge(open(t, paths[0]), open(t, paths[0]))
	require.ErrorContains(t, err, "would count twice")
	merged, err := jacobian.Merge(open(t, paths[0]), open(t, paths[1]))
	require.NoError(t, err)
	require.Equal(t, []any{"p", "q"}, merged.Metadata[jacobian.Digests])
	before := put(t, "old.pt", func(w io.Writer) error { // as they were written before
		return torchfile.Write(w, torchfile.Items{{Key: "J", Value: torchfile.Items{{Key: 0, Value: torchfile.Stored{Type: checkpoint.F32, Shape: []int{1, 1}, Write: func(w io.Writer) error { _, err := w.Write(make([]byte, 4)); return err }}}}},
			{Key: "d_model", Value: 1}, {Key: "metadata", Value: torchfile.Items{{Key: jacobian.Digest, Value: "p"}}}})
	})
	require.Equal(t, "p", open(t, before).Metadata[jacobian.Digest])
}

// rootOf is the dictionary of a .pt.
func rootOf(t *testing.T, path string) *torchfile.Dict {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	f, err := torchfile.Open(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	return f.Root.(*torchfile.Dict)
}

func TestAFileThatIsNoLensIsAnError(t *testing.T) {
	tensor := func(d int, typ checkpoint.Type, bytes int) torchfile.Stored {
		return torchfile.Stored{Type: typ, Shape: []int{d, d}, Write: func(w io.Writer) error { _, err := w.Write(make([]byte, bytes)); return err }}
	}
	one := torchfile.Items{{Key: 0, Value: tensor(2, checkpoint.F32, 16)}}
	with := func(items ...torchfile.Item) torchfile.Items { return items }
	for says, root := range map[string]torchfile.Items{
		`is no Jacobian lens: it has neither "J"`:                    with(torchfile.Item{Key: "x", Value: 1}),
		`has no "d_model": want a whole number`:                      with(torchfile.Item{Key: "J", Value: one}),
		`has None under "d_model": want a whole number`:              with(torchfile.Item{Key: "J", Value: one}, torchfile.Item{Key: "d_model", Value: nil}),
		`has the float 2 under "d_model": want a whole number, an`:   with(torchfile.Item{Key: "J", Value: one}, torchfile.Item{Key: "d_model", Value: 2.0}),
		`has "x" under "n_prompts"`:                                  with(torchfile.Item{Key: "J", Value: one}, torchfile.Item{Key: "d_model", Value: 2}, torchfile.Item{Key: "n_prompts", Value: "x"}),
		`layer 0 has the shape [2 2], and d_model is 3`:              with(torchfile.Item{Key: "J", Value: one}, torchfile.Item{Key: "d_model", Value: 3}),
		`has under "J" no dictionary of layers`:                      with(torchfile.Item{Key: "J", Value: 1}, torchfile.Item{Key: "d_model", Value: 3}),
		`has under "J" the key "0"`:                                  with(torchfile.Item{Key: "J", Value: torchfile.Items{{Key: "0", Value: 1}}}, torchfile.Item{Key: "d_model", Value: 2}),
		`has no matrices`:                                            with(torchfile.Item{Key: "J", Value: torchfile.Items{}}, torchfile.Item{Key: "d_model", Value: 2}),
		`has matrices of the layers -1 to -1, and no model has them`: with(torchfile.Item{Key: "J", Value: torchfile.Items{{Key: -1, Value: tensor(1, checkpoint.F16, 2)}}}, torchfile.Item{Key: "d_model", Value: 1}),
		`has done 0 prompts: there is no mean of them`:               with(torchfile.Item{Key: "jacobian_sum", Value: one}, torchfile.Item{Key: "n_done", Value: 0}),
		`has metadata that are no dictionary`:                        with(torchfile.Item{Key: "J", Value: one}, torchfile.Item{Key: "d_model", Value: 2}, torchfile.Item{Key: "metadata", Value: 1}),
		`has a matrix of layer 0, and maps to layer 0`:               with(torchfile.Item{Key: "jacobian_sum", Value: one}, torchfile.Item{Key: "n_done", Value: 1}, torchfile.Item{Key: "target_layer", Value: 0}),
	} {
		_, err := jacobian.Open(put(t, "x.pt", func(w io.Writer) error { return torchfile.Write(w, root) }))
		require.ErrorContains(t, err, says)
	}
	_, err := jacobian.Open(put(t, "x.safetensors", func(w io.Writer) error { return checkpoint.WriteSafetensors(w, nil, nil) }))
	require.ErrorIs(t, err, jacobian.ErrOther)
	nan := put(t, "x.pt", func(w io.Writer) error {
		return torchfile.Write(w, with(torchfile.Item{Key: "J", Value: torchfile.Items{{Key: 3, Value: torchfile.Stored{Type: checkpoint.F16, Shape: []int{1, 1}, Write: func(w io.Writer) error {
			_, err := w.Write([]byte{0, 0x7e})
			return err
		}}}}}, torchfile.Item{Key: "d_model", Value: 1}))
	})
	_, err = open(t, nan).Matrix(3)
	require.ErrorContains(t, err, "the matrix of layer 3 has NaN in row 0: its fit went wrong, or the file is damaged")
}

// torch.save writes a storage once that several tensors have.
func TestLayersThatShareATensorAreRefusedByName(t *testing.T) {
	tensor := torchfile.Stored{Type: checkpoint.F16, Shape: []int{64, 64}, Write: func(w io.Writer) error { _, err := w.Write(make([]byte, 2*64*64)); return err }}
	var two, shared bytes.Buffer
	require.NoError(t, torchfile.Write(&two, torchfile.Items{{Key: "J", Value: torchfile.Items{{Key: 0, Value: tensor}, {Key: 1, Value: tensor}}}, {Key: "d_model", Value: 64}}))
	z, err := zip.NewReader(bytes.NewReader(two.Bytes()), int64(two.Len()))
	require.NoError(t, err)
	out := zip.NewWriter(&shared)
	for _, f := range z.File {
		data, err := fs.ReadFile(z, f.Name)
		require.NoError(t, err)
		switch {
		case strings.HasSuffix(f.Name, "/data/1"):
			continue
		case strings.HasSuffix(f.Name, "/data.pkl"):
			name := func(storage string) []byte { return []byte("X\x01\x00\x00\x00" + storage) } // BINUNICODE
			require.Equal(t, 1, bytes.Count(data, name("1")))
			data = bytes.ReplaceAll(data, name("1"), name("0"))
		}
		w, err := out.CreateHeader(&zip.FileHeader{Name: f.Name})
		require.NoError(t, err)
		_, err = w.Write(data)
		require.NoError(t, err)
	}
	require.NoError(t, out.Close())
	_, err = jacobian.Open(put(t, "x.pt", func(w io.Writer) error { _, err := w.Write(shared.Bytes()); return err }))
	require.ErrorContains(t, err, "2 matrices of d_model 64 take at least 16384: it is cut short, or layers share a tensor's numbers, which is not read: save a clone of each")
}

func TestALensOfAnotherModelIsAnError(t *testing.T) {
	m := modeltest.Architecture(t, "llama", nil)
	d, last := m.Shape().DModel, m.Shape().Layers-1
	lens := func(d, layer, target int, about jacobian.Metadata) *jacobian.Lens {
		l, err := jacobian.New(map[int][]float32{layer: make([]float32, d*d)}, d, 1, target, about)
		require.NoError(t, err)
		return l
	}
	for says, l := range map[string]*jacobian.Lens{
		"is a lens of d_model 3 and the layers 0, of other, and the model has d_model 64": lens(3, 0, last, jacobian.Metadata{"model_name": "other"}),
		"the last of which has none":                    lens(d, last, last+1, nil),
		"maps to layer 1, and the model's last":         lens(d, 0, 1, nil),
		"is a lens of a model with another unembedding": lens(d, 0, last, jacobian.Metadata{"unembedding_sha256": "0123456789abcdef"}),
	} {
		require.ErrorContains(t, l.Fits(m, jacobian.Options{}), says)
	}
	require.NoError(t, lens(d, 0, last, jacobian.Metadata{"unembedding_sha256": "0"}).Fits(m, jacobian.Options{AnyUnembedding: true}))
}

func TestAnOwnFileIsReadByThePlacesThatItNames(t *testing.T) {
	own := func(version string, names ...string) (string, []float32) {
		var arrays []checkpoint.Array
		for _, name := range names {
			arrays = append(arrays, checkpoint.Float32Array(name, []float32{1, 2, 3, 4}, 2, 2))
		}
		return put(t, "x.safetensors", func(w io.Writer) error {
			return checkpoint.WriteSafetensors(w, map[string]string{"format": version, "n_prompts": "1", "metadata": "{}"}, arrays)
		}), []float32{1, 2, 3, 4}
	}
	path, want := own("mlxlens.jacobian/1", "blocks.0.hook_resid_post")
	require.Equal(t, want, matrix(t, open(t, path), 0))
	path, _ = own("mlxlens.jacobian/1", "blocks.0.hook_resid_post", "layers.0.resid_post")
	_, err := jacobian.Open(path)
	require.ErrorContains(t, err, "has two matrices of layer 0, ")
	path, _ = own("mlxlens.jacobian/2", "layers.0.resid_post")
	_, err = jacobian.Open(path)
	require.ErrorContains(t, err, `have the format "mlxlens.jacobian/2", and this version reads "mlxlens.jacobian/1": take a newer mlxlens`)
	require.NotErrorIs(t, err, jacobian.ErrOther)
}

// The variance of a mean of parts is that of the parts' means.
func TestTheErrorOfAMergedLensIsThatOfItsParts(t *testing.T) {
	part := func(name string, n int, j []float32, e any) *jacobian.Lens {
		l, err := jacobian.New(map[int][]float32{0: j}, 2, n, 3, jacobian.Metadata{jacobian.Digest: name, jacobian.Errors: []any{e}})
		require.NoError(t, err)
		return l
	}
	a, b := part("a", 1, []float32{3, 0, 0, 4}, 0.1), part("b", 3, []float32{0, 6, 8, 0}, 0.2) // norms 5 and 10
	both, err := jacobian.Merge(a, b)
	require.NoError(t, err)
	norm := math.Sqrt(9+16+18*18+24*24) / 4
	require.InDelta(t, math.Sqrt(.5*.5+6*6)/4/norm, both.Errors()[0], 1e-12)
	unknown, err := jacobian.Merge(a, part("c", 1, []float32{1, 1, 1, 1}, nil))
	require.NoError(t, err)
	require.True(t, math.IsNaN(unknown.Errors()[0]))
}
