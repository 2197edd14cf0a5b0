package npz_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	peer "github.com/sbinet/npyio/npz"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
)

var arrays = []checkpoint.Array{
	checkpoint.Float32Array("layers.0.resid_post", []float32{1, -2, 3.5, 0, 5, 6}, 2, 3),
	checkpoint.Float32Array("vector", []float32{7, 8}, 2),
	checkpoint.Float32Array("cube", []float32{0, 1, 2, 3, 4, 5, 6, 7}, 2, 2, 2),
	checkpoint.Float32Array("scalar", []float32{9}),
	checkpoint.Float32Array("none", nil, 0, 4),
	checkpoint.Int32Array("ids", []int{7, -1}),
	{Name: "half", Type: checkpoint.F16, Shape: []int{2}, Bytes: []byte{0, 0x3c, 0, 0xc0}},
	{Name: "bytes", Type: checkpoint.U8, Shape: []int{3}, Bytes: []byte("é!")},
}

func save(t *testing.T, arrays []checkpoint.Array) string {
	t.Helper()
	var file bytes.Buffer
	require.NoError(t, npz.Write(&file, arrays))
	path := filepath.Join(t.TempDir(), "a.npz")
	require.NoError(t, os.WriteFile(path, file.Bytes(), 0o600))
	return path
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	t.Parallel()
	f, err := npz.Open(save(t, arrays))
	require.NoError(t, err)
	defer f.Close()
	require.Len(t, f.Names(), len(arrays))
	for _, want := range arrays {
		got, err := f.Array(want.Name, nil)
		require.NoError(t, err)
		require.ElementsMatch(t, want.Shape, got.Shape, want.Name)
		require.Equal(t, want.Type, got.Type)
		require.True(t, bytes.Equal(want.Bytes, got.Bytes), want.Name)
	}
	_, err = f.Array("ids", []int{3})
	require.ErrorContains(t, err, `array "ids" has the shape [2], not [3]`)
	_, err = f.Array("nothing", nil)
	require.ErrorContains(t, err, `has no array "nothing" (have: bytes, cube, half,`)
}

func TestNpyioReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	z, err := peer.Open(save(t, arrays))
	require.NoError(t, err)
	defer z.Close()
	for _, want := range arrays {
		h := z.Header(want.Name + ".npy")
		require.NotNil(t, h, want.Name)
		require.ElementsMatch(t, want.Shape, h.Descr.Shape, want.Name)
		if want.Type != checkpoint.F32 || len(want.Bytes) == 0 {
			continue // it has no float16
		}
		var got []float32
		require.NoError(t, z.Read(want.Name+".npy", &got))
		numbers, err := want.Float32()
		require.NoError(t, err)
		require.Equal(t, numbers, got, want.Name)
	}
}

func TestNumPyReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	python := os.Getenv("MLXLENS_PYTHON")
	if python == "" || exec.Command(python, "-c", "import numpy").Run() != nil {
		t.Skip("$MLXLENS_PYTHON does not name an interpreter that has numpy")
	}
	const program = `
import sys, numpy
for name, a in sorted(numpy.load(sys.argv[1]).items()):
    print(name, a.dtype, list(a.shape), a.ravel().tolist())`
	out, err := exec.CommandContext(t.Context(), python, "-c", program, save(t, arrays)).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, `bytes uint8 [3] [195, 169, 33]
cube float32 [2, 2, 2] [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
half float16 [2] [1.0, -2.0]
ids int32 [2] [7, -1]
layers.0.resid_post float32 [2, 3] [1.0, -2.0, 3.5, 0.0, 5.0, 6.0]
none float32 [0, 4] []
scalar float32 [] [9.0]
vector float32 [2] [7.0, 8.0]
`, string(out))
}

// entry makes a file with one array of such a header, and data, compressed or not.
func entry(t *testing.T, header string, data []byte, method uint16) string {
	t.Helper()
	var file bytes.Buffer
	z := zip.NewWriter(&file)
	w, err := z.CreateHeader(&zip.FileHeader{Name: "x.npy", Method: method})
	require.NoError(t, err)
	_, err = w.Write(append([]byte(header), data...))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	path := filepath.Join(t.TempDir(), "x.npz")
	require.NoError(t, os.WriteFile(path, file.Bytes(), 0o600))
	return path
}

// v1 is a header of NumPy's format 1.
func v1(dictionary string) string {
	return "\x93NUMPY\x01\x00" + string([]byte{byte(len(dictionary)), byte(len(dictionary) >> 8)}) + dictionary
}

func read(path string) (checkpoint.Array, error) {
	f, err := npz.Open(path)
	if err != nil {
		return checkpoint.Array{}, err
	}
	defer f.Close()
	return f.Array("x", nil)
}

func TestOtherSpellingsAreRead(t *testing.T) {
	t.Parallel()
	six := checkpoint.Float32Array("", []float32{0, 1, 2, 3, 4, 5}).Bytes
	for name, c := range map[string]struct {
		file  string
		shape []int
		want  []float32
	}{
		"columns first, as MLX saves a transposed matrix": {
			entry(t, v1("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2, )}  \n"), six, zip.Store), []int{3, 2}, []float32{0, 3, 1, 4, 2, 5}},
		"columns first of three axes": {
			entry(t, v1("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2, 3), }\n"), six, zip.Store), []int{1, 2, 3}, []float32{0, 2, 4, 1, 3, 5}},
		"compressed, as numpy.savez_compressed does": {
			entry(t, v1("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }\n"), six, zip.Deflate), []int{6}, []float32{0, 1, 2, 3, 4, 5}},
		"MLX's bfloat16": {
			entry(t, v1("{'descr': '<V2', 'fortran_order': False, 'shape': (2, )}\n"), []byte{0x80, 0x3f, 0, 0xc0}, zip.Store), []int{2}, []float32{1, -2}},
		"MLX's scalar": {entry(t, v1("{'descr': '<f4', 'fortran_order': True, 'shape': ()} \n"), six[4:8], zip.Store), []int{}, []float32{1}},
		"format 2": {
			entry(t, "\x93NUMPY\x02\x00\x3a\x00\x00\x00"+"{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }\n", []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x3f}, zip.Store), []int{1}, []float32{1.5}},
	} {
		a, err := read(c.file)
		require.NoError(t, err, name)
		require.Equal(t, c.shape, a.Shape, name)
		got, err := a.Float32()
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
}

func TestDamagedFilesAreErrors(t *testing.T) {
	t.Parallel()
	good := v1("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n")
	dictionary := func(descr, shape string) string {
		return v1(fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }\n", descr, shape))
	}
	eight := make([]byte, 8)
	for says, file := range map[string]string{
		"does not begin as NumPy's arrays do":   entry(t, "hello", nil, zip.Store),
		"is of NumPy's format 9":                entry(t, "\x93NUMPY\x09\x00\x10\x00", eight, zip.Store),
		"ends inside its header":                entry(t, good[:30], nil, zip.Store),
		"has a header of":                       entry(t, "\x93NUMPY\x02\x00\xff\xff\xff\x7f", eight, zip.Store),
		"which is none of an array of numbers":  entry(t, v1("{'descr': [('a', '<f4')], 'shape': (2,)}"), eight, zip.Store),
		`is of type ">f4"`:                      entry(t, dictionary(">f4", "2,"), eight, zip.Store),
		`is of type "|O"`:                       entry(t, dictionary("|O", "1,"), eight, zip.Store),
		"has the shape (99999999999), which is": entry(t, dictionary("<f4", "99999999999"), eight, zip.Store),
		"has the shape (1 2), which is":         entry(t, dictionary("<f4", "1 2"), eight, zip.Store),
		"whose product overflows":               entry(t, dictionary("<f4", "2147483647, 2147483647, 2147483647"), eight, zip.Store),
		"and its header needs":                  entry(t, dictionary("<f4", "2147483647"), eight, zip.Store),
	} {
		_, err := read(file)
		require.ErrorContains(t, err, says)
	}
	whole, err := os.ReadFile(entry(t, good, eight, zip.Store))
	require.NoError(t, err)
	dir := t.TempDir()
	for n := range whole {
		path := filepath.Join(dir, "cut.npz")
		require.NoError(t, os.WriteFile(path, whole[:n], 0o600))
		_, err := read(path)
		require.Error(t, err, "cut after %d bytes", n)
	}
	flipped := bytes.Clone(whole)
	flipped[bytes.Index(whole, []byte(", }\n"))+4] ^= 1
	bomb := bytes.Clone(whole)
	directory := bytes.Index(bomb, []byte("PK\x01\x02"))
	copy(bomb[directory+20:], "\xff\xff\xff\x7f\xff\xff\xff\x7f") // its two sizes
	path := filepath.Join(dir, "bomb.npz")
	require.NoError(t, os.WriteFile(path, bomb, 0o600))
	_, err = read(path)
	require.ErrorContains(t, err, "claims 2147483647 bytes")
	path = filepath.Join(dir, "flipped.npz")
	require.NoError(t, os.WriteFile(path, flipped, 0o600))
	_, err = read(path)
	require.ErrorContains(t, err, "is damaged")
	_, err = npz.Open(filepath.Join(dir, "none.npz"))
	require.ErrorContains(t, err, "no such file")
}

func TestArraysThatNumPyHasNotAreErrors(t *testing.T) {
	t.Parallel()
	for says, arrays := range map[string][]checkpoint.Array{
		"NumPy has no type Q4_0":     {{Name: "x", Type: checkpoint.Q4_0, Shape: []int{32}, Bytes: make([]byte, 18)}},
		"has 3 bytes, and type BF16": {{Name: "x", Type: checkpoint.BF16, Shape: []int{1}, Bytes: make([]byte, 3)}},
		"it has 3 bytes":             {{Name: "x", Type: checkpoint.F32, Shape: []int{1}, Bytes: make([]byte, 3)}},
		"stands for two arrays":      {checkpoint.Int32Array("x", nil), checkpoint.Int32Array("x", nil)},
	} {
		require.ErrorContains(t, npz.Write(io.Discard, arrays), says)
	}
}

func FuzzRead(f *testing.F) {
	var file bytes.Buffer
	if err := npz.Write(&file, arrays); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, file []byte) {
		z, err := npz.NewFile("fuzz.npz", bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		for _, name := range z.Names() {
			a, err := z.Array(name, nil)
			if err != nil {
				continue
			}
			if a.Type == checkpoint.F32 {
				if x, err := a.Float32(); err != nil || 4*len(x) != len(a.Bytes) {
					t.Fatalf("%s: %d numbers of %d bytes: %v", name, len(x), len(a.Bytes), err)
				}
			}
		}
	})
}
