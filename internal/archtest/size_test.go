package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A file of hand-written code has at most 400 lines, a function 60 from its func line to
// its closing brace, tests included.
const (
	mostFileLines = 400
	mostFuncLines = 60
)

// exceptions holds what may be longer, and why: "path" for a file, "path: name" or
// "path: Type.name" for a function. docs/rationale.md tells of each.
var exceptions = map[string]string{}

// module's root, seen from this package.
const root = "../.."

// tooLong returns the file's name and those of its functions that have too many lines,
// each with what it has.
func tooLong(path string, source []byte) (map[string]string, error) {
	if strings.HasPrefix(filepath.Base(path), "z") && strings.HasPrefix(string(source), "// Code generated ") {
		return nil, nil
	}
	found := map[string]string{}
	if n := strings.Count(string(source), "\n"); n > mostFileLines {
		found[path] = fmt.Sprintf("%d lines; the most is %d", n, mostFileLines)
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		// f.Type begins at the word func: the comment above is not the function's length
		if n := files.Position(f.End()).Line - files.Position(f.Type.Func).Line + 1; n > mostFuncLines {
			found[path+": "+funcName(f)] = fmt.Sprintf("%d lines; the most is %d", n, mostFuncLines)
		}
	}
	return found, nil
}

// funcName is f's name, behind its receiver's type if it has one.
func funcName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr: // the parameter of a generic type
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "." + f.Name.Name
		default:
			return f.Name.Name
		}
	}
}

// problems compares what is too long with the exceptions, and these with what rationale.md
// says.
func problems(found, exceptions map[string]string, rationale string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if _, excepted := exceptions[name]; !excepted {
			out = append(out, fmt.Sprintf("%s has %s", name, found[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(exceptions)) {
		if _, needed := found[name]; !needed {
			out = append(out, fmt.Sprintf("%s is an exception and needs none", name))
		}
		if exceptions[name] == "" || !strings.Contains(rationale, "`"+name+"`") {
			out = append(out, fmt.Sprintf("%s is an exception that docs/rationale.md does not explain", name))
		}
	}
	return out
}

// pythonFunc is the first line of a function at the left margin.
var pythonFunc = regexp.MustCompile(`^(?:async )?def (\w+)`)

// tooLongElsewhere is tooLong for the files of other languages; only Python's functions are
// counted, those at the left margin, to the line before the next thing there.
func tooLongElsewhere(path string, source []byte) map[string]string {
	found := map[string]string{}
	if bytes.Contains(source[:min(len(source), 200)], []byte("Code generated ")) {
		return found
	}
	lines := strings.Split(strings.TrimRight(string(source), "\n"), "\n")
	if n := len(lines); n > mostFileLines {
		found[path] = fmt.Sprintf("%d lines; the most is %d", n, mostFileLines)
	}
	if filepath.Ext(path) != ".py" {
		return found
	}
	name, from, last := "", 0, 0
	for i, line := range append(lines, "end") {
		if line == "" || line[0] == ' ' || line[0] == '#' || line[0] == ')' {
			if strings.TrimSpace(line) != "" {
				last = i
			}
			continue
		}
		if n := last - from + 1; name != "" && n > mostFuncLines {
			found[path+": "+name] = fmt.Sprintf("%d lines; the most is %d", n, mostFuncLines)
		}
		name, from, last = "", i, i
		if m := pythonFunc.FindStringSubmatch(line); m != nil {
			name = m[1]
		}
	}
	return found
}

// goFiles calls f with each Go file of the repository, its path from the root.
func goFiles(t *testing.T, f func(path string, source []byte)) {
	t.Helper()
	sourceFiles(t, f, ".go")
}

// sourceFiles calls f with each file of some endings.
func sourceFiles(t *testing.T, f func(path string, source []byte), endings ...string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"testdata", "third_party", "bin", "dist", "models"}, d.Name())) {
			return fs.SkipDir
		}
		if d.IsDir() || !slices.Contains(endings, filepath.Ext(path)) {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		f(filepath.ToSlash(name), source)
		return err
	}))
}

func TestNoFileOrFunctionIsTooLong(t *testing.T) {
	rationale, err := os.ReadFile(root + "/docs/rationale.md")
	require.NoError(t, err)
	found, files := map[string]string{}, 0
	goFiles(t, func(path string, source []byte) {
		files++
		long, err := tooLong(path, source)
		require.NoError(t, err)
		maps.Copy(found, long)
	})
	require.Greater(t, files, 100, "the walk found the repository")
	files = 0
	sourceFiles(t, func(path string, source []byte) {
		files++
		maps.Copy(found, tooLongElsewhere(path, source))
	}, ".py", ".js", ".css", ".sh", ".s", ".c", ".h")
	require.Greater(t, files, 20, "and the other languages")
	for _, p := range problems(found, exceptions, string(rationale)) {
		t.Error(p)
	}
}

// function is a function of so many lines.
func function(head string, lines int) string {
	return head + " {\n" + strings.Repeat("\tprintln()\n", lines-2) + "}\n"
}

func TestWhatIsTooLongIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		source string
		want   []string
	}{
		"functions at the limit and above it": {"package p\n\n" + function("func fits()", 60) + "\n" + function("func long()", 61), []string{"p/a.go: long"}},
		"methods":                             {"package p\n\n" + function("func (x *T) m()", 61) + "\n" + function("func (x G[A, B]) n()", 61), []string{"p/a.go: G.n", "p/a.go: T.m"}},
		"a comment above":                     {"package p\n\n" + strings.Repeat("// f is long to explain.\n", 30) + function("func f()", 60), nil},
		"a brace and code behind the func":    {"package p\n\nvar x = `\nfunc a() {\n" + strings.Repeat("\n", 80) + "}\n`\n", nil},
		"a file at the limit":                 {"package p\n" + strings.Repeat("\n", 399), nil},
		"a file above it":                     {"package p\n" + strings.Repeat("\n", 400), []string{"p/a.go"}},
		"code that only says it is generated": {"// Code generated by hand; DO NOT EDIT.\n\npackage p\n" + strings.Repeat("\n", 400), []string{"p/a.go"}},
	} {
		found, err := tooLong("p/a.go", []byte(c.source))
		require.NoError(t, err, name)
		require.Equal(t, c.want, slices.Sorted(maps.Keys(found)), name)
	}
	found, err := tooLong("p/za.go", []byte("// Code generated by gen; DO NOT EDIT.\n\npackage p\n"+strings.Repeat("\n", 400)))
	require.NoError(t, err)
	require.Empty(t, found, "generated code may be of any length")
	_, err = tooLong("p/a.go", []byte("no Go"))
	require.Error(t, err)
}

func TestWhatIsTooLongInPythonIsFound(t *testing.T) {
	source := "def short():\n    return 1\n\n\ndef long(\n    x,\n):\n" + strings.Repeat("    x += 1\n", mostFuncLines-2) + "\n\nlong(1)\n"
	require.Equal(t, map[string]string{"a.py: long": "61 lines; the most is 60"}, tooLongElsewhere("a.py", []byte(source)))
	require.Empty(t, tooLongElsewhere("a.py", []byte(strings.Replace(source, "    x += 1\n", "", 1))))
	many := strings.Repeat("x\n", mostFileLines+1)
	require.Equal(t, map[string]string{"a.js": "401 lines; the most is 400"}, tooLongElsewhere("a.js", []byte(many)))
	require.Empty(t, tooLongElsewhere("a.h", []byte("/* Code generated by gen; DO NOT EDIT. */\n"+many)))
}

func TestAnExceptionMustBeNeededAndExplained(t *testing.T) {
	found := map[string]string{"a.go": "500 lines", "b.go: f": "70 lines", "c.go": "450 lines"}
	require.Equal(t, []string{"b.go: f has 70 lines", "c.go has 450 lines"}, problems(found, map[string]string{"a.go": "a table"}, "- `a.go`: a table"))
	require.Empty(t, problems(map[string]string{"a.go": "500 lines"}, map[string]string{"a.go": "a table"}, "- `a.go`: a table"))
	require.Equal(t, []string{"d.go is an exception and needs none"}, problems(nil, map[string]string{"d.go": "was long"}, "- `d.go`: was long"))
	for _, c := range [][2]string{{"", "- `a.go`: a table"}, {"a table", "- `aa.go`: a table"}} {
		require.Equal(t, []string{"a.go is an exception that docs/rationale.md does not explain"},
			problems(map[string]string{"a.go": "500 lines"}, map[string]string{"a.go": c[0]}, c[1]))
	}
}
