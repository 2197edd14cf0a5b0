package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sbinet/npyio"
	"github.com/sbinet/npyio/npz"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
)

func TestVectorsAreReadFromNumPysFilesAndSafetensors(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, x any) string {
		f, err := os.Create(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NoError(t, npyio.Write(f, x))
		require.NoError(t, f.Close())
		return f.Name()
	}
	narrow, wide := write("a.npy", []float32{1, 2, 3}), write("b.npy", []float64{4, 5})
	one, two, three := filepath.Join(dir, "one.npz"), filepath.Join(dir, "two.npz"), filepath.Join(dir, "3.safetensors")
	require.NoError(t, npz.Write(one, map[string]any{"steer.npy": []float32{6}}))
	require.NoError(t, npz.Write(two, map[string]any{"x.npy": []float32{7, 8}, "y.npy": []float64{9}}))
	f, err := os.Create(three)
	require.NoError(t, err)
	require.NoError(t, checkpoint.WriteSafetensors(f, nil, []checkpoint.Array{
		checkpoint.Float32Array("layers.0.mlp_out", []float32{1, 0, 2}, 1, 3), checkpoint.Float32Array("square", make([]float32, 4), 2, 2),
	}))
	require.NoError(t, f.Close())
	for arg, want := range map[string][]float32{
		narrow: {1, 2, 3}, wide: {4, 5}, one: {6}, one + ":steer": {6}, two + ":x": {7, 8}, two + ":y": {9}, three + ":layers.0.mlp_out": {1, 0, 2},
	} {
		got, err := readVector(arg)
		require.NoError(t, err, arg)
		require.Equal(t, want, got, arg)
	}
	text, cut := filepath.Join(dir, "text.npy"), filepath.Join(dir, "cut.npy")
	require.NoError(t, os.WriteFile(text, []byte("hello"), 0o600))
	whole, err := os.ReadFile(narrow)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cut, whole[:len(whole)-2], 0o600))
	for arg, says := range map[string]string{
		two: "name one of its arrays", two + ":z": "(have: x, y)", filepath.Join(dir, "none.npy"): "no such file", three: "(have: layers.0.mlp_out, square)",
		three + ":square": "has the shape [2 2]: want a vector", "x.txt": "want a file .npy, .npz or .safetensors", text: "text.npy", cut: "cut.npy",
		write("i.npy", []bool{true}): "not of floating-point numbers",
	} {
		_, err := readVector(arg)
		require.ErrorContains(t, err, says, arg)
	}
}
