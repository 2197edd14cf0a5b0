package mlx_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// functionsOf returns the names of the functions of a file that are no methods.
func functionsOf(t *testing.T, path string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	var names []string
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
			names = append(names, f.Name.Name)
		}
	}
	return names
}

// A file op_*.go is a family of operations.
func TestEveryFamilyOfOperationsHasAnExample(t *testing.T) {
	shown := map[string]bool{}
	tests, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	for _, path := range tests {
		for _, name := range functionsOf(t, path) {
			if name, ok := strings.CutPrefix(name, "Example"); ok {
				shown[name] = true
			}
		}
	}
	families, err := filepath.Glob("op_*.go")
	require.NoError(t, err)
	require.NotEmpty(t, families)
	for _, path := range families {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		found := false
		for _, name := range functionsOf(t, path) {
			found = found || shown[name]
		}
		require.True(t, found, "%s: no operation of it has an Example", path)
	}
}
