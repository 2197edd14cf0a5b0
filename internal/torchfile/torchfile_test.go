package torchfile

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
)

func stored(x []float32, shape ...int) Stored {
	a := checkpoint.Float32Array("", x, shape...)
	return Stored{a.Type, shape, func(w io.Writer) error { _, err := w.Write(a.Bytes); return err }}
}

// sample has each kind of value that is written.
func sample() Items {
	return Items{
		{"J", Items{{0, stored([]float32{1, 2, 3, 4, 5, 6}, 2, 3)}, {7, stored([]float32{-1, 0.5}, 2)}}},
		{"n", 3}, {"large", 1 << 40}, {"negative", -70000}, {"half", 0.5}, {"yes", true}, {"no", false}, {"none", nil},
		{"list", []any{1, "é", []any{}}}, {"empty", Items{}},
	}
}

func written(t testing.TB, root Items) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Write(&b, root))
	return b.Bytes()
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	data := written(t, sample())
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	root := f.Root.(*Dict).Values
	require.Equal(t, 3, root["n"])
	require.Equal(t, 1<<40, root["large"])
	require.Equal(t, -70000, root["negative"])
	require.Equal(t, 0.5, root["half"])
	require.Equal(t, true, root["yes"])
	require.Equal(t, false, root["no"])
	require.Nil(t, root["none"])
	require.Equal(t, []any{1, "é", &List{}}, root["list"].(*List).Values)
	require.Empty(t, root["empty"].(*Dict).Values)
	j := root["J"].(*Dict).Values
	a, err := f.Array(j[0].(Tensor), "J", []int{2, 3})
	require.NoError(t, err)
	x, err := a.Float32()
	require.NoError(t, err)
	require.Equal(t, []float32{1, 2, 3, 4, 5, 6}, x)
	require.Equal(t, []int{2}, j[7].(Tensor).Shape())
	require.Equal(t, data, written(t, sample()), "equal values give equal files")
}

func TestEntriesBeginAtMultiplesOf64Bytes(t *testing.T) {
	data := written(t, sample())
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	require.Len(t, z.File, 5)
	for _, f := range z.File {
		at, err := f.DataOffset()
		require.NoError(t, err)
		require.Zero(t, at%64, f.Name)
	}
}

// MLXLENS_TORCH_PYTHON names a Python that has torch.
func TestTorchReadsWhatIsWritten(t *testing.T) {
	python := os.Getenv("MLXLENS_TORCH_PYTHON")
	if python == "" {
		t.Skip("MLXLENS_TORCH_PYTHON is not set")
	}
	path := filepath.Join(t.TempDir(), "x.pt")
	require.NoError(t, os.WriteFile(path, written(t, sample()), 0o600))
	for _, mmap := range []string{"False", "True"} {
		out, err := exec.Command(python, "-c", fmt.Sprintf(`import torch
r = torch.load(%q, map_location="cpu", weights_only=True, mmap=%s)
assert r["J"][0].tolist() == [[1, 2, 3], [4, 5, 6]] and r["J"][7].tolist() == [-1, 0.5]
assert (r["n"], r["large"], r["negative"], r["half"], r["yes"], r["no"], r["none"]) == (3, 2**40, -70000, 0.5, True, False, None)
assert r["list"] == [1, "é", []] and r["empty"] == {}`, path, mmap)).CombinedOutput()
		require.NoError(t, err, string(out))
	}
}

func TestWhatTorchCannotReadIsNotWritten(t *testing.T) {
	require.ErrorContains(t, Write(io.Discard, Items{{"x", struct{}{}}}), "struct {} is no value that torch.load reads")
	require.ErrorContains(t, Write(io.Discard, Items{{"x", Stored{Type: checkpoint.I32, Shape: []int{1}}}}), "a tensor of I32 and the shape [1] cannot be written")
	short := stored([]float32{1}, 1)
	short.Shape = []int{2}
	require.ErrorContains(t, Write(io.Discard, Items{{"x", short}}), "tensor 0: 4 bytes were written")
}

func TestAFileOfOldTorchIsNamed(t *testing.T) {
	old := append([]byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."), make([]byte, 100)...) // as torch 1.5 begins
	require.True(t, Begins(old))
	_, err := Open(bytes.NewReader(old), int64(len(old)))
	require.ErrorContains(t, err, "before version 1.6: load it with torch.load, and save it again")
	require.False(t, Begins([]byte{0x80, 2, 0, 0})) // the header length of safetensors
}

func TestViewsOfAStorageAreGathered(t *testing.T) {
	data := []byte{0, 1, 2, 3, 4, 5, 6, 7}
	for _, c := range []struct {
		view Tensor
		want []byte // nil: it reaches beyond
	}{
		{Tensor{offset: 1, shape: []int{2, 3}, stride: []int{3, 1}}, []byte{1, 2, 3, 4, 5, 6}},
		{Tensor{shape: []int{2, 3}, stride: []int{1, 2}}, []byte{0, 2, 4, 1, 3, 5}},
		{Tensor{offset: 6, shape: []int{2}, stride: []int{1}}, []byte{6, 7}},
		{Tensor{offset: 7, shape: []int{2}, stride: []int{1}}, nil},
		{Tensor{offset: -1, shape: []int{2}, stride: []int{1}}, nil},
		{Tensor{shape: []int{2}, stride: []int{math.MaxInt}}, nil},
		{Tensor{shape: []int{2}, stride: []int{-1}}, nil},
	} {
		got, err := c.view.gather(data, 1)
		if c.want == nil {
			require.ErrorContains(t, err, "reaches beyond its storage")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	expanded := Tensor{shape: []int{3, 3}, stride: []int{0, 1}}
	_, err := expanded.gather(data, 1)
	require.ErrorContains(t, err, "is expanded: some of its elements are one (stride 0)")
}

func TestAProgramThatMisusesListsAndKeysIsAnError(t *testing.T) {
	for program, says := range map[string]string{
		"\x80\x02}K\x01a.":         "appends to something else than a list",
		"\x80\x02](K\x01u.":        "sets items of",
		"\x80\x02}(NK\x01u.":       "has a key that is neither text nor a number",
		"\x80\x02}(K\x01NK\x01Nu.": "has the key 1 twice",
		"\x80\x02G\x00.":           "ends too soon",
	} {
		_, err := unpickle([]byte(program))
		require.ErrorContains(t, err, says)
	}
}

// tensorsIn calls visit with the tensors of a value.
func tensorsIn(v any, depth int, visit func(Tensor)) {
	switch v := v.(type) {
	case Tensor:
		visit(v)
	case *Dict:
		for _, x := range v.Values {
			if depth > 0 {
				tensorsIn(x, depth-1, visit)
			}
		}
	}
}

func FuzzTorch(f *testing.F) {
	data := written(f, sample())
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	require.NoError(f, err)
	r, err := z.Open("archive/data.pkl")
	require.NoError(f, err)
	program, err := io.ReadAll(r)
	require.NoError(f, err)
	f.Add(data, program)
	f.Fuzz(func(_ *testing.T, file, program []byte) {
		if root, err := unpickle(program); err == nil {
			tensorsIn(root, 2, func(x Tensor) { _, _ = x.gather(make([]byte, 4096), 4) })
		}
		pt, err := Open(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		tensorsIn(pt.Root, 2, func(x Tensor) { _, _ = pt.Array(x, "x", x.Shape()) })
	})
}
