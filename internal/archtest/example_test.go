package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// importable reports whether other modules can use p: it has code that is not a program,
// and is not internal.
func (p *pkg) importable() bool {
	return len(p.GoFiles) > 0 && p.Name != "main" && !slices.Contains(strings.Split(p.ImportPath, "/"), "internal")
}

// examples returns the names of the example functions in a file.
func examples(path string, source any) ([]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Example") {
			names = append(names, f.Name.Name)
		}
	}
	return names, nil
}

func TestEveryImportablePackageHasAnExample(t *testing.T) {
	count := 0
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if !p.importable() {
			continue
		}
		count++
		var found []string
		for _, file := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
			names, err := examples(filepath.Join(p.Dir, file), nil)
			require.NoError(t, err)
			found = append(found, names...)
		}
		if len(found) == 0 {
			t.Errorf("%s has no func Example in its tests: show a reader how it is used", name)
		}
	}
	require.Positive(t, count)
}

func TestExamplesAndImportablePackagesAreTold(t *testing.T) {
	names, err := examples("a_test.go", "package a\n\nfunc Example() {}\nfunc ExampleT_m() {}\nfunc TestExample() {}\nfunc (t T) Example() {}\nvar ExampleX int\n")
	require.NoError(t, err)
	require.Equal(t, []string{"Example", "ExampleT_m"}, names)

	code := []string{"a.go"}
	require.True(t, (&pkg{ImportPath: module + "/lens", Name: "lens", GoFiles: code}).importable())
	for _, p := range []pkg{
		{ImportPath: module + "/cmd/mlxlens", Name: "main", GoFiles: code},
		{ImportPath: module + "/internal/golden", Name: "golden", GoFiles: code},
		{ImportPath: module + "/mlx/internal/capi", Name: "capi", GoFiles: code},
		{ImportPath: module + "/docs", Name: "docs"}, // only tests
	} {
		require.False(t, p.importable(), p.ImportPath)
	}
}
