package capi

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// stubVariable names the environment variable that tells the child process of
// TestEveryGoFunctionPassesItsArguments where the compiled echo library is.
const stubVariable = "MLXLENS_ABI_STUB"

// Every Go function calls its C function in a library that writes down which function
// was called and what it was given, and returns what it was told to.
//
// Twice it ran by hand under qemu-aarch64 7.2.22, where it passed for every function:
//
//   - as linux/arm64, with the echo library by gcc 12.2.0;
//   - as a stand-in for darwin/arm64: the echo library compiled by clang 14.0.6 for
//     arm64-apple-macos13 (its assembly put into an ELF library), and a copy of purego
//     v0.11.3 whose only change was isDarwin = true. With purego as it is on Linux,
//     that library saw a wrong value in mlx_conv2d, so that the difference shows.
func TestEveryGoFunctionPassesItsArguments(t *testing.T) {
	if library := os.Getenv(stubVariable); library != "" {
		callEveryFunction(t, library)
		return
	}
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("there is no cc to compile the echo library with")
	}
	c := readContract(t)
	dir := t.TempDir()
	source, library := filepath.Join(dir, "echo.c"), filepath.Join(dir, "libecho.so")
	require.NoError(t, os.WriteFile(source, c.echoSource(t), 0o600))
	out, err := exec.Command(cc, "-shared", "-fPIC", "-O1", "-o", library, source).CombinedOutput()
	require.NoError(t, err, "%s", out)

	// a process of its own: capi opens one library for good, and a wrong call may crash
	child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), stubVariable+"="+library)
	out, err = child.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
}

// isLengthOf reports whether a C function reads its argument n as the number of
// elements at p. It is not the generator's own rule, so that a slice too many or too
// few in the generated code shows as arguments that differ.
func isLengthOf(n, p cParam) bool {
	if n.Type != "size_t" && n.Type != "int" {
		return false
	}
	switch n.Name {
	case p.Name + "_num":
		return true
	case "dim":
		return p.Type == "const int*"
	case "size":
		return p.Type == "const int*" || p.Name == "data"
	}
	return false
}

// lengthOf returns the index of the parameter that holds the length of parameter i.
func lengthOf(f cFunction, i int) (int, bool) {
	if i+1 < len(f.Params) && strings.HasSuffix(f.Params[i].Type, "*") && isLengthOf(f.Params[i+1], f.Params[i]) {
		return i + 1, true
	}
	return 0, false
}

// opaque holds the pointers that a C function may not look behind.
var opaque = map[string]bool{"void*": true, "FILE*": true}

// dataBytes is how much the echo library reads at a const void*, whose size only the
// function knows.
const dataBytes = 16

const echoHead = `#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* what the last call was: its function's index, and chunks, each after its length */
int32_t abi_index;
uint32_t abi_used;
unsigned char abi_buffer[65536];
/* what the next call returns */
uint64_t abi_result[2];

static void abi_put(const void* data, size_t n) {
  uint32_t length = n;
  memcpy(abi_buffer + abi_used, &length, 4);
  memcpy(abi_buffer + abi_used + 4, data, n);
  abi_used += 4 + n;
}
static void abi_flip(void* data, size_t n) {
  for (size_t i = 0; i < n; i++) ((unsigned char*)data)[i] ^= 0xff;
}

`

func (p cParam) decl() string {
	if before, after, ok := strings.Cut(p.Type, "(*)"); ok {
		return before + "(*" + p.Name + ")" + after
	}
	return p.Type + " " + p.Name
}

// echoSource writes the echo library. An echo notes each argument and what it points
// to, and inverts every bit of an out parameter.
func (c *cContract) echoSource(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(echoHead)
	for _, d := range c.Typedefs {
		switch {
		case strings.HasPrefix(d.Type, "struct "): // declared ahead of the struct below
		case d.Cond != "": // 16-bit floats, which only pointers lead to: any 16 bits do
			fmt.Fprintf(&b, "typedef uint16_t abi_%s;\n#define %[1]s abi_%[1]s\n", d.Name)
		default:
			fmt.Fprintf(&b, "typedef %s %s;\n", d.Type, d.Name)
		}
	}
	for _, e := range c.Enums {
		fmt.Fprintf(&b, "typedef enum {")
		for name, value := range e.Members {
			fmt.Fprintf(&b, "%s = %d, ", name, value)
		}
		fmt.Fprintf(&b, "} %s;\n", e.Name)
	}
	for _, s := range c.Structs {
		fmt.Fprintf(&b, "typedef struct {")
		for _, f := range s.Fields {
			fmt.Fprintf(&b, "%s; ", f.decl())
		}
		fmt.Fprintf(&b, "} %s;\n", s.Name)
	}
	for _, p := range c.FnPtrs {
		fmt.Fprintf(&b, "typedef %s (*%s)(%s);\n", p.Ret, p.Name, declare(p))
	}
	for i, f := range c.Functions {
		// what lies in the result's register above a bool or an int is not defined:
		// a wider result puts noise there
		ret := f.Ret
		if ret == "bool" || ret == "int" {
			ret = "uint64_t"
		}
		fmt.Fprintf(&b, "\n%s %s(%s) {\n  abi_index = %d;\n  abi_used = 0;\n", ret, f.Name, declare(f), i)
		for j, p := range f.Params {
			if strings.HasPrefix(p.Type, "mlx_optional_") { // not the padding
				fmt.Fprintf(&b, "  abi_put(&%s.value, 4);\n  abi_put(&%[1]s.has_value, 1);\n", p.Name)
				continue
			}
			fmt.Fprintf(&b, "  abi_put(&%s, sizeof %[1]s);\n", p.Name)
			n, isSlice := lengthOf(f, j)
			switch {
			case !strings.HasSuffix(p.Type, "*") || opaque[p.Type]:
			case p.Type == "const void*":
				fmt.Fprintf(&b, "  if (%s) abi_put(%[1]s, %d);\n", p.Name, dataBytes)
			case p.Type == "const char*":
				fmt.Fprintf(&b, "  if (%s) abi_put(%[1]s, strlen(%[1]s) + 1);\n", p.Name)
			case isSlice && p.Type == "const char**":
				fmt.Fprintf(&b, "  for (size_t i = 0; i < %s; i++) abi_put(%s[i], strlen(%[2]s[i]) + 1);\n", f.Params[n].Name, p.Name)
			case isSlice:
				fmt.Fprintf(&b, "  if (%s) abi_put(%[1]s, %s * sizeof *%[1]s);\n", p.Name, f.Params[n].Name)
			case p.Type == "bool*": // stays a bool
				fmt.Fprintf(&b, "  if (%s) { abi_put(%[1]s, 1); *%[1]s = !*%[1]s; }\n", p.Name)
			default:
				fmt.Fprintf(&b, "  if (%s) { abi_put(%[1]s, sizeof *%[1]s); abi_flip((void*)%[1]s, sizeof *%[1]s); }\n", p.Name)
			}
		}
		if f.Ret != "void" {
			fmt.Fprintf(&b, "  %s abi_out;\n  memcpy(&abi_out, abi_result, sizeof abi_out);\n  return abi_out;\n", ret)
		}
		b.WriteString("}\n")
	}
	return b.Bytes()
}

func declare(f cFunction) string {
	if len(f.Params) == 0 {
		return "void"
	}
	var out []string
	for _, p := range f.Params {
		out = append(out, p.decl())
	}
	if f.Variadic {
		out = append(out, "...")
	}
	return strings.Join(out, ", ")
}

// callEveryFunction is the child process.
func callEveryFunction(t *testing.T, library string) {
	c := readContract(t)
	require.NoError(t, Open(library))
	EnterGate()
	defer LeaveGate()
	handle, err := open(library, 0)
	require.NoError(t, err)
	at := func(name string) Pointer {
		p := symbol(handle, name)
		require.NotZero(t, p, name)
		return Pointer(p)
	}
	echo := echoLibrary{
		index:  &SliceAt[int32](at("abi_index"), 1)[0],
		used:   &SliceAt[uint32](at("abi_used"), 1)[0],
		buffer: SliceAt[byte](at("abi_buffer"), 65536),
		result: SliceAt[uint64](at("abi_result"), 2),
	}
	require.Len(t, goFuncs, len(Symbols()))
	called := 0
	for i, f := range c.Functions {
		fn, ok := goFuncs[f.Name]
		if !ok {
			require.True(t, f.Variadic, "%s has no Go function", f.Name)
			continue
		}
		for round := range rounds {
			call := newCall(c, i, round)
			call.run(t, f, reflect.ValueOf(fn), echo)
		}
		called++
	}
	require.Equal(t, len(Symbols()), called)
}

type echoLibrary struct {
	index  *int32
	used   *uint32
	buffer []byte
	result []uint64
}

// chunks splits what the last call noted.
func (e echoLibrary) chunks() [][]byte {
	var out [][]byte
	for rest := e.buffer[:*e.used]; len(rest) > 0; {
		n := binary.NativeEndian.Uint32(rest)
		out = append(out, bytes.Clone(rest[4:4+n]))
		rest = rest[4+n:]
	}
	return out
}

// Each function is called six times. Bools follow the bits of their position, so that
// each is once true and once false and no two of a function are always alike. In the
// last round every pointer is NULL.
const (
	rounds    = 6
	nullRound = rounds - 1
)

// call is one call of one function: the arguments, and what C must have seen.
type call struct {
	contract *cContract
	state    uint64
	index    int
	round    int
	position int
	args     []reflect.Value
	labels   []string
	want     [][]byte
	after    []func(t *testing.T) // what C must have left in the out parameters
}

func newCall(c *cContract, index, round int) *call {
	return &call{contract: c, index: index, round: round, state: uint64(index)<<8 | uint64(round)}
}

// next returns another 64 bits: splitmix64, Steele et al. 2014, whose results over one
// sequence are all distinct.
func (c *call) next() uint64 {
	c.state += 0x9e3779b97f4a7c15
	z := c.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (c *call) see(label string, v []byte) {
	c.labels = append(c.labels, label)
	c.want = append(c.want, v)
}

// rawBytes copies what a Go value is in memory.
func rawBytes(v reflect.Value) []byte {
	boxed := reflect.New(v.Type())
	boxed.Elem().Set(v)
	return bytes.Clone(unsafe.Slice((*byte)(boxed.UnsafePointer()), v.Type().Size()))
}

// fill sets v, a value without Go pointers, to something that is neither 0 nor small.
func (c *call) fill(t *testing.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool((c.position+1)>>c.round&1 == 1)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Int:
		v.SetInt(int64(c.next()) >> (64 - v.Type().Bits()))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(c.next() >> (64 - v.Type().Bits()))
	case reflect.Float32, reflect.Float64: // no NaN, and both widths exact
		v.SetFloat(math.Ldexp(float64(int32(c.next())>>8), -7))
	case reflect.Complex64:
		v.SetComplex(complex(math.Ldexp(float64(int32(c.next())>>8), -7), math.Ldexp(float64(int32(c.next())>>8), -7)))
	case reflect.Struct:
		for i := range v.NumField() {
			c.fill(t, v.Field(i))
		}
	default:
		t.Fatalf("a value of type %v is not known", v.Type())
	}
}

// text returns a C string of its own.
func (c *call) text() *byte { return Bytes(fmt.Sprintf("text %x ü", c.next())) }

// textBytes is the C string at p with its end.
func textBytes(p *byte) []byte {
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return bytes.Clone(unsafe.Slice(p, n+1))
}

// address64 is the bytes of a Go pointer as C sees it.
func address64(p unsafe.Pointer) []byte {
	return binary.NativeEndian.AppendUint64(nil, uint64(uintptr(p)))
}

// run calls fn once and compares.
func (c *call) run(t *testing.T, f cFunction, fn reflect.Value, echo echoLibrary) {
	t.Helper()
	name := fmt.Sprintf("%s, round %d", f.Name, c.round)
	typ := fn.Type()
	for j := 0; j < len(f.Params); j++ {
		require.Less(t, len(c.args), typ.NumIn(), "%s: too few Go parameters", name)
		c.position = j
		if c.param(t, f, j, typ.In(len(c.args))) {
			j++ // the length is part of the slice
		}
	}
	require.Len(t, c.args, typ.NumIn(), "%s: Go parameters", name)

	echo.result[0], echo.result[1] = c.next(), c.next()
	if f.Ret == "bool" { // noise above it
		echo.result[0] = echo.result[0]&^0xff | uint64(c.round&1)
	}
	*echo.index, *echo.used = -1, 0
	out := fn.Call(c.args)

	require.EqualValues(t, c.index, *echo.index, "%s: another function was called", name)
	got := echo.chunks()
	for k := range min(len(got), len(c.want)) {
		require.Equal(t, c.want[k], got[k], "%s: %s", name, c.labels[k])
	}
	require.Len(t, got, len(c.want), "%s: what C noted", name)
	for _, check := range c.after {
		check(t)
	}
	if f.Ret == "void" {
		require.Empty(t, out, name)
		return
	}
	require.Len(t, out, 1, name)
	size := c.contract.typeOf(t, f.Ret).size
	want := unsafe.Slice((*byte)(unsafe.Pointer(&echo.result[0])), size)
	require.Equal(t, want, rawBytes(out[0])[:size], "%s: result", name)
	require.Len(t, rawBytes(out[0]), size, "%s: result", name)
}

// param makes the Go argument for C parameter j, of Go type typ, and reports whether
// it covers the length that follows.
func (c *call) param(t *testing.T, f cFunction, j int, typ reflect.Type) (twoParams bool) {
	t.Helper()
	p := f.Params[j]
	null := c.round == nullRound
	arg := reflect.New(typ).Elem()
	contents := p.Name + " points to"
	n, isSlice := lengthOf(f, j)
	switch {
	case strings.HasPrefix(p.Type, "mlx_optional_"):
		c.fill(t, arg)
		c.see(p.Name+".value", rawBytes(arg.Field(0)))
		c.see(p.Name+".has_value", rawBytes(arg.Field(1)))

	case p.Type == "mlx_io_vtable": // by value in C, its address in Go
		require.Equal(t, reflect.TypeFor[*IoVtable](), typ)
		arg.Set(reflect.New(typ.Elem()))
		c.fill(t, arg.Elem())
		c.see(p.Name, rawBytes(arg.Elem()))

	case !strings.HasSuffix(p.Type, "*") || opaque[p.Type]:
		c.fill(t, arg)
		c.see(p.Name, rawBytes(arg))
		require.EqualValues(t, c.contract.typeOf(t, p.Type).size, typ.Size(), "%s: size of %s", f.Name, p.Name)

	case p.Type == "const void*":
		if null {
			c.see(p.Name, address64(nil))
			break
		}
		data := reflect.New(reflect.TypeFor[[dataBytes / 8]uint64]())
		for k := range data.Elem().Len() {
			c.fill(t, data.Elem().Index(k))
		}
		arg.SetPointer(data.UnsafePointer())
		c.see(p.Name, address64(data.UnsafePointer()))
		c.see(contents, rawBytes(data.Elem()))

	case p.Type == "const char*":
		if null {
			c.see(p.Name, address64(nil))
			break
		}
		text := c.text()
		arg.Set(reflect.ValueOf(text))
		c.see(p.Name, address64(unsafe.Pointer(text)))
		c.see(contents, textBytes(text))

	case isSlice:
		require.Equal(t, reflect.Slice, typ.Kind(), "%s: %s and %s are a slice", f.Name, p.Name, f.Params[n].Name)
		length := 0
		if !null {
			length = 1 + int(c.next()%7)
			arg.Set(reflect.MakeSlice(typ, length, length+3))
		}
		c.see(p.Name, address64(arg.UnsafePointer()))
		if p.Type == "const char**" {
			for k := range length {
				text := c.text()
				arg.Index(k).Set(reflect.ValueOf(text))
				c.see(contents, textBytes(text))
			}
		} else if !null {
			var raw []byte
			for k := range length {
				c.fill(t, arg.Index(k))
				raw = append(raw, rawBytes(arg.Index(k))...)
			}
			c.see(contents, raw)
		}
		size := c.contract.typeOf(t, f.Params[n].Type).size
		c.see(f.Params[n].Name, binary.NativeEndian.AppendUint64(nil, uint64(length))[:size])
		twoParams = true

	default: // an out parameter
		require.Equal(t, reflect.Pointer, typ.Kind(), "%s: %s is an address", f.Name, p.Name)
		if null {
			c.see(p.Name, address64(nil))
			break
		}
		target := reflect.New(typ.Elem())
		c.fill(t, target.Elem())
		before := rawBytes(target.Elem())
		arg.Set(target)
		c.see(p.Name, address64(target.UnsafePointer()))
		c.see(contents, before)
		c.after = append(c.after, func(t *testing.T) {
			want := bytes.Clone(before)
			for k := range want {
				if p.Type == "bool*" {
					want[k] ^= 1
				} else {
					want[k] ^= 0xff
				}
			}
			require.Equal(t, want, rawBytes(target.Elem()), "%s: what C left in %s", f.Name, p.Name)
		})
	}
	c.args = append(c.args, arg)
	return twoParams
}

// Go cannot name a function at run time, so that abi_table_test.go lists them all. A
// function that is gone must be deleted there by hand before -update compiles.
func TestTableOfGoFunctionsIsComplete(t *testing.T) {
	const path = "abi_table_test.go"
	text := goFuncTable(t)
	if *updateABI {
		require.NoError(t, os.WriteFile(path, text, 0o644))
	}
	committed, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, string(committed) == string(text), "%s does not list the functions of zfuncs.go and special.go; -update writes it again", path)
}

var (
	calledInComment = regexp.MustCompile(`\b(_?mlx_\w+)\(`)
	namedInComment  = regexp.MustCompile(`calls (_?mlx_\w+)`)
)

// goFuncTable reads from the comments which C function each Go function says it calls.
func goFuncTable(t *testing.T) []byte {
	t.Helper()
	byC := map[string]string{}
	var registered []string
	for _, path := range []string{"zfuncs.go", "special.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if fn.Name.Name == "registerFuncs" {
				registered = append(registered, registrations(t, fn)...)
			}
			if !fn.Name.IsExported() {
				continue
			}
			name := calledInComment.FindStringSubmatch(fn.Doc.Text())
			if name == nil {
				name = namedInComment.FindStringSubmatch(fn.Doc.Text())
			}
			require.NotNil(t, name, "%s does not say what it calls", fn.Name.Name)
			require.Empty(t, byC[name[1]], "two Go functions call %s", name[1])
			byC[name[1]] = fn.Name.Name
		}
	}
	var b bytes.Buffer
	b.WriteString("// Code generated by TestTableOfGoFunctionsIsComplete with -update; DO NOT EDIT.\n\npackage capi\n\n")
	b.WriteString("// goFuncs holds the Go function for each C function.\nvar goFuncs = map[string]any{\n")
	for _, name := range Symbols() {
		require.NotEmpty(t, byC[name], "no Go function calls %s", name)
		fmt.Fprintf(&b, "%q: %s,\n", name, byC[name])
		delete(byC, name)
	}
	require.Empty(t, byC)
	b.WriteString("}\n\n// registeredFuncs holds the variables that purego.RegisterFunc sets; here their types matter.\nvar registeredFuncs = map[string]any{\n")
	slices.Sort(registered)
	b.WriteString(strings.Join(registered, "") + "}\n")
	out, err := format.Source(b.Bytes())
	require.NoError(t, err)
	return out
}

// registrations reads purego.RegisterFunc(&variable, address[index]).
func registrations(t *testing.T, fn *ast.FuncDecl) []string {
	var out []string
	for _, s := range fn.Body.List {
		args := s.(*ast.ExprStmt).X.(*ast.CallExpr).Args
		variable := args[0].(*ast.UnaryExpr).X.(*ast.Ident).Name
		index, err := strconv.Atoi(args[1].(*ast.IndexExpr).Index.(*ast.BasicLit).Value)
		require.NoError(t, err)
		out = append(out, fmt.Sprintf("%q: %s,\n", symbols[index], variable))
	}
	return out
}
