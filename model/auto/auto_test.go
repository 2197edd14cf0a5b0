package auto_test

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/model/load"
)

const tiny = "../../testdata/models/tiny-llama-b-4bit-mixed"

// changed copies the tiny model with another config, other tensors, or both.
func changed(t *testing.T, config func(map[string]any), tensors func(map[string]any)) string {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join(tiny, "config.json"))
	require.NoError(t, err)
	var c map[string]any
	require.NoError(t, json.Unmarshal(text, &c))
	if config != nil {
		config(c)
	}
	text, err = json.Marshal(c)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), text, 0o644))

	raw, err := os.ReadFile(filepath.Join(tiny, "model.safetensors"))
	require.NoError(t, err)
	n := binary.LittleEndian.Uint64(raw)
	var header map[string]any
	require.NoError(t, json.Unmarshal(raw[8:8+n], &header))
	if tensors != nil {
		tensors(header)
	}
	head, err := json.Marshal(header)
	require.NoError(t, err)
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
	out = append(append(out, head...), raw[8+n:]...)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors"), out, 0o644))
	return dir
}

func rename(from, to string) func(map[string]any) {
	return func(h map[string]any) {
		h[to] = h[from]
		delete(h, from)
	}
}

func TestCheckpointThatDoesNotFitIsOneClearError(t *testing.T) {
	norm := "model.layers.1.input_layernorm.weight"
	for name, c := range map[string]struct {
		config  func(map[string]any)
		tensors func(map[string]any)
		want    []string
	}{
		"a missing and an unused weight": {nil, rename(norm, "model.layers.1.extra.weight"),
			[]string{"1 missing: " + norm, "1 that the model does not use: model.layers.1.extra.weight"}},
		"a wrong shape": {func(c map[string]any) { c["intermediate_size"] = 320 }, nil,
			[]string{`tensor "model.layers.0.mlp.gate_proj.weight" is U32[256 16]`, "needs U32[320 16]"}},
		"too few layers in the config": {func(c map[string]any) { c["num_hidden_layers"] = 2 }, nil,
			[]string{"that the model does not use: model.layers.2."}},
		"too many layers in the config": {func(c map[string]any) { c["num_hidden_layers"] = 4 }, nil,
			[]string{"9 missing: ", "model.layers.3.input_layernorm.weight"}},
		"a packed weight without scales": {nil, rename("model.layers.0.self_attn.q_proj.scales", "other.scales"),
			[]string{"want [128 128]"}},
		"other bits than the config lists": {func(c map[string]any) {
			c["quantization"] = map[string]any{"group_size": 64, "bits": 4, "model.layers.0.self_attn.q_proj": map[string]any{"group_size": 64, "bits": 8}}
		}, nil, []string{"affine 8-bit group 64 needs U32[128 32]"}},
		"an unknown model_type": {func(c map[string]any) { c["model_type"] = "mamba" }, nil,
			[]string{`model_type "mamba" is not supported (have: `}},
		"no model_type":          {func(c map[string]any) { delete(c, "model_type") }, nil, []string{"config.json has no model_type"}},
		"a foreign quantization": {func(c map[string]any) { c["quantization"] = map[string]any{"quant_method": "gptq"} }, nil, []string{`quant_method "gptq" is not implemented`}},
		"an untied head that is missing": {func(c map[string]any) { c["tie_word_embeddings"] = false }, nil,
			[]string{"1 missing: lm_head.weight"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := auto.Open(changed(t, c.config, c.tensors), auto.Options{})
			require.Error(t, err)
			for _, w := range c.want {
				require.ErrorContains(t, err, w)
			}
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestModulesAreFoundAndReported(t *testing.T) {
	o, err := auto.Open(tiny, auto.Options{Weights: load.Dense})
	require.NoError(t, err)
	defer o.Close()
	require.ErrorIs(t, o.TokenizerErr, auto.ErrNoTokenizer)
	byRole := map[string]load.Resolved{}
	for _, m := range o.Info.Modules {
		byRole[m.Role] = m
	}
	assert.Equal(t, "affine 8-bit group 64", byRole["embed"].Form)
	assert.Equal(t, "affine 4-bit group 64", byRole["layers.0.q"].Form)
	assert.Equal(t, "f16", byRole["layers.1.attn_out"].Form, "an override says false")
	assert.Equal(t, "name 1 of 3", byRole["final_norm"].Rule)
	assert.Equal(t, load.Dense, o.Info.Weights)
	assert.Equal(t, "affine 4-bit group 64, mixed", o.Info.Quantization)
}

func TestUsersOwnModulePath(t *testing.T) {
	dir := changed(t, nil, rename("model.norm.weight", "the.last.norm.weight"))
	_, err := auto.Open(dir, auto.Options{})
	require.ErrorContains(t, err, "model.norm.weight")
	o, err := auto.Open(dir, auto.Options{Modules: map[string]string{"final_norm": "the.last.norm"}})
	require.NoError(t, err)
	o.Close()
	_, err = auto.Open(dir, auto.Options{Modules: map[string]string{"final_norm": "nowhere"}})
	require.ErrorContains(t, err, `final_norm: the module "nowhere" that you named has no weight`)
	_, err = auto.Open(dir, auto.Options{Modules: map[string]string{"finalnorm": "the.last.norm"}})
	require.ErrorContains(t, err, `"finalnorm" is no part of the model`)
	require.ErrorContains(t, err, "final_norm")
}

func TestDeviceThatIsNotThereIsAnError(t *testing.T) {
	if mlx.GPU.Available() {
		t.Skip("this machine has a GPU")
	}
	gpu := mlx.GPU
	_, err := auto.Open(tiny, auto.Options{Device: &gpu})
	require.EqualError(t, err, "auto: this library has no gpu: on Linux with an NVIDIA GPU `MLX_C_BACKEND=cuda make mlx-c` in a checkout makes one that has")
}

func TestClosedModelFreesItsWeights(t *testing.T) {
	require.NoError(t, mlx.Load())
	o, err := auto.Open(tiny, auto.Options{})
	require.NoError(t, err)
	o.Close()
	before := mlx.ActiveMemory()
	for range 20 {
		o, err := auto.Open(tiny, auto.Options{})
		require.NoError(t, err)
		o.Close()
		o.Close()
	}
	require.Equal(t, before, mlx.ActiveMemory())
}

// BenchmarkOpen times opening SmolLM2: all of it, and as tools/golden/peers.py times
// mlx-lm, without a tokenizer.
func BenchmarkOpen(b *testing.B) {
	files, err := filepath.Glob("../../models/smollm2/*.gguf")
	require.NoError(b, err)
	if len(files) == 0 {
		b.Skip("SmolLM2 is not there: make model")
	}
	for name, options := range map[string]auto.Options{
		"all": {}, "packed, no tokenizer": {Weights: load.Packed, NoTokenizer: true}, "dense, no tokenizer": {Weights: load.Dense, NoTokenizer: true},
	} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				o, err := auto.Open(files[0], options)
				require.NoError(b, err)
				o.Close()
			}
		})
	}
}
