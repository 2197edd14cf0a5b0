package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// timed returns the functions of a test file that measure time, "path: name", but for
// benchmarks: a loaded machine is slow, and nothing is wrong with the program.
func timed(path string, source []byte) ([]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || strings.HasPrefix(f.Name.Name, "Benchmark") {
			continue
		}
		measures := false
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				x, _ := s.X.(*ast.Ident)
				measures = measures || x != nil && x.Name == "time" && (s.Sel.Name == "Since" || s.Sel.Name == "Until")
			}
			return true
		})
		if measures {
			found = append(found, path+": "+funcName(f))
		}
	}
	return found, nil
}

func TestNoTestMeasuresTime(t *testing.T) {
	goFiles(t, func(path string, source []byte) {
		if !strings.HasSuffix(path, "_test.go") {
			return
		}
		found, err := timed(path, source)
		require.NoError(t, err)
		for _, name := range found {
			t.Errorf("%s measures time: count the work instead, or make it a benchmark", name)
		}
	})
}

func TestFunctionsThatMeasureTimeAreFound(t *testing.T) {
	const source = `package p
func TestA(t *testing.T) { start := time.Now(); require.Less(t, %s, time.Second) }
func helper() { f := func() { _ = time.Until(end) }; f() }
func BenchmarkB(b *testing.B) { _ = time.Since(start) }
func TestC(t *testing.T) { time.Sleep(1); _ = timer.Since(start) }
`
	found, err := timed("p/a_test.go", fmt.Appendf(nil, source, "time.Since(start)"))
	require.NoError(t, err)
	require.Equal(t, []string{"p/a_test.go: TestA", "p/a_test.go: helper"}, found)
}
