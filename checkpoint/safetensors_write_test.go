package checkpoint

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsWrittenAsSafetensorsIsReadBack(t *testing.T) {
	t.Parallel()
	arrays := []Array{
		Float32Array("z", []float32{1, -2, 3.5, 0, 5, 6}, 2, 3),
		{"half", F16, []int{2}, []byte{0, 0x3c, 0, 0xc0}},
		{"brain", BF16, []int{1, 2}, []byte{0x80, 0x3f, 0, 0xc0}},
		Int32Array("ids", []int{7, -1}),
		{"scalar", F64, nil, []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x3f}},
		{"none", F32, []int{0, 4}, []byte{}},
	}
	var file bytes.Buffer
	require.NoError(t, WriteSafetensors(&file, map[string]string{"prompt": "é \"x\""}, arrays))
	path := filepath.Join(t.TempDir(), "a.safetensors")
	require.NoError(t, os.WriteFile(path, file.Bytes(), 0o600))
	c, err := OpenFile(path)
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, map[string]any{"prompt": "é \"x\""}, c.Metadata)
	require.Len(t, c.Names(), len(arrays))
	for _, want := range arrays {
		got, err := c.Tensor(want.Name).Array()
		require.NoError(t, err)
		require.Equal(t, want.Bytes, got.Bytes, want.Name)
		require.Equal(t, want.Type, got.Type)
		require.ElementsMatch(t, want.Shape, got.Shape)
	}
	for name, want := range map[string][]float32{"half": {1, -2}, "brain": {1, -2}, "scalar": {1.5}, "z": {1, -2, 3.5, 0, 5, 6}} {
		a, err := c.Tensor(name).Array()
		require.NoError(t, err)
		got, err := a.Float32()
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}
}

func TestArraysThatCannotBeWrittenAreErrors(t *testing.T) {
	t.Parallel()
	good := Float32Array("x", []float32{1, 2}, 2)
	for says, arrays := range map[string][]Array{
		"stands for two arrays":                           {good, good},
		"has the character '%'":                           {{"a%s", F32, []int{0}, nil}},
		"a tensor's name is empty":                        {{"", F32, []int{0}, nil}},
		"has type Q4_0, which safetensors has not":        {{"q", Q4_0, []int{32}, make([]byte, 18)}},
		"has 8 bytes, and type F32 and shape [3] take 12": {{"x", F32, []int{3}, good.Bytes}},
		"product overflows":                               {{"x", F32, []int{1 << 40, 1 << 40}, nil}},
		`the name "__metadata__" stands for two arrays`:   {{"__metadata__", F32, []int{0}, nil}},
	} {
		require.ErrorContains(t, WriteSafetensors(&bytes.Buffer{}, map[string]string{}, arrays), says)
	}
	ids := Int32Array("ids", []int{1})
	_, err := ids.Float32()
	require.ErrorContains(t, err, "is of I32, not of floating-point numbers")
	complexes := Array{"z", C64, []int{1}, make([]byte, 8)}
	_, err = complexes.Float32()
	require.ErrorContains(t, err, "is of C64, not of floating-point numbers")
	short := Array{"x", F32, []int{3}, good.Bytes}
	_, err = short.Float32()
	require.ErrorContains(t, err, "has 8 bytes")
}

// full fails after so many bytes, as a full disk does.
type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.left {
		return f.left, errors.New("no space left")
	}
	f.left -= len(p)
	return len(p), nil
}

func TestAFullDiskIsAnErrorOfWriting(t *testing.T) {
	t.Parallel()
	x := []Array{Float32Array("x", []float32{1, 2}, 2)}
	var whole bytes.Buffer
	require.NoError(t, WriteSafetensors(&whole, nil, x))
	for n := range whole.Len() {
		require.Error(t, WriteSafetensors(&full{n}, nil, x), "%d bytes", n)
	}
}

func TestOpenFileRefusesWhatIsNoSafetensorsFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := OpenFile(filepath.Join(dir, "none"))
	require.ErrorContains(t, err, "no such file")
	_, err = OpenFile(dir)
	require.ErrorContains(t, err, "is not a regular file")
	path := filepath.Join(dir, "x")
	require.NoError(t, os.WriteFile(path, []byte("hello, world"), 0o600))
	_, err = OpenFile(path)
	require.ErrorContains(t, err, "is not a safetensors file")
}
