// Package archtest holds the architecture as a test: which package may import
// which, how long files and functions may be, that each package has an example, and
// that no test measures time.
// A package's line is written the day that the package is made.
package archtest

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/mlxlens/mlxlens"

// allowed lists, for each package of the module, the packages of the module that
// its code (not its tests) may import.
var allowed = map[string][]string{
	"": {}, // the texts that go with the program

	"mlx/internal/capi":     {},
	"mlx/internal/capi/gen": {},
	"mlx/internal/dynamic":  {},
	"mlx/internal/gate":     {"mlx/internal/capi"},
	"mlx":                   {"checkpoint", "checkpoint/npz", "internal/origin", "internal/regular", "mlx/internal/capi", "mlx/internal/dynamic", "mlx/internal/gate"},
	"mlx/nn":                {"mlx"},
	"mlx/cmd/mlxlib":        {"mlx", "third_party"},
	"third_party":           {},

	"checkpoint":      {"internal/exactjson", "internal/regular"},
	"checkpoint/npz":  {"checkpoint", "internal/regular"},
	"hub":             {"internal/regular"},
	"tokenizer":       {"internal/exactjson", "internal/regular", "tokenizer/jinja"},
	"tokenizer/jinja": {},

	"model":      {"internal/spelling", "mlx", "mlx/nn"},
	"model/load": {"mlx", "mlx/nn", "checkpoint", "internal/exactjson", "model"},
	"model/auto": {"mlx", "checkpoint", "internal/exactjson", "internal/origin", "tokenizer", "model", "model/load", "model/cohere", "model/deepseek", "model/gemma2", "model/gemma3", "model/gemma4", "model/glm", "model/glm4moe", "model/gpt2",
		"model/gptj", "model/gptneox", "model/gptoss", "model/granite", "model/granite4", "model/lfm2", "model/llama", "model/llama4", "model/nemotronh", "model/olmo2", "model/olmoe", "model/phi", "model/phi3",
		"model/qwen3", "model/qwen3next", "model/stablelm", "model/starcoder2"},
	"model/cohere":     architecture,
	"model/deepseek":   architecture,
	"model/gemma2":     architecture,
	"model/gemma3":     architecture,
	"model/gemma4":     architecture,
	"model/glm":        architecture,
	"model/glm4moe":    architecture,
	"model/gpt2":       architecture,
	"model/gptj":       architecture,
	"model/gptneox":    architecture,
	"model/gptoss":     architecture,
	"model/granite":    architecture,
	"model/granite4":   stateSpaces,
	"model/lfm2":       architecture,
	"model/llama":      architecture,
	"model/llama4":     architecture,
	"model/mamba2":     architecture,
	"model/nemotronh":  stateSpaces,
	"model/olmo2":      architecture,
	"model/olmoe":      architecture,
	"model/phi":        architecture,
	"model/phi3":       architecture,
	"model/qwen3":      architecture,
	"model/qwen3next":  architecture,
	"model/stablelm":   architecture,
	"model/starcoder2": architecture,

	"edit":        {"internal/spelling", "mlx", "model"},
	"states":      {"checkpoint", "checkpoint/npz", "edit", "internal/exactjson", "mlx", "model"},
	"generate":    {"edit", "mlx", "model"},
	"lens":        {"edit", "internal/parallel", "mlx", "mlx/nn", "model"},
	"experiment":  {"checkpoint", "edit", "internal/spelling", "lens", "lens/render", "lens/sparse", "mlx", "model", "states"},
	"audit":       {"checkpoint", "edit", "experiment", "internal/parallel", "lens", "lens/render", "mlx", "model"},
	"lens/tuned":  {"checkpoint", "checkpoint/npz", "edit", "internal/exactjson", "internal/regular", "internal/torchfile", "lens", "mlx", "mlx/nn", "model"},
	"lens/sparse": {"checkpoint", "checkpoint/npz", "internal/exactjson", "internal/regular", "mlx", "model"},
	"lens/render": {"internal/regular", "internal/spelling", "lens", "lens/render/internal/pdf"},

	"lens/render/internal/pdf": {},

	"serve":     {"internal/exactjson", "internal/rooms", "lens", "lens/render"},
	"serve/mcp": {"serve"},

	"lens/jacobian": {"checkpoint", "internal/exactjson", "internal/regular", "internal/torchfile", "lens", "lens/tuned", "mlx", "model"},

	"cmd/mlxlens":                 {"cmd/mlxlens/internal/cli"},
	"cmd/mlxlens/internal/output": {},
	"cmd/mlxlens/internal/pages":  {"cmd/mlxlens/internal/cli"},
	"cmd/mlxlens/internal/cli": {"", "audit", "checkpoint", "checkpoint/npz", "cmd/mlxlens/internal/output", "edit", "experiment", "generate", "hub", "internal/exactjson", "internal/origin", "internal/regular", "internal/rooms", "internal/spelling", "lens", "lens/render",
		"lens/jacobian", "lens/sparse", "lens/tuned", "mlx", "model", "model/auto", "model/load", "serve", "serve/mcp", "states", "tokenizer"},

	"docs":          {},
	"tools/release": {},
	"tools/site":    {},

	"examples/attribution":      {"edit", "experiment", "model", "model/auto"},
	"examples/causaltracing":    {"edit", "experiment", "model", "model/auto"},
	"examples/coordinates":      {"edit", "experiment", "generate", "lens", "model", "model/auto", "states"},
	"examples/confidence":       {"edit", "lens", "model/auto"},
	"examples/customkernel":     {"mlx"},
	"examples/linearregression": {"mlx", "mlx/nn"},
	"examples/mnist":            {"mlx", "mlx/nn"},
	"examples/crystallisation":  {"edit", "lens", "model/auto"},
	"examples/heatmap":          {"edit", "lens", "lens/render", "model/auto"},
	"examples/inductionheads":   {"edit", "experiment", "model/auto"},
	"examples/features":         {"edit", "experiment", "lens/sparse", "model/auto"},
	"examples/hiddenstates":     {"edit", "model/auto", "states"},
	"examples/manuallens":       {"mlx", "model", "model/auto"},
	"examples/patchscope":       {"edit", "experiment", "model", "model/auto"},
	"examples/patching":         {"edit", "experiment", "model", "model/auto"},
	"examples/quantization":     {"audit", "mlx", "model/auto"},
	"examples/positions":        {"edit", "lens", "model/auto"},
	"examples/prompttypes":      {"edit", "lens", "model/auto"},
	"examples/selfcorpus":       {"edit", "generate", "model/auto"},
	"examples/sentiment":        {"edit", "experiment", "generate", "model", "model/auto"},
	"examples/steering":         {"edit", "generate", "model", "model/auto", "states"},
	"examples/trace":            {"edit", "lens", "model/auto"},
	"examples/transformerlm":    {"mlx", "mlx/nn"},

	"include":              {},
	"tools/wheel/check":    {},
	"internal/archtest":    {},
	"internal/browsertest": {},
	"internal/emulated":    {},
	"internal/exactjson":   {},
	"internal/golden":      {"lens", "mlx"},
	"internal/hubtest":     {},
	"internal/notices":     {},
	"internal/origin":      {},
	"internal/parallel":    {},
	"internal/rooms":       {},
	"internal/spelling":    {},
	"internal/regular":     {},
	"internal/torchfile":   {"checkpoint"},
	"internal/modeltest":   {"internal/emulated", "internal/golden", "mlx", "mlx/nn", "model", "model/auto"},
}

// architecture is what the folder of one may import: none of the others.
var architecture = []string{"internal/exactjson", "mlx", "mlx/nn", "model", "model/load"}

// stateSpaces is the same for those that mix positions with Mamba-2.
var stateSpaces = append(slices.Clone(architecture), "model/mamba2")

// cRoom is the only package that may import what can break memory.
const cRoom = "mlx/internal/capi"

type pkg struct {
	ImportPath, Name, Dir              string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Imports, TestImports, XTestImports []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports", module+"/...")
	out, err := cmd.Output()
	require.NoError(t, err)
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p pkg
		require.NoError(t, d.Decode(&p))
		all = append(all, p)
	}
	require.NotEmpty(t, all)
	return all
}

func TestPackagesImportOnlyWhatTheTableAllows(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		may, listed := allowed[name]
		if !listed {
			t.Errorf("%s has no line in the import table", name)
			continue
		}
		for _, imported := range p.Imports {
			own := strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")
			if (imported == module || strings.HasPrefix(imported, module+"/")) && !slices.Contains(may, own) {
				t.Errorf("%s imports %s, which its line does not allow (it has: %v)", name, own, may)
			}
		}
	}
}

func TestOnlyTheCRoomImportsUnsafeOrPurego(t *testing.T) {
	for _, p := range packages(t) {
		if p.ImportPath == module+"/"+cRoom {
			continue
		}
		for _, imports := range [][]string{p.Imports, p.TestImports, p.XTestImports} {
			for _, banned := range []string{"unsafe", "C", "github.com/ebitengine/purego"} {
				require.NotContains(t, imports, banned, p.ImportPath)
			}
		}
	}
}
