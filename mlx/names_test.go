package mlx_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the table of names into docs/mlx.md")

// exportedDocs returns the comment of each exported function and method of the package.
func exportedDocs(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	out := map[string]string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || !f.Name.IsExported() {
				continue
			}
			id := f.Name.Name
			if f.Recv != nil {
				typ := f.Recv.List[0].Type
				if star, ok := typ.(*ast.StarExpr); ok {
					typ = star.X
				}
				owner, ok := typ.(*ast.Ident)
				if !ok || !owner.IsExported() {
					continue
				}
				id = owner.Name + "." + id
			}
			out[id] = strings.Join(strings.Fields(f.Doc.Text()), " ")
		}
	}
	return out
}

var bound = regexp.MustCompile(`\b_?mlx_\w+`)

func TestCommentsNameFunctionsOfMLXC(t *testing.T) {
	raw, err := os.ReadFile("../include/mlxc.json")
	require.NoError(t, err)
	for name, doc := range exportedDocs(t) {
		if _, binds, ok := strings.Cut(doc, "Binds "); ok {
			for _, f := range bound.FindAllString(binds, -1) {
				if prefix, ok := strings.CutSuffix(f, "_"); ok { // mlx_…_*
					f = prefix
				} else {
					f += `"`
				}
				require.Contains(t, string(raw), `"`+f, name)
			}
		}
	}
}

func TestEveryExportedFunctionIsDocumented(t *testing.T) {
	for name, doc := range exportedDocs(t) {
		_, method, isMethod := strings.Cut(name, ".")
		if !isMethod {
			method = name
		}
		if method == "String" || method == "Error" {
			continue // fmt.Stringer and error say what they are
		}
		require.True(t, strings.HasPrefix(doc, method+" "), "%s: %q", name, doc)
	}
}

// elsewhere are names of mlx.core that are not those of a function of mlx-c.
var elsewhere = map[string]string{
	"asarray": "FromSlice", "concat": "Concatenate", "conj": "Conjugate", "pow": "Power", "permute_dims": "Transpose", "matrix_transpose": "Swapaxes",
	"acos": "Arccos", "acosh": "Arccosh", "asin": "Arcsin", "asinh": "Arcsinh", "atan": "Arctan", "atan2": "Arctan2", "atanh": "Arctanh",
	"bitwise_left_shift": "LeftShift", "bitwise_right_shift": "RightShift", "cumulative_prod": "Cumprod", "cumulative_sum": "Cumsum",
	"matrix_norm": "NormMatrix", "grad": "Grad", "vmap": "Vmap", "compile": "Compile", "disable_compile": "SetCompileMode", "enable_compile": "SetCompileMode",
	"slice": "Slice, SliceDynamic, Index", "slice_update": "SliceUpdate, SliceUpdateDynamic, IndexUpdate", "load": "LoadNpy, LoadSafetensors, LoadGGUF", "save": "SaveNpy", "save_safetensors": "SaveSafetensors", "save_gguf": "SaveGGUF",
	"default_device": "DefaultDevice", "default_stream": "DefaultStream", "new_stream": "NewStream", "new_thread_unsafe_stream": "NewStream",
	"new_thread_local_stream": "–: a thread's own, and goroutines move", "set_default_device": "NewScope, On", "set_default_stream": "Stream.Scope", "stream": "Stream.Scope", "synchronize": "Stream.Synchronize",
	"clear_streams": "–: streams last", "is_available": "Device.Available", "device_count": "Device.Count", "device_info": "Device.Info", "metal.device_info": "Device.Info",
	"export_function": "ExportFunction, ExportFunctionKwargs", "exporter": "NewExporter", "import_function": "ImportFunction",
	"fast.metal_kernel": "NewMetalKernel", "fast.cuda_kernel": "NewCUDAKernel", "fast.precompiled_cuda_kernel": "–: not in mlx-c",
	"fast.scaled_dot_product_attention": "Attention", "fast.rope": "RoPE, RoPEDynamic",
	"distributed.init": "InitDistributed", "distributed.is_available": "Backend.Available", "random.seed": "–: functions take a key", "random.split": "RandomSplit",
	"empty": "Zeros", "empty_like": "ZerosLike", "savez": "–: a zip of npy files, see package checkpoint/npz", "savez_compressed": "–: as savez", "from_dlpack": "FromBytes",
	"broadcast_shapes": "–: BroadcastArrays gives the shape", "can_cast": "–: AsType converts all", "isdtype": "Dtype.IsFloat, Dtype.IsInteger", "issubdtype": "Dtype.IsFloat, Dtype.IsInteger", "result_type": "–: the result of an operation has it",
	"convolve": "ConvGeneral", "einsum_path": "–: Einsum finds it", "get_printoptions": "–", "set_printoptions": "–", "printoptions": "–",
	"linalg.norm": "Norm, NormOrd, NormMatrix", "linalg.svd": "SVD, SingularValues", "random.categorical": "RandomCategorical, RandomCategoricalN, RandomCategoricalShape",
	"random.normal": "RandomNormal, RandomNormalBroadcast", "random.permutation": "RandomPermutation, RandomPermutationArange", "split": "Split, SplitAt", "jvp": "JVP", "vjp": "VJP", "value_and_grad": "ValueAndGrad",
	"metal.clear_cache": "ClearCache", "metal.get_active_memory": "ActiveMemory", "metal.get_cache_memory": "CacheMemory", "metal.get_peak_memory": "PeakMemory", "metal.reset_peak_memory": "ResetPeakMemory",
	"metal.set_cache_limit": "SetCacheLimit", "metal.set_memory_limit": "SetMemoryLimit", "metal.set_wired_limit": "SetWiredLimit",
	"full": "Full", "round": "Round", "flatten": "Flatten", "linspace": "Linspace", "pad": "Pad", "eval": "Eval", "contiguous": "Contiguous", "where": "Where", "maximum": "Maximum",
	"multiply": "Multiply", "clip": "Clip", "astype": "AsType", "depends": "Depends",
}

// table lists the names of mlx.core, each with ours.
func table(t *testing.T) string {
	raw, err := os.ReadFile("testdata/names.json")
	require.NoError(t, err)
	var names []string
	require.NoError(t, json.Unmarshal(raw, &names))
	docs := exportedDocs(t)
	by := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		if _, binds, ok := strings.Cut(docs[name], "Binds "); ok {
			for _, f := range bound.FindAllString(binds, -1) {
				by[f] = append(by[f], name)
			}
		}
	}
	var missing []string // neither a function here nor a line in elsewhere
	var b strings.Builder
	b.WriteString("| mlx.core | mlx |\n|---|---|\n")
	for _, name := range names {
		ours, ok := elsewhere[name]
		if !ok {
			found := by["mlx_"+strings.ReplaceAll(name, ".", "_")]
			if len(found) == 0 {
				missing = append(missing, name)
			}
			ours = strings.Join(found, ", ")
		}
		words := strings.Split(ours, ", ")
		if strings.HasPrefix(ours, "–") {
			words = []string{ours} // why there is none
		}
		for i, word := range words {
			if strings.HasPrefix(word, "–") {
				continue
			}
			_, ok := docs[word]
			require.True(t, ok, "%s for mlx.core.%s", word, name)
			words[i] = "`" + word + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, strings.Join(words, " "))
	}
	require.Empty(t, missing, "mlx.core has these, and neither a comment nor elsewhere names them")
	return b.String()
}

func TestTheTableOfNamesIsWhatTheCodeSays(t *testing.T) {
	const path, from, to = "../docs/mlx.md", "<!-- names: written by go test ./mlx -run Names -update -->\n", "<!-- end of names -->"
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(page), from)
	require.True(t, ok, "docs/mlx.md has no place for the names")
	_, tail, ok := strings.Cut(rest, to)
	require.True(t, ok, "docs/mlx.md has no end of the names")
	want := head + from + table(t) + to + tail
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(page), "go test ./mlx -run Names -update")
}
