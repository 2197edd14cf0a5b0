package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sbinet/npyio"
	"github.com/sbinet/npyio/npz"
	"github.com/stretchr/testify/require"
)

func TestVectorsAreReadFromNumPysFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, x any) string {
		f, err := os.Create(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NoError(t, npyio.Write(f, x))
		require.NoError(t, f.Close())
		return f.Name()
	}
	narrow, wide := write("a.npy", []float32{1, 2, 3}), write("b.npy", []float64{4, 5})
	one, two := filepath.Join(dir, "one.npz"), filepath.Join(dir, "two.npz")
	require.NoError(t, npz.Write(one, map[string]any{"steer.npy": []float32{6}}))
	require.NoError(t, npz.Write(two, map[string]any{"x.npy": []float32{7, 8}, "y": []float64{9}}))
	for arg, want := range map[string][]float32{
		narrow: {1, 2, 3}, wide: {4, 5}, one: {6}, one + ":steer": {6}, two + ":x": {7, 8}, two + ":y": {9},
	} {
		got, err := readVector(arg)
		require.NoError(t, err, arg)
		require.Equal(t, want, got, arg)
	}
	text := filepath.Join(dir, "text.npy")
	require.NoError(t, os.WriteFile(text, []byte("hello"), 0o600))
	for arg, says := range map[string]string{
		two: "want one of its arrays", two + ":z": "(have: ", filepath.Join(dir, "none.npy"): "no such file",
		"x.txt": "want a file .npy or .npz", text: "text.npy", write("i.npy", []int64{1}): "want float32 or float64",
	} {
		_, err := readVector(arg)
		require.ErrorContains(t, err, says, arg)
	}
}
