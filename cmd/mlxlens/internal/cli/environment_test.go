package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// namesOfVariables are the environment variables in the sources of a folder: the strings that its calls look up, and where it
// looks any up, all that read like one, for a list of names or another function may stand between.
func namesOfVariables(t *testing.T, dir string, files []string) (names []string) {
	t.Helper()
	like := regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)
	var alike []string
	reads := false
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), dir+"/"+name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				f, ok := n.Fun.(*ast.SelectorExpr)
				if !ok || f.Sel.Name != "Getenv" && f.Sel.Name != "LookupEnv" {
					break
				}
				reads = true
				if s, ok := n.Args[0].(*ast.BasicLit); ok {
					name, err := strconv.Unquote(s.Value)
					require.NoError(t, err)
					names = append(names, name)
				}
			case *ast.BasicLit:
				if s, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil && like.MatchString(s) {
					alike = append(alike, s)
				}
			}
			return true
		})
	}
	if reads {
		names = append(names, alike...)
	}
	return names
}

func TestHelpNamesEveryVariableThatTheProgramReads(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", `{{if .Module}}{{if .Module.Main}}{{.Dir}}{{range .GoFiles}} {{.}}{{end}}{{end}}{{end}}`, "../..").Output()
	require.NoError(t, err)
	said := strings.FieldsFunc(environmentTopic(), func(r rune) bool { return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') })
	found := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 0 {
			for _, name := range namesOfVariables(t, f[0], f[1:]) {
				found[name] = true
				require.Contains(t, said, name, "%s reads it, and mlxlens help environment (topics.go) says nothing of it", f[0])
			}
		}
	}
	for _, name := range []string{"MLX_C_LIBRARY", "TERM", "LESS", "HF_HOME", "TRANSFORMERS_OFFLINE", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "MLX_RANK", "GOTO_NUM_THREADS"} {
		require.True(t, found[name], "the test finds no %s in the sources", name)
	}
}

func TestHelpNamesTheFoldersInWhichALibraryIsLookedFor(t *testing.T) {
	for _, folder := range []string{"$XDG_DATA_HOME/mlxlens/lib", "$XDG_CACHE_HOME/mlxlens/lib"} {
		require.Contains(t, environmentTopic(), "is looked for: in "+folder+" (default ~/.")
	}
}
