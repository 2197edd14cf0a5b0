// Package modeltest opens models for tests, wherever in the repository these are.
package modeltest

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/emulated"
	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// TinyLlama is a random Llama of three layers, 4-bit and mixed, without a tokenizer.
const TinyLlama = "testdata/models/tiny-llama-b-4bit-mixed"

// Sixty are ids of TinyLlama's vocabulary.
var Sixty = func() []int {
	ids := make([]int, 60)
	for i := range ids {
		ids[i] = (37*i + 11) % 512
	}
	return ids
}()

// Path returns a path in the repository, given from its root; an absolute one is itself.
func Path(t testing.TB, path string) string {
	t.Helper()
	if filepath.IsAbs(path) {
		return path
	}
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, path)
		}
		require.NotEqual(t, dir, filepath.Dir(dir), "no go.mod above the test")
		dir = filepath.Dir(dir)
	}
}

// Float32 is o, with what a GPU would compute in 16 bits or leave packed float32 and unpacked there too, unless o
// asks otherwise: tests hold their numbers to that.
func Float32(t testing.TB, o auto.Options) auto.Options {
	t.Helper()
	require.NoError(t, mlx.Load())
	if mlx.DefaultDevice() == mlx.GPU && o.Device == nil {
		o.Float32 = !o.AsStored
		if o.Weights == "" {
			o.Weights = "dense"
		}
	}
	return o
}

// large is the bytes of a file of which an emulated processor takes minutes for a pass: those of real
// models, and of no recorded one.
const large = 16 << 20

// Open opens a model, given from the repository's root, as Float32 has it until the test ends. A large one
// is not opened on an emulated processor: the test is skipped there.
func Open(t testing.TB, path string, o auto.Options) *auto.Opened {
	t.Helper()
	path = Path(t, path)
	if info, err := os.Stat(path); err == nil && info.Size() > large && emulated.Processor() {
		t.Skipf("%s is too large for an emulated processor (%d MB)", path, info.Size()>>20)
	}
	opened, err := auto.Open(path, Float32(t, o))
	require.NoError(t, err)
	t.Cleanup(opened.Close)
	return opened
}

// Tiny opens TinyLlama.
func Tiny(t testing.TB) model.Model {
	t.Helper()
	return Open(t, TinyLlama, auto.Options{}).Model
}

// SmolLM2 opens the model of `make model`, and skips the test where it was not fetched.
func SmolLM2(t testing.TB) *auto.Opened {
	t.Helper()
	return fetched(t, "smollm2")
}

// Gemma3 opens the model of `make model MODEL=gemma3-270m`, and skips the test where it was not
// fetched.
func Gemma3(t testing.TB) *auto.Opened {
	t.Helper()
	return fetched(t, "gemma3-270m")
}

func fetched(t testing.TB, name string) *auto.Opened {
	t.Helper()
	found, err := filepath.Glob(Path(t, "models/"+name+"/*.gguf"))
	require.NoError(t, err)
	if len(found) == 0 {
		t.Skip("make model MODEL=" + name + " was not run")
	}
	o := Open(t, found[0], auto.Options{})
	require.NoError(t, o.TokenizerErr)
	return o
}

// short are models that -short tests of all of them take: of each architecture one, and
// windows, both forms of a block and each kind of packing among them.
var short = []string{
	"affine-3bit-group32", "affine-4bit-group64", "cohere-qk-norm-biases", "cohere2", "deepseek-v2", "deepseek-v3", "gemma", "gemma2-sliding", "gemma3",
	"gemma3-multimodal", "gemma4", "gemma4-text", "gemma4-unified", "glm", "glm4", "glm4-moe-lite-layer-types", "glm4-moe-qk-norm-groups", "gpt-neox",
	"gpt-neox-sequential", "gpt-oss", "gpt2", "gptj", "granite", "granite4-h", "lfm2", "lfm2-moe", "llama", "llama-sliding", "llama4", "llama4-text",
	"ministral3-sliding",
	"mistral-sliding", "mistral3-ministral", "mixtral-sliding", "mxfp4", "nemotron-h", "olmo2", "olmo3", "olmoe-clipped", "phi-qk-layernorm-tied",
	"phi3-longrope-partial", "qwen2-5-vl-sliding-yarn",
	"qwen2-untied-sliding", "qwen2-vl", "qwen3", "qwen3-5", "qwen3-5-moe", "qwen3-5-text", "qwen3-moe-some-layers", "qwen3-next-every-other",
	"qwen3-vl", "qwen3-vl-moe", "smollm3", "stablelm-parallel-qk-layernorm", "starcoder2-sliding-untied",
}

// Every returns the names of the recorded models. Under -short it leaves out most of those
// that differ in bits and groups alone.
func Every(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(Path(t, "testdata/golden/architectures/*.json.gz"))
	require.NoError(t, err)
	require.Greater(t, len(files), 50)
	var names []string
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".json.gz")
		if !testing.Short() || !strings.HasPrefix(name, "affine-") || slices.Contains(short, name) {
			names = append(names, name)
		}
	}
	return names
}

// Short returns the few of each architecture that -short tests of all of them take.
func Short() []string { return slices.Clone(short) }

// Sample is Every without most of those that differ in bits and groups alone, of which -short leaves those of Short, and
// an emulated processor, which takes seconds for each, every third.
func Sample(t testing.TB) []string {
	t.Helper()
	if testing.Short() {
		return emulated.Fewer(Short(), 3)
	}
	return slices.DeleteFunc(Every(t), func(name string) bool { return strings.HasPrefix(name, "affine-") && !Representative(name) })
}

// Representative reports whether a recorded model is one of the few of each architecture.
func Representative(name string) bool { return slices.Contains(short, name) }

// Recorded reads a recorded model, and what mlx-lm computes with it, by its name.
func Recorded(t testing.TB, name string) *golden.Architecture {
	t.Helper()
	a, err := golden.LoadArchitecture(Path(t, "testdata/golden/architectures/"+name+".json.gz"))
	require.NoError(t, err)
	return a
}

// Build writes a recorded model, and opens it until the test ends.
func Build(t testing.TB, a *golden.Architecture, o auto.Options) model.Model {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, a.Write(dir))
	return Open(t, dir, o).Model
}

// Architecture opens a recorded model by its name, after change, which may be nil.
func Architecture(t testing.TB, name string, change func(*golden.Architecture)) model.Model {
	t.Helper()
	a := Recorded(t, name)
	if change != nil {
		change(a)
	}
	return Build(t, a, auto.Options{})
}

// Tied returns a model of 1,003 tokens, of which 3, 500, 853 and 1,002 have equal rows of the
// head, and greater logits than all others.
func Tied(t testing.TB) model.Model {
	t.Helper()
	a := Recorded(t, "llama-untied-biases")
	m, ok := Build(t, a, auto.Options{}).(*model.Transformer)
	require.True(t, ok)
	const vocab = 1003
	d := m.Sizes.DModel
	weight, bias := make([]float32, vocab*d), make([]float32, vocab)
	for i := range weight {
		weight[i] = float32(math.Sin(float64(i * i % 7919)))
	}
	for i := range bias {
		bias[i] = -1000
	}
	for _, id := range []int{3, 500, 853, 1002} {
		copy(weight[id*d:(id+1)*d], weight[3*d:4*d])
		bias[id] = 0
	}
	own := mlx.On(m.Device())
	m.Head = &nn.Linear{Weight: m.Weights.Hold(mlx.FromSlice(own, weight, vocab, d)), Bias: m.Weights.Hold(mlx.FromSlice(own, bias, vocab))}
	m.Embedding = &nn.Embedding{Weight: m.Head.Weight}
	m.Sizes.DVocab = vocab
	return m
}
