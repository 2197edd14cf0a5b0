package mlx_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// code is what refers to what, by name, in the packages between a user and the library. A
// method is its name alone, "package.(name)".
type code struct {
	refs     map[string][]string // "package.name" → the names it mentions
	exported []string            // of package mlx
	binds    map[string]string   // "capi.Add" → mlx_add
}

// callsC finds the C function in the comment of its Go function.
var callsC = regexp.MustCompile(`calls (?:[^.]*?[ *])?(_?mlx_\w+)[(.;]`)

func readCode(t *testing.T) *code {
	t.Helper()
	c := &code{refs: map[string][]string{}, binds: map[string]string{}}
	for pkg, dir := range map[string]string{"mlx": ".", "gate": "internal/gate", "capi": "internal/capi"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			require.NoError(t, err)
			for _, decl := range file.Decls {
				c.add(pkg, decl)
			}
		}
	}
	return c
}

func (c *code) add(pkg string, decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		id := pkg + "." + d.Name.Name
		if d.Recv != nil {
			id = pkg + ".(" + d.Name.Name + ")"
		}
		c.refs[id] = append(c.refs[id], mentions(pkg, d)...)
		if pkg == "mlx" && d.Name.IsExported() {
			c.exported = append(c.exported, id)
		}
		if m := callsC.FindStringSubmatch(d.Doc.Text()); pkg == "capi" && m != nil {
			c.binds[id] = m[1]
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if v, ok := spec.(*ast.ValueSpec); ok {
				for _, name := range v.Names {
					c.refs[pkg+"."+name.Name] = append(c.refs[pkg+"."+name.Name], mentions(pkg, v)...)
				}
			}
		}
	}
}

// mentions lists the names in a piece of code: those of other packages, and those of its own.
func mentions(pkg string, node ast.Node) []string {
	var out []string
	var visit func(n ast.Node) bool
	visit = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && (x.Name == "capi" || x.Name == "gate") {
				out = append(out, x.Name+"."+n.Sel.Name)
			}
			out = append(out, pkg+".("+n.Sel.Name+")")
			ast.Inspect(n.X, visit)
			return false
		case *ast.Ident:
			out = append(out, pkg+"."+n.Name)
		}
		return true
	}
	ast.Inspect(node, visit)
	return out
}

// reached lists the C functions that exported names of package mlx lead to.
func (c *code) reached() map[string]bool {
	seen, queue, out := map[string]bool{}, slices.Clone(c.exported), map[string]bool{}
	for len(queue) > 0 {
		id := queue[0]
		queue = queue[1:]
		if seen[id] {
			continue
		}
		seen[id] = true
		if f, ok := c.binds[id]; ok {
			out[f] = true
		}
		queue = append(queue, c.refs[id]...)
	}
	return out
}

// unreached are the functions of mlx-c that no exported name leads to, each group with the
// reason.
func unreached(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile("testdata/unreached.json")
	require.NoError(t, err)
	var groups []struct {
		Functions []string `json:"functions"`
		Reason    string   `json:"reason"`
	}
	require.NoError(t, json.Unmarshal(raw, &groups))
	out := map[string]string{}
	for _, g := range groups {
		require.NotEmpty(t, g.Reason)
		for _, f := range g.Functions {
			require.Empty(t, out[f], "%s is listed twice", f)
			out[f] = g.Reason
		}
	}
	return out
}

func TestEveryFunctionOfMLXCIsReachedOrListedWithItsReason(t *testing.T) {
	raw, err := os.ReadFile("../include/mlxc.json")
	require.NoError(t, err)
	var contract struct {
		Functions []struct {
			Name string `json:"name"`
		} `json:"functions"`
	}
	require.NoError(t, json.Unmarshal(raw, &contract))
	require.Len(t, contract.Functions, 674)
	reached, listed := readCode(t).reached(), unreached(t)
	var neither, both []string
	for _, f := range contract.Functions {
		_, excused := listed[f.Name]
		switch {
		case !reached[f.Name] && !excused:
			neither = append(neither, f.Name)
		case reached[f.Name] && excused:
			both = append(both, f.Name)
		}
		delete(listed, f.Name)
	}
	require.Empty(t, neither, "neither reachable nor listed in testdata/unreached.json")
	require.Empty(t, both, "listed in testdata/unreached.json, and reachable")
	require.Empty(t, listed, "listed in testdata/unreached.json, and no function of mlx-c")
}
