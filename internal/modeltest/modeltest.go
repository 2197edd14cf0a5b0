// Package modeltest opens models for tests, wherever in the repository these are.
package modeltest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// TinyLlama is a random Llama of three layers, 4-bit and mixed, without a tokenizer.
const TinyLlama = "testdata/models/tiny-llama-b-4bit-mixed"

// Sixty are ids of TinyLlama's vocabulary.
var Sixty = func() []int {
	ids := make([]int, 60)
	for i := range ids {
		ids[i] = (37*i + 11) % 512
	}
	return ids
}()

// Path returns a path in the repository, given from its root.
func Path(t testing.TB, path string) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, path)
		}
		require.NotEqual(t, dir, filepath.Dir(dir), "no go.mod above the test")
		dir = filepath.Dir(dir)
	}
}

// Open opens a model, given from the repository's root, until the test ends.
func Open(t testing.TB, path string, o auto.Options) *auto.Opened {
	t.Helper()
	opened, err := auto.Open(Path(t, path), o)
	require.NoError(t, err)
	t.Cleanup(opened.Close)
	return opened
}

// Tiny opens TinyLlama.
func Tiny(t testing.TB) model.Model {
	t.Helper()
	return Open(t, TinyLlama, auto.Options{}).Model
}

// SmolLM2 opens the model of `make model`, and skips the test where it was not fetched.
func SmolLM2(t testing.TB) *auto.Opened {
	t.Helper()
	found, err := filepath.Glob(Path(t, "models/smollm2/*.gguf"))
	require.NoError(t, err)
	if len(found) == 0 {
		t.Skip("make model was not run")
	}
	opened, err := auto.Open(found[0], auto.Options{})
	require.NoError(t, err)
	t.Cleanup(opened.Close)
	return opened
}

// Architecture opens a recorded model by its name, after change, which may be nil.
func Architecture(t testing.TB, name string, change func(*golden.Architecture)) model.Model {
	t.Helper()
	a, err := golden.LoadArchitecture(Path(t, "testdata/golden/architectures/"+name+".json.gz"))
	require.NoError(t, err)
	if change != nil {
		change(a)
	}
	dir := t.TempDir()
	require.NoError(t, a.Write(dir))
	opened, err := auto.Open(dir, auto.Options{})
	require.NoError(t, err)
	t.Cleanup(opened.Close)
	return opened.Model
}
