package capi

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type cContract struct {
	Enums []struct {
		Name    string
		Members map[string]int
	}
	Structs []struct {
		Name   string
		Fields []cParam
	}
	FnPtrs    []cFunction `json:"fnptr_typedefs"`
	Typedefs  []struct{ Name, Type, Cond string }
	Functions []cFunction
}

type cFunction struct {
	Name, Ret string
	Params    []cParam
	Variadic  bool
}

type cParam struct{ Name, Type string }

func readContract(t *testing.T) *cContract {
	t.Helper()
	raw, err := os.ReadFile("../../../include/mlxc.json")
	require.NoError(t, err)
	c := new(cContract)
	require.NoError(t, json.Unmarshal(raw, c))
	require.Len(t, c.Functions, 674)
	return c
}

// cType is what an ABI needs to know of a type.
type cType struct {
	size, align int
	float       bool
	structure   bool
}

var cScalars = map[string]cType{
	"bool": {size: 1, align: 1}, "int": {size: 4, align: 4}, "size_t": {size: 8, align: 8},
	"uint64_t": {size: 8, align: 8}, "uintptr_t": {size: 8, align: 8},
	"float": {size: 4, align: 4, float: true}, "double": {size: 8, align: 8, float: true},
}

// typeOf sizes a C type, by the rules that all three ABIs share. It stops at what
// would need another rule: a struct with a half that is all floating.
func (c *cContract) typeOf(t *testing.T, name string) cType {
	t.Helper()
	name = strings.TrimPrefix(name, "const ")
	if strings.HasSuffix(name, "*") || strings.Contains(name, "(*)") {
		return cType{size: 8, align: 8}
	}
	if s, ok := cScalars[name]; ok {
		return s
	}
	for _, e := range c.Enums {
		if e.Name == name {
			return cType{size: 4, align: 4}
		}
	}
	for _, p := range c.FnPtrs {
		if p.Name == name {
			return cType{size: 8, align: 8}
		}
	}
	for _, s := range c.Structs {
		if s.Name != name {
			continue
		}
		out := cType{structure: true}
		integer := map[int]bool{}
		for _, f := range s.Fields {
			ft := c.typeOf(t, f.Type)
			out.align = max(out.align, ft.align)
			at := alignUp(out.size, ft.align)
			integer[at/8] = integer[at/8] || !ft.float
			out.size = at + ft.size
		}
		out.size = alignUp(out.size, out.align)
		for half := range out.size / 8 {
			require.True(t, integer[half], "struct %s has a floating half", name)
		}
		return out
	}
	t.Fatalf("type %q is not known", name)
	return cType{}
}

func alignUp(n, align int) int { return (n + align - 1) / align * align }
