package capi

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tests here compute, from the contract alone, where a C compiler puts every
// argument and result, and compare that with what the generated code does. Apple arm64 is the reason: what goes wrong there goes right on Linux.
//
// The layouts of all 674 functions (2,380 parameters, 668 results, three ABIs) were
// compared once with what clang 14.0.6 -O1 makes of them for x86_64-linux-gnu,
// aarch64-linux-gnu and arm64-apple-macos13: for each parameter a function that stores
// just that one, and the registers or the stack offset and width that it reads; for each
// result a caller that stores it. There was no difference. No function of the contract
// has a small struct behind a 4-byte argument on the stack; clang aligns one to 8 there
// on Apple arm64, as callABI.of does.

var updateABI = flag.Bool("update", false, "write testdata/abi_layouts.txt and zabi_table_test.go again")

func TestNineteenFunctionsSpillOnAppleArm64(t *testing.T) {
	c := readContract(t)
	require.Len(t, appleSpills, 19)
	var spilling []string
	for _, f := range c.Functions {
		l := apple.of(t, c, f)
		if l.stack == 0 {
			continue
		}
		spilling = append(spilling, f.Name)
		want := appleSpills[f.Name]
		require.Equal(t, want.places, l.String(), f.Name)
		require.Equal(t, want.stack, l.stack, f.Name)
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(appleSpills)), spilling)
}

func TestTwentyNineFunctionsHaveFloatingParameters(t *testing.T) {
	c := readContract(t)
	var floating []string
	for _, f := range c.Functions {
		if !hasFloat(t, c, f) {
			continue
		}
		floating = append(floating, f.Name)
		if _, spills := appleSpills[f.Name]; !spills {
			require.Equal(t, floatPlaces[f.Name], apple.of(t, c, f).String(), f.Name)
		}
	}
	require.ElementsMatch(t, append(slices.Collect(maps.Keys(floatPlaces)), "mlx_fast_scaled_dot_product_attention"), floating)
	require.Len(t, floating, 29)
}

func TestEightFunctionsPassOrReturnMoreThanAWordByValue(t *testing.T) {
	c := readContract(t)
	var names []string
	for _, f := range c.Functions {
		if !hasStruct(t, c, f) {
			continue
		}
		names = append(names, f.Name)
		for _, a := range []callABI{apple, aapcs} {
			l := a.of(t, c, f)
			require.Equal(t, structPlaces[f.Name], l.String()+" -> "+strings.Join(l.result, " "), "%s: %s", a.name, f.Name)
		}
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(structPlaces)), names)
}

// packedList reads the generator's list, which is in another package main.
func packedList(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "gen/contract.go", nil, 0)
	require.NoError(t, err)
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && spec.Names[0].Name == "packed" {
			for _, e := range spec.Values[0].(*ast.CompositeLit).Elts {
				name, err := strconv.Unquote(e.(*ast.BasicLit).Value)
				require.NoError(t, err)
				names = append(names, name)
			}
		}
		return true
	})
	return names
}

// The set that 8-byte slots would get wrong is computed, not copied.
func TestAppleArm64PacksOnlyFiveConvolutions(t *testing.T) {
	c := readContract(t)
	var packed []string
	for _, f := range c.Functions {
		slots := apple
		slots.packed = false
		if !samePlaces(apple.of(t, c, f).args, slots.of(t, c, f).args) {
			packed = append(packed, f.Name)
		}
	}
	require.Equal(t, []string{"mlx_conv2d", "mlx_conv3d", "mlx_conv_general", "mlx_conv_transpose2d", "mlx_conv_transpose3d"}, packed)
	require.ElementsMatch(t, packedList(t), packed)
}

func TestFunctionsThatNeedReflectionAreTheRegisteredOnes(t *testing.T) {
	require.ElementsMatch(t, packedList(t), slices.Collect(maps.Keys(registeredFuncs)))
}

func TestCallRoutinesPlaceWhatIsNotRegistered(t *testing.T) {
	c := readContract(t)
	for _, f := range c.Functions {
		if registeredFuncs[f.Name] != nil || hasStruct(t, c, f) || f.Variadic {
			continue
		}
		for _, a := range []callABI{sysV, aapcs, apple} {
			require.True(t, samePlaces(a.of(t, c, f).args, a.wordwise(t, c, f)), "%s: %s: %v", a.name, f.Name, a.of(t, c, f))
		}
	}
}

// purego packs Apple's stack arguments by the Go types of the registered function: where
// its collectStackArgs finds no register left it puts the rest into a struct made by
// reflect.StructOf, each at its Go alignment (bundleStackArgs in struct_arm64.go of
// v0.11.3, read for this test), and copies that to the stack. Both are unexported and
// panic on other systems, so that the test does the same with the same types. How they
// themselves were tried is told at TestEveryGoFunctionPassesItsArguments.
func TestGoTypesOfRegisteredFunctionsPackAsInC(t *testing.T) {
	c := readContract(t)
	for _, f := range c.Functions {
		fn := registeredFuncs[f.Name]
		if fn == nil {
			continue
		}
		typ := reflect.TypeOf(fn)
		require.Equal(t, len(f.Params), typ.NumIn(), f.Name)
		var got []place
		ints, floats, stack := 0, 0, 0
		for i := range typ.NumIn() {
			in := typ.In(i)
			p := place{name: f.Params[i].Name}
			isFloat := in.Kind() == reflect.Float32 || in.Kind() == reflect.Float64
			switch {
			case isFloat && floats < 8:
				p.registers = []string{"v" + strconv.Itoa(floats)}
				floats++
			case !isFloat && ints < 8:
				p.registers = []string{"x" + strconv.Itoa(ints)}
				ints++
			default:
				p.offset, p.size = alignUp(stack, in.Align()), int(in.Size())
				stack = p.offset + p.size
			}
			got = append(got, p)
			require.EqualValues(t, c.typeOf(t, f.Params[i].Type).size, in.Size(), "%s: %s", f.Name, p.name)
		}
		require.Equal(t, apple.of(t, c, f).String(), layout{args: got}.String(), f.Name)
	}
}

// A line: the function, the ABI, its arguments, the result's registers, the bytes of
// stack if any.
func TestLayoutsAreTheCommittedOnes(t *testing.T) {
	const path = "testdata/abi_layouts.txt"
	c := readContract(t)
	var b strings.Builder
	for _, f := range c.Functions {
		for _, a := range []callABI{sysV, aapcs, apple} {
			l := a.of(t, c, f)
			fields := []string{f.Name, a.name}
			if len(l.args) > 0 {
				fields = append(fields, l.String())
			}
			fields = append(fields, "-> "+strings.Join(l.result, " "))
			if l.stack > 0 {
				fields = append(fields, fmt.Sprintf("stack %d", l.stack))
			}
			b.WriteString(strings.TrimSpace(strings.Join(fields, " ")) + "\n")
		}
	}
	if *updateABI {
		require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	got, committed := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(got), len(committed)) {
		require.Equal(t, committed[i], got[i], "line %d; -update writes the file again", i+1)
	}
	require.Equal(t, len(committed), len(got), "lines; -update writes the file again")
}
