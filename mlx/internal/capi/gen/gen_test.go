package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGeneratedFilesAreWhatTheContractGives(t *testing.T) {
	root, err := filepath.Abs("../../../..")
	require.NoError(t, err)
	g, err := load(root)
	require.NoError(t, err)
	files := g.files()
	require.Len(t, files, 4)
	for path, text := range files {
		committed, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, string(committed) == string(text), "%s is not what `go generate ./...` writes", path)
	}
}

func TestEveryFunctionOfTheContractIsBoundOrListed(t *testing.T) {
	g, err := load(filepath.Join("..", "..", "..", ".."))
	require.NoError(t, err)
	require.Len(t, g.c.Functions, 674)
	require.Len(t, g.bound(), 674-len(unbound))
	g.funcs()
	for _, f := range g.bound() {
		require.Equal(t, f.Name, g.names[goName(f.Name)])
	}
}
