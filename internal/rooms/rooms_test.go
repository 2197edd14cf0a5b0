package rooms

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func ExampleText() {
	err := fmt.Errorf("--lens %q: %w", "render: it", fmt.Errorf("lens: %w", errors.New("tuned: 3 layers")))
	fmt.Println(Text(err))
	// Output: --lens "render: it": 3 layers
}

func TestNamesOfPackagesAreCutWhereTheirErrorsBegin(t *testing.T) {
	inner := errors.New("model: there is no layer 99")
	for want, err := range map[string]error{
		"there is no layer 99":                             inner,
		"edit \"model: x\": there is no layer 99":          fmt.Errorf("states: edit %q: %w", "model: x", inner),
		"there is no layer 99\nthat is all":                errors.Join(fmt.Errorf("lens: %w", inner), errors.New("tuned: that is all")),
		"a and there is no layer 99 and there is no layer": fmt.Errorf("a and %w and %w", inner, errors.New("lens: there is no layer")),
		"mlx: add: shapes do not broadcast":                errors.New("mlx: add: shapes do not broadcast"),
		"the model: lens: is a text":                       errors.New("the model: lens: is a text"),
		"render":                                           errors.New("render"),
	} {
		require.Equal(t, want, Text(err))
	}
}

// kept are names that begin errors and stay: of the library, of file formats and architectures, and of what no command
// of the program reaches.
var kept = []string{"mlx", "npz", "nn", "pdf", "torchfile", "golden", "jinja"}

func TestEveryPackageWhoseErrorsBeginWithItsNameIsKnown(t *testing.T) {
	known := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "third_party" || len(d.Name()) > 2 && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		room := file.Name.Name
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			of, ok := call.Fun.(*ast.SelectorExpr)
			text, isText := call.Args[0].(*ast.BasicLit)
			if !ok || !isText || of.Sel.Name != "Errorf" && of.Sel.Name != "New" {
				return true
			}
			if says, err := strconv.Unquote(text.Value); err == nil && strings.HasPrefix(says, room+": ") && !slices.Contains(kept, room) && !strings.HasPrefix(path, filepath.FromSlash("../../model/"+room+"/")) {
				known++
				require.Contains(t, names, room, path)
			}
			return true
		})
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, known, 100)
}
