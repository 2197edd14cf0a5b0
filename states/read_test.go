package states_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sbinet/npyio"
	"github.com/sbinet/npyio/npz"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

func TestMetadataWithAKeyTwiceAreRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "v.npz")
	require.NoError(t, npz.Write(path, map[string]any{"x.npy": []float32{1}, "metadata.npy": []uint8(`{"model": "a", "model": "b"}`)}))
	_, err := states.FileMetadata(path)
	require.EqualError(t, err, path+`: metadata: it has "model" twice: programs differ in which they read; remove one`)
}

func TestVectorsAreReadFromNumPysFilesAndSafetensors(t *testing.T) {
	t.Parallel()
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
		narrow: {1, 2, 3}, wide: {4, 5}, one: {6}, one + ":steer": {6}, three: {1, 0, 2}, two + ":x": {7, 8}, two + ":y": {9}, three + ":layers.0.mlp_out": {1, 0, 2},
	} {
		got, err := states.ReadValue(arg, model.Place{Site: model.MLPOut})
		require.NoError(t, err, arg)
		require.Equal(t, edit.Vector(want), got, arg)
	}
	text, cut := filepath.Join(dir, "text.npy"), filepath.Join(dir, "cut.npy")
	require.NoError(t, os.WriteFile(text, []byte("hello"), 0o600))
	whole, err := os.ReadFile(narrow)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cut, whole[:len(whole)-2], 0o600))
	for arg, says := range map[string]string{
		two: "name one of its arrays", two + ":z": "(have: x, y)", filepath.Join(dir, "none.npy"): "no such file", three: "(have: layers.0.mlp_out, square)",
		"x.txt": "want a file .npy, .npz or .safetensors", text: "text.npy", cut: "cut.npy",
		write("i.npy", []bool{true}): "not of floating-point numbers",
	} {
		_, err := states.ReadValue(arg, model.Place{Site: model.MLPNorm})
		require.ErrorContains(t, err, says, arg)
	}
}

func TestPositionsOfACapturedFileAreChosen(t *testing.T) {
	t.Parallel()
	set := &states.Set{IDs: []int{5, 6, 7, 8}, Positions: []int{0, 2, 3}, Arrays: []checkpoint.Array{
		checkpoint.Float32Array("layers.1.mlp_out", []float32{1, 2, 3, 4, 5, 6}, 3, 2),
		checkpoint.Float32Array("layers.1.z", []float32{1, 2, 3, 4, 5, 6}, 3, 1, 2),
		checkpoint.Float32Array("layers.1.pattern", []float32{1, 0, 0, 0, .5, .5, 0, 0, .5, 0, .5, 0}, 1, 3, 4),
	}}
	path := file(t, "a.npz", set.WriteNPZ)
	mlp, z, pattern := model.Place{Site: model.MLPOut, Layer: 1}, model.Place{Site: model.Z, Layer: 1}, model.Place{Site: model.Pattern, Layer: 1}
	for _, c := range []struct {
		at   model.Place
		arg  string
		want edit.Value
	}{
		{mlp, "", edit.Value{Shape: []int{3, 2}, Data: []float32{1, 2, 3, 4, 5, 6}, Positions: []int{0, 2, 3}}},
		{mlp, "@-1", edit.Value{Shape: []int{2}, Data: []float32{5, 6}}},
		{mlp, "@0,2", edit.Value{Shape: []int{2, 2}, Data: []float32{1, 2, 3, 4}}},
		{z, "", edit.Value{Shape: []int{3, 1, 2}, Data: []float32{1, 2, 3, 4, 5, 6}, Positions: []int{0, 2, 3}}},
		{z, "@2", edit.Value{Shape: []int{1, 2}, Data: []float32{3, 4}}},
		{model.Place{Site: model.AttnOut, Layer: 9}, ":layers.1.mlp_out@3", edit.Value{Shape: []int{2}, Data: []float32{5, 6}}},
		{pattern, "@2", edit.Value{Shape: []int{1, 1, 4}, Data: []float32{.5, .5, 0, 0}}},
	} {
		got, err := states.ReadValue(path+c.arg, c.at)
		require.NoError(t, err, c.arg)
		require.Equal(t, c.want, got, c.arg)
	}
	for arg, says := range map[string]string{"@1": "has nothing of position 1 (it has: [0 2 3])", "@4": "position 4 does not exist: there are 4", ":none": "(have: layers.1.mlp_out, layers.1.pattern, layers.1.z)"} {
		_, err := states.ReadValue(path+arg, mlp)
		require.ErrorContains(t, err, says)
	}
}
