package capi

import (
	"encoding/json"
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
// argument and result, and compare that with what the generated code asks purego
// to do. Apple arm64 is the reason: what goes wrong there goes right on Linux.
//
// The layouts of all 674 functions (2,380 parameters, 668 results, three ABIs) were
// compared once with what clang 14.0.6 -O1 makes of them for x86_64-linux-gnu,
// aarch64-linux-gnu and arm64-apple-macos13: for each parameter a function that stores
// just that one, and the registers or the stack offset and width that it reads; for each
// result a caller that stores it. There was no difference. No function of the contract
// has a small struct behind a 4-byte argument on the stack; clang aligns one to 8 there
// on Apple arm64, as is done below.

var updateABI = flag.Bool("update", false, "write testdata/abi_layouts.txt and abi_table_test.go again")

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

// callABI is a calling convention, as far as the contract needs it.
type callABI struct {
	name            string
	ints            []string
	float           string
	results         []string
	packed          bool // stack arguments lie at their natural alignment, not in slots of 8 bytes
	bigByReference  bool // a struct of more than 16 bytes is passed as the address of a copy
	splitFillsStack bool // a struct that the last registers do not hold closes them for what follows
}

var (
	sysV = callABI{
		name: "sysv", ints: []string{"rdi", "rsi", "rdx", "rcx", "r8", "r9"}, float: "xmm", results: []string{"rax", "rdx"},
	}
	aapcs = callABI{
		name: "aapcs", ints: []string{"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"}, float: "v", results: []string{"x0", "x1"},
		bigByReference: true, splitFillsStack: true,
	}
	apple = callABI{
		name: "apple", ints: aapcs.ints, float: "v", results: aapcs.results,
		bigByReference: true, splitFillsStack: true, packed: true,
	}
)

// place is where an argument lies: in a register or two, or in size bytes at an
// offset from the stack pointer at the call.
type place struct {
	name         string
	registers    []string
	byReference  bool
	offset, size int
}

func (p place) String() string {
	switch {
	case p.byReference:
		return p.name + "=" + p.registers[0] + "(byref)"
	case len(p.registers) > 0:
		return p.name + "=" + strings.Join(p.registers, "-")
	}
	return fmt.Sprintf("%s=stack+%d:%d", p.name, p.offset, p.size)
}

func (p place) onStack() bool { return len(p.registers) == 0 }

// layout is where a call's arguments and result lie.
type layout struct {
	args   []place
	result []string
	stack  int // bytes, rounded up to 8
}

func (l layout) String() string {
	var out []string
	for _, a := range l.args {
		out = append(out, a.String())
	}
	return strings.Join(out, " ")
}

// of lays out a call; a variadic function's named parameters only.
func (a callABI) of(t *testing.T, c *cContract, f cFunction) layout {
	t.Helper()
	var out layout
	ints, floats := a.ints, 0
	stack := func(p place, size, align int) {
		p.offset, p.size = alignUp(out.stack, align), size
		out.args = append(out.args, p)
		out.stack = p.offset + size
	}
	for _, param := range f.Params {
		ct := c.typeOf(t, param.Type)
		p := place{name: param.Name}
		if ct.structure && ct.size > 16 {
			if !a.bigByReference {
				stack(p, ct.size, 8)
				continue
			}
			ct, p.byReference = cType{size: 8, align: 8}, true
		}
		// a struct of up to 8 bytes travels as one 64-bit integer
		if ct.structure {
			ct.size, ct.align = alignUp(ct.size, 8), 8
		}
		words := (ct.size + 7) / 8
		switch {
		case ct.float && floats < 8: // all three ABIs have eight vector registers for arguments
			p.registers = []string{a.float + strconv.Itoa(floats)}
			floats++
		case !ct.float && words <= len(ints):
			p.registers, ints = ints[:words], ints[words:]
		default:
			if !ct.float && a.splitFillsStack {
				ints = nil
			}
			require.False(t, p.byReference, "%s: an address of a copy on the stack was not verified", f.Name)
			align := 8
			if a.packed {
				align = ct.align
			}
			stack(p, ct.size, align)
			continue
		}
		out.args = append(out.args, p)
	}
	out.stack = alignUp(out.stack, 8)
	if f.Ret != "void" {
		ct := c.typeOf(t, f.Ret)
		require.False(t, ct.float || ct.size > 16, "%s: result %s was not verified", f.Name, f.Ret)
		out.result = a.results[:(ct.size+7)/8]
	}
	return out
}

// wordwise lays out what purego.SyscallN makes of one word per parameter: integer
// registers, then stack slots of 8 bytes, and no vector registers to choose.
func (a callABI) wordwise(f cFunction) []place {
	var out []place
	for i, p := range f.Params {
		if i < len(a.ints) {
			out = append(out, place{name: p.Name, registers: a.ints[i : i+1]})
		} else {
			out = append(out, place{name: p.Name, offset: (i - len(a.ints)) * 8})
		}
	}
	return out
}

// samePlaces reports whether each argument begins where the callee reads it. Sizes do
// not matter: the processors are little-endian, and a longer slot ends where the next begins.
func samePlaces(a, b []place) bool {
	return slices.EqualFunc(a, b, func(a, b place) bool {
		return slices.Equal(a.registers, b.registers) && (!a.onStack() || a.offset == b.offset)
	})
}

func hasFloat(t *testing.T, c *cContract, f cFunction) bool {
	return slices.ContainsFunc(f.Params, func(p cParam) bool { return c.typeOf(t, p.Type).float })
}

// hasStruct reports whether a struct of more than a word is passed or returned:
// special.go writes those by hand.
func hasStruct(t *testing.T, c *cContract, f cFunction) bool {
	big := func(name string) bool { ct := c.typeOf(t, name); return ct.structure && ct.size > 8 }
	return f.Ret != "void" && big(f.Ret) || slices.ContainsFunc(f.Params, func(p cParam) bool { return big(p.Type) })
}

// appleSpills is the table of every function whose arguments do not all fit into Apple
// arm64's registers, and the bytes they take, as it was measured with the official
// v0.7.0 headers before this code was written.
var appleSpills = map[string]struct {
	places string
	stack  int
}{
	"mlx_fast_scaled_dot_product_attention": {"res=x0 queries=x1 keys=x2 values=x3 scale=v0 mask_mode=x4 mask_arr=x5 sinks=x6 force_fused=x7 s=stack+0:8", 8},
	"mlx_conv2d":                            {"res=x0 input=x1 weight=x2 stride_0=x3 stride_1=x4 padding_0=x5 padding_1=x6 dilation_0=x7 dilation_1=stack+0:4 groups=stack+4:4 s=stack+8:8", 16},
	"mlx_conv3d":                            {"res=x0 input=x1 weight=x2 stride_0=x3 stride_1=x4 stride_2=x5 padding_0=x6 padding_1=x7 padding_2=stack+0:4 dilation_0=stack+4:4 dilation_1=stack+8:4 dilation_2=stack+12:4 groups=stack+16:4 s=stack+24:8", 32},
	"mlx_conv_general":                      {"res=x0 input=x1 weight=x2 stride=x3 stride_num=x4 padding_lo=x5 padding_lo_num=x6 padding_hi=x7 padding_hi_num=stack+0:8 kernel_dilation=stack+8:8 kernel_dilation_num=stack+16:8 input_dilation=stack+24:8 input_dilation_num=stack+32:8 groups=stack+40:4 flip=stack+44:1 s=stack+48:8", 56},
	"mlx_conv_transpose1d":                  {"res=x0 input=x1 weight=x2 stride=x3 padding=x4 dilation=x5 output_padding=x6 groups=x7 s=stack+0:8", 8},
	"mlx_conv_transpose2d":                  {"res=x0 input=x1 weight=x2 stride_0=x3 stride_1=x4 padding_0=x5 padding_1=x6 dilation_0=x7 dilation_1=stack+0:4 output_padding_0=stack+4:4 output_padding_1=stack+8:4 groups=stack+12:4 s=stack+16:8", 24},
	"mlx_conv_transpose3d":                  {"res=x0 input=x1 weight=x2 stride_0=x3 stride_1=x4 stride_2=x5 padding_0=x6 padding_1=x7 padding_2=stack+0:4 dilation_0=stack+4:4 dilation_1=stack+8:4 dilation_2=stack+12:4 output_padding_0=stack+16:4 output_padding_1=stack+20:4 output_padding_2=stack+24:4 groups=stack+28:4 s=stack+32:8", 40},
	"mlx_dequantize":                        {"res=x0 w=x1 scales=x2 biases=x3 group_size=x4 bits=x5 mode=x6 global_scale=x7 dtype=stack+0:8 s=stack+8:8", 16},
	"mlx_gather_qmm":                        {"res=x0 x=x1 w=x2 scales=x3 biases=x4 lhs_indices=x5 rhs_indices=x6 transpose=x7 group_size=stack+0:8 bits=stack+8:8 mode=stack+16:8 sorted_indices=stack+24:1 s=stack+32:8", 40},
	"mlx_pad":                               {"res=x0 a=x1 axes=x2 axes_num=x3 low_pad_size=x4 low_pad_size_num=x5 high_pad_size=x6 high_pad_size_num=x7 pad_value=stack+0:8 mode=stack+8:8 s=stack+16:8", 24},
	"mlx_qqmm":                              {"res=x0 x=x1 w=x2 w_scales=x3 group_size=x4 bits=x5 mode=x6 global_scale_x=x7 global_scale_w=stack+0:8 s=stack+8:8", 16},
	"mlx_quantized_matmul":                  {"res=x0 x=x1 w=x2 scales=x3 biases=x4 transpose=x5 group_size=x6 bits=x7 mode=stack+0:8 s=stack+8:8", 16},
	"mlx_slice":                             {"res=x0 a=x1 start=x2 start_num=x3 stop=x4 stop_num=x5 strides=x6 strides_num=x7 s=stack+0:8", 8},
	"mlx_slice_update":                      {"res=x0 src=x1 update=x2 start=x3 start_num=x4 stop=x5 stop_num=x6 strides=x7 strides_num=stack+0:8 s=stack+8:8", 16},
	"mlx_slice_update_add":                  {"res=x0 src=x1 update=x2 start=x3 start_num=x4 stop=x5 stop_num=x6 strides=x7 strides_num=stack+0:8 s=stack+8:8", 16},
	"mlx_slice_update_max":                  {"res=x0 src=x1 update=x2 start=x3 start_num=x4 stop=x5 stop_num=x6 strides=x7 strides_num=stack+0:8 s=stack+8:8", 16},
	"mlx_slice_update_min":                  {"res=x0 src=x1 update=x2 start=x3 start_num=x4 stop=x5 stop_num=x6 strides=x7 strides_num=stack+0:8 s=stack+8:8", 16},
	"mlx_slice_update_prod":                 {"res=x0 src=x1 update=x2 start=x3 start_num=x4 stop=x5 stop_num=x6 strides=x7 strides_num=stack+0:8 s=stack+8:8", 16},
	"mlx_gather_qqmm":                       {"res=x0 x=x1 w=x2 scales_w=x3 lhs_indices=x4 rhs_indices=x5 group_size=x6 bits=x7 mode=stack+0:8 global_scale_x=stack+8:8 global_scale_w=stack+16:8 sorted_indices=stack+24:1 s=stack+32:8", 40},
}

// floatPlaces is the same measurement of every function with a floating parameter
// whose arguments all fit into arm64's registers.
var floatPlaces = map[string]string{
	"mlx_array_new_float32":                       "val=v0",
	"mlx_array_new_float":                         "val=v0",
	"mlx_array_new_float64":                       "val=v0",
	"mlx_array_new_double":                        "val=v0",
	"mlx_array_new_complex":                       "real_val=v0 imag_val=v1",
	"mlx_array_set_float32":                       "arr=x0 val=v0",
	"mlx_array_set_float":                         "arr=x0 val=v0",
	"mlx_array_set_float64":                       "arr=x0 val=v0",
	"mlx_array_set_double":                        "arr=x0 val=v0",
	"mlx_array_set_complex":                       "arr=x0 real_val=v0 imag_val=v1",
	"mlx_fast_cuda_kernel_config_set_init_value":  "cls=x0 value=v0",
	"mlx_fast_layer_norm":                         "res=x0 x=x1 weight=x2 bias=x3 eps=v0 s=x4",
	"mlx_fast_metal_kernel_config_set_init_value": "cls=x0 value=v0",
	"mlx_fast_rms_norm":                           "res=x0 x=x1 weight=x2 eps=v0 s=x3",
	"mlx_fast_rope":                               "res=x0 x=x1 dims=x2 traditional=x3 base=x4 scale=v0 offset=x5 freqs=x6 s=x7",
	"mlx_fast_rope_dynamic":                       "res=x0 x=x1 dims=x2 traditional=x3 base=x4 scale=v0 offset=x5 freqs=x6 s=x7",
	"mlx_fft_fftfreq":                             "res=x0 n=x1 d=v0 s=x2",
	"mlx_fft_rfftfreq":                            "res=x0 n=x1 d=v0 s=x2",
	"mlx_linalg_norm":                             "res=x0 a=x1 ord=v0 axis=x2 axis_num=x3 keepdims=x4 s=x5",
	"mlx_addmm":                                   "res=x0 c=x1 a=x2 b=x3 alpha=v0 beta=v1 s=x4",
	"mlx_allclose":                                "res=x0 a=x1 b=x2 rtol=v0 atol=v1 equal_nan=x3 s=x4",
	"mlx_arange":                                  "res=x0 start=v0 stop=v1 step=v2 dtype=x1 s=x2",
	"mlx_isclose":                                 "res=x0 a=x1 b=x2 rtol=v0 atol=v1 equal_nan=x3 s=x4",
	"mlx_linspace":                                "res=x0 start=v0 stop=v1 num=x1 dtype=x2 s=x3",
	"mlx_nan_to_num":                              "res=x0 a=x1 nan=v0 posinf=x2 neginf=x3 s=x4",
	"mlx_linspace_endpoint":                       "res=x0 start=v0 stop=v1 num=x1 endpoint=x2 dtype=x3 s=x4",
	"mlx_random_laplace":                          "res=x0 shape=x1 shape_num=x2 dtype=x3 loc=v0 scale=v1 key=x4 s=x5",
	"mlx_random_normal":                           "res=x0 shape=x1 shape_num=x2 dtype=x3 loc=v0 scale=v1 key=x4 s=x5",
}

// structPlaces is the same measurement of every function that passes or returns a struct
// of more than 8 bytes by value, with the registers of the result.
var structPlaces = map[string]string{
	"mlx_io_reader_new":                      "desc=x0 vtable=x1(byref) -> x0",
	"mlx_io_writer_new":                      "desc=x0 vtable=x1(byref) -> x0",
	"mlx_map_string_to_array_iterator_new":   "map=x0 -> x0 x1",
	"mlx_map_string_to_array_iterator_free":  "it=x0-x1 -> x0",
	"mlx_map_string_to_array_iterator_next":  "key=x0 value=x1 it=x2-x3 -> x0",
	"mlx_map_string_to_string_iterator_new":  "map=x0 -> x0 x1",
	"mlx_map_string_to_string_iterator_free": "it=x0-x1 -> x0",
	"mlx_map_string_to_string_iterator_next": "key=x0 value=x1 it=x2-x3 -> x0",
}

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
	file, err := parser.ParseFile(token.NewFileSet(), "gen/main.go", nil, 0)
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
	c := readContract(t)
	need := packedList(t)
	for _, f := range c.Functions {
		if hasFloat(t, c, f) {
			need = append(need, f.Name)
		}
	}
	require.ElementsMatch(t, need, slices.Collect(maps.Keys(registeredFuncs)))
}

func TestSyscallNPlacesWhatIsNotRegistered(t *testing.T) {
	c := readContract(t)
	for _, f := range c.Functions {
		if registeredFuncs[f.Name] != nil || hasStruct(t, c, f) || f.Variadic {
			continue
		}
		for _, a := range []callABI{sysV, aapcs, apple} {
			require.True(t, samePlaces(a.of(t, c, f).args, a.wordwise(f)), "%s: %s: %v", a.name, f.Name, a.of(t, c, f))
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
