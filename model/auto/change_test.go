package auto_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// change sets a key of the config; a dot goes into an object, and a nil value removes
// the key.
func change(t *testing.T, a *golden.Architecture, key string, value any) {
	t.Helper()
	var config map[string]any
	require.NoError(t, json.Unmarshal(a.Config, &config))
	at := config
	parts := strings.Split(key, ".")
	for _, part := range parts[:len(parts)-1] {
		at = at[part].(map[string]any)
	}
	if last := parts[len(parts)-1]; value == nil {
		require.Contains(t, at, last)
		delete(at, last)
	} else {
		at[last] = value
	}
	var err error
	a.Config, err = json.Marshal(config)
	require.NoError(t, err)
}

// thing is a number or choice of a recorded model's config, with a value that must be noticed.
type thing struct {
	name, key string
	value     any
}

var things = []thing{
	{"llama", "rope_theta", 11000.0},
	{"llama", "rms_norm_eps", 2e-3},
	{"llama", "rope_traditional", true},
	{"llama-traditional", "rope_traditional", false},
	{"llama-rope-linear", "rope_scaling.factor", 4.1},
	{"llama-rope-dynamic", "rope_scaling.factor", 4.5},
	{"llama-rope-dynamic", "max_position_embeddings", 33},
	{"llama-rope-llama3", "rope_scaling.low_freq_factor", 1.5},
	{"llama-rope-llama3", "rope_scaling.original_max_position_embeddings", 64},
	{"llama-rope-yarn", "rope_scaling.beta_slow", 2},
	{"llama-rope-yarn", "rope_scaling.attention_factor", 1.0},
	{"llama-rope-yarn-scaled", "rope_scaling.mscale", 0.8},
	{"llama-rope-longrope", "max_position_embeddings", 300},
	{"llama-sliding", "sliding_window", 15},
	{"llama-sliding", "layer_types", []string{"sliding_attention", "sliding_attention", "full_attention"}},
	{"mistral-sliding", "sliding_window", 17},
	{"qwen2-untied-sliding", "max_window_layers", 2},
	{"gemma2", "query_pre_attn_scalar", 25},
	{"gemma2", "attn_logit_softcapping", 5.2},
	{"gemma2", "final_logit_softcapping", 3.1},
	{"gemma2-sliding", "sliding_window", 17},
	{"gemma3", "rope_local_base_freq", 330.0},
	{"gemma3", "sliding_window_pattern", 2},
	{"gemma3", "rope_theta", 11000.0},
	{"gemma4-text", "rope_parameters.full_attention.partial_rotary_factor", 0.5},
	{"gemma4-text", "rope_parameters.full_attention.rope_theta", 3500.0},
	{"gemma4-text", "rope_parameters.sliding_attention.rope_theta", 120.0},
	{"gemma4-text", "sliding_window", 17},
	{"gemma4-text", "rms_norm_eps", 2e-3},
	{"gemma4-text", "final_logit_softcapping", 4.2},
	{"gemma4-text-options", "rope_parameters.full_attention.factor", 2.2},
	{"gemma4-text-options", "rope_parameters.sliding_attention.factor", 4.4},
	{"gemma4", "text_config.top_k_experts", 2},
	{"gemma4-unified", "text_config.rope_parameters", nil},
	{"phi3-longrope-partial", "original_max_position_embeddings", 40},
	{"phi3-sliding", "sliding_window", nil},
	{"olmo2", "rope_theta", 11000.0},
	{"qwen3-moe", "norm_topk_prob", false},
	{"qwen3-moe", "num_experts_per_tok", 2},
	{"qwen3-moe-some-layers", "norm_topk_prob", true},
	{"qwen3-moe-some-layers", "rms_norm_eps", 2e-3},
	{"qwen3-moe-biases-sliding", "sliding_window", 17},
	{"qwen3-moe-biases-sliding", "rope_theta", 11000.0},
	{"ministral3", "rope_parameters.llama_4_scaling_beta", 0.3},
	{"ministral3", "rope_parameters.original_max_position_embeddings", 20},
	{"ministral3-sliding", "sliding_window", 17},
	{"mistral3", "text_config.rope_theta", 110000.0},
	{"mixtral", "num_experts_per_tok", 1},
	{"mixtral", "rope_theta", 10000.0},
	{"mixtral-sliding", "sliding_window", 15},
	{"olmoe", "norm_topk_prob", true},
	{"olmoe-clipped", "clip_qkv", 1.0},
	{"olmoe-clipped", "rms_norm_eps", 2e-3},
	{"gpt-oss", "sliding_window", 17},
	{"gpt-oss", "num_experts_per_tok", 1},
	{"gpt-oss", "rope_scaling.truncate", false},
	{"gpt-oss", "rope_theta", 140000.0},
	{"gpt-oss-swiglu", "swiglu_alpha", 1.702},
	{"gpt-oss-swiglu", "swiglu_limit", 7.0},
	{"qwen3-5", "text_config.rms_norm_eps", 2e-3},
	{"qwen3-5", "text_config.rope_parameters.rope_theta", 11000.0},
	{"qwen3-5-text", "rope_parameters.partial_rotary_factor", nil},
	{"qwen3-5-moe", "text_config.num_experts_per_tok", 2},
	{"qwen3-next", "norm_topk_prob", false},
	{"qwen3-next", "partial_rotary_factor", 0.5},
	{"qwen3-next-every-other", "norm_topk_prob", nil},
	{"gpt2", "activation_function", "gelu"},
	{"gpt2-gelu-inverse-layer", "activation_function", "gelu_new"},
	{"gpt2-gelu-inverse-layer", "scale_attn_by_inverse_layer_idx", false},
	{"gpt2-silu-unscaled", "scale_attn_weights", true},
	{"gpt2", "layer_norm_epsilon", 2e-3},
	{"gpt-neox", "hidden_act", "gelu_new"},
	{"gpt-neox-gelu-fast", "hidden_act", "gelu"},
	{"gpt-neox", "use_parallel_residual", false},
	{"gpt-neox-sequential", "use_parallel_residual", true},
	{"gpt-neox", "rotary_pct", 0.5},
	{"gpt-neox", "rotary_emb_base", 11000.0},
	{"gpt-neox", "layer_norm_eps", 2e-3},
	{"gpt-neox-rope-linear", "rope_scaling.factor", 4.1},
	{"gpt-neox-rope-parameters", "rope_parameters.rope_theta", 3300.0},
	{"gpt-neox-rope-parameters", "rope_parameters.partial_rotary_factor", nil},
	{"gpt-neox-rope-yarn", "rope_scaling.attention_factor", 1.0},
}

// The comparison with mlx-lm is worth something only if it notices.
func TestOneThingBrokenIsNoticed(t *testing.T) {
	t.Parallel()
	requireEachNoticed(t, things)
}

// requireEachNoticed requires that each change makes another model. Under -short it takes the first
// change of each.
func requireEachNoticed(t *testing.T, changes []thing) {
	t.Helper()
	seen := map[string]bool{}
	for _, c := range changes {
		if testing.Short() && seen[c.name] {
			continue
		}
		seen[c.name] = true
		t.Run(fmt.Sprint(c.name, " ", c.key, " ", c.value), func(t *testing.T) {
			t.Parallel()
			a := architecture(t, c.name)
			change(t, a, c.key, c.value)
			requireNoticed(t, openArchitecture(t, a, auto.Options{}), a)
		})
	}
}

// requireNoticed requires that one of the runs differs from what is recorded.
func requireNoticed(t *testing.T, m model.Model, a *golden.Architecture) {
	t.Helper()
	for _, run := range a.Runs {
		if firstDifference(t, m, run, relative) != "" {
			return
		}
	}
	require.Fail(t, "the numbers are the recorded ones")
}

func TestBrokenWeightsAreNoticed(t *testing.T) {
	for _, c := range []struct{ what, name, tensor string }{
		{"queries go to other keys", "llama", "model.layers.1.self_attn.q_proj.weight"},
		{"queries go to other keys", "qwen3", "model.layers.0.self_attn.q_proj.weight"},
		{"keys and values are swapped", "phi3", "model.layers.2.self_attn.qkv_proj.weight"},
		{"gate and up are swapped", "phi3", "model.layers.0.mlp.gate_up_proj.weight"},
		{"gate and up are swapped", "glm4", "model.layers.0.mlp.gate_up_proj.weight"},
		{"gains go to other heads", "cohere-qk-norm-biases", "model.layers.1.self_attn.q_norm.weight"},
	} {
		t.Run(c.what+" "+c.name, func(t *testing.T) {
			a := architecture(t, c.name)
			dir := t.TempDir()
			require.NoError(t, a.Write(dir))
			swapThirdQuarter(t, filepath.Join(dir, "model.safetensors"), c.tensor)
			o, err := auto.Open(dir, auto.Options{})
			require.NoError(t, err)
			defer o.Close()
			requireNoticed(t, o.Model, a)
		})
	}
	t.Run("gain without one", func(t *testing.T) {
		a := architecture(t, "gemma3")
		for i := range a.Tensors {
			if strings.HasSuffix(a.Tensors[i].Name, "layers.2.input_layernorm.weight") {
				a.Tensors[i].Center--
			}
		}
		requireNoticed(t, openArchitecture(t, a, auto.Options{}), a)
	})
}

// swapThirdQuarter swaps the second and third quarter of a tensor's rows.
func swapThirdQuarter(t *testing.T, file, tensor string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	n := binary.LittleEndian.Uint64(raw)
	var header map[string]struct {
		Offsets [2]int `json:"data_offsets"`
	}
	require.NoError(t, json.Unmarshal(raw[8:8+n], &header))
	at, ok := header[tensor]
	require.True(t, ok)
	data := raw[8+int(n)+at.Offsets[0] : 8+int(n)+at.Offsets[1]]
	q := len(data) / 4
	second := append([]byte{}, data[q:2*q]...)
	copy(data[q:2*q], data[2*q:3*q])
	copy(data[2*q:3*q], second)
	require.NoError(t, os.WriteFile(file, raw, 0o644))
}

// keysOfSomeTypes have a value that changes what is computed where the key is read, and one that
// does not.
var keysOfSomeTypes = map[string]struct {
	harmful, harmless any
	read              []string // by these types
}{
	"partial_rotary_factor":           {0.5, 1.0, []string{"phi3", "gpt-neox", "glm", "glm4", "phi", "stablelm"}},
	"attn_logit_softcapping":          {3.0, nil, []string{"gemma2"}},
	"final_logit_softcapping":         {3.0, nil, []string{"gemma2", "gemma3", "gemma4-text"}},
	"query_pre_attn_scalar":           {24, nil, []string{"gemma2", "gemma3"}},
	"alibi":                           {true, false, nil},
	"qk_layernorm":                    {true, false, []string{"phi", "stablelm"}},
	"use_qk_norm":                     {true, false, []string{"cohere", "qwen3", "qwen3-moe"}},
	"residual_scale":                  {0.5, 1.0, nil},
	"residual_multiplier":             {0.5, 1.0, []string{"granite"}},
	"embedding_multiplier":            {12.0, 1.0, []string{"granite"}},
	"scale_emb":                       {12.0, 1.0, nil},
	"scale_depth":                     {1.4, nil, nil},
	"dim_model_base":                  {256, nil, nil},
	"logit_scale":                     {0.5, 1.0, []string{"cohere", "cohere2"}},
	"attention_multiplier":            {0.5, nil, []string{"granite"}},
	"clip_qkv":                        {8.0, nil, []string{"olmoe"}},
	"parallel_attn":                   {true, false, nil},
	"use_parallel_residual":           {true, false, []string{"gpt-neox", "stablelm"}},
	"use_qkv_bias":                    {true, false, []string{"stablelm"}},
	"use_bias":                        {true, false, []string{"starcoder2"}},
	"layernorm1p":                     {true, false, nil},
	"no_rope_layers":                  {[]int{0, 1}, nil, []string{"smollm3"}},
	"attention_chunk_size":            {16, nil, nil},
	"rope_local_base_freq":            {300.0, nil, []string{"gemma3"}},
	"rotary_pct":                      {0.5, 1.0, []string{"gpt-neox"}},
	"rope_traditional":                {true, false, []string{"llama", "mistral", "qwen2", "gemma", "gemma2", "phi3", "olmo2", "smollm3", "mixtral", "olmoe", "cohere", "cohere2", "glm", "glm4"}},
	"sliding_window_pattern":          {2, nil, []string{"gemma3", "gemma4-text", "cohere2"}},
	"attention_bias":                  {true, false, []string{"llama", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "gemma4-text", "olmo2", "olmo3", "smollm3", "gpt-neox", "qwen3-moe", "olmoe", "gpt-oss", "granite", "cohere", "cohere2", "glm", "glm4"}},
	"mlp_bias":                        {true, false, []string{"llama", "olmo2", "smollm3", "granite"}},
	"scale_attn_by_inverse_layer_idx": {true, false, []string{"gpt2"}},
	"position_embedding_type":         {"alibi", nil, nil},
	"kv_lora_rank":                    {512, nil, nil},
	"num_experts":                     {8, 0, []string{"gemma4-text", "qwen3-moe", "olmoe", "gpt-oss"}},
}

// A key that no program reads for a model_type is refused where it would change what is
// computed, and its harmless value is not.
func TestKeysThatNoProgramReadsForATypeAreRefused(t *testing.T) {
	t.Parallel()
	harmless := map[string]*golden.Architecture{} // each type with the harmless values of all keys
	dirs := map[string]string{}
	for key, c := range keysOfSomeTypes {
		for _, name := range []string{"llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "gemma4-text", "gpt2", "gpt-neox", "phi3", "olmo2", "mixtral", "qwen3-moe", "olmoe", "gpt-oss", "olmo3", "smollm3", "gemma", "granite", "cohere", "cohere2", "glm", "glm4",
			"phi", "gptj", "stablelm", "starcoder2"} {
			if slices.Contains(c.read, name) {
				continue
			}
			a := architecture(t, name)
			if harmless[name] == nil {
				harmless[name], dirs[name] = architecture(t, name), t.TempDir()
				require.NoError(t, a.Write(dirs[name]))
			}
			change(t, a, key, c.harmful)
			require.NoError(t, os.WriteFile(filepath.Join(dirs[name], "config.json"), a.Config, 0o600))
			_, err := auto.Open(dirs[name], auto.Options{})
			require.ErrorContains(t, err, key, name)
			require.ErrorContains(t, err, "is not implemented", name)
			with(t, harmless[name], key, c.harmless)
		}
	}
	for _, a := range harmless {
		openArchitecture(t, a, auto.Options{})
	}
}

// with sets a key, also to null.
func with(t *testing.T, a *golden.Architecture, key string, value any) {
	t.Helper()
	var config map[string]any
	require.NoError(t, json.Unmarshal(a.Config, &config))
	config[key] = value
	var err error
	a.Config, err = json.Marshal(config)
	require.NoError(t, err)
}

// full are layers that all see all.
var full = []string{"full_attention", "full_attention", "full_attention"}

type refusal struct {
	name, key string
	value     any
	want      string
}

// refusals are what a config may not say, and the error.
var refusals = []refusal{
	{"llama", "hidden_act", "gelu", `llama: config.json: hidden_act "gelu" is not implemented (have: silu)`},
	{"llama", "num_local_experts", 8, "num_local_experts 8 is not implemented"},
	{"llama", "logits_scaling", 8.0, "logits_scaling 8 is not implemented"},
	{"llama", "final_logit_softcapping", 30.0, "final_logit_softcapping 30 is not implemented"},
	{"llama", "clip_qkv", 8.0, "clip_qkv 8 is not implemented"},
	{"llama", "layer_types", append(full, "full_attention"), "layer_types has 4 layers, and num_hidden_layers is 3"},
	{"llama", "rope_scaling", map[string]any{"type": "ntk", "factor": 2}, `rope_scaling type "ntk" is not implemented`},
	{"llama", "quantization", map[string]any{"quant_method": "gptq"}, `quant_method "gptq" is not implemented`},
	{"llama", "quantization", map[string]any{"quant_algo": "FP8"}, `quantization: quant_algo "FP8" is not implemented`},
	{"mistral", "attention_bias", true, "mistral: config.json: attention_bias true is not implemented"},
	{"mistral", "hidden_act", "gelu", `hidden_act "gelu" is not implemented`},
	{"qwen2", "num_experts", 60, "qwen2: config.json: num_experts 60 is not implemented"},
	{"qwen2", "hidden_size", 66, "hidden_size 66 is no multiple of num_attention_heads 4"},
	{"qwen3", "num_experts", 128, "num_experts 128 is not implemented"},
	{"qwen3", "layer_types", []string{"full_attention", "full_attention", "linear_attention"}, `layer_types "linear_attention" is not implemented`},
	{"gemma2", "hidden_activation", "relu", `gemma2: config.json: hidden_activation "relu" is not implemented`},
	{"gemma2", "tie_word_embeddings", false, "tie_word_embeddings false is not implemented"},
	{"gpt-neox", "rotary_pct", 1.5, "gpt_neox: config.json: 1.5 of each head turns"},
	{"gpt-neox", "hidden_act", "gelu_10", `hidden_act "gelu_10" is not implemented (have: gelu, `},
	{"gpt-neox", "layer_norm_eps", 0, "layer_norm_eps is 0"},
	{"gpt-neox", "rope_theta", 500.0, "rope_theta 500 is not implemented"},
	{"gpt-neox", "num_key_value_heads", 1, "num_key_value_heads 1 is not num_attention_heads 2: not implemented"},
	{"gemma2", "query_pre_attn_scalar", 0, "query_pre_attn_scalar 0, want both above 0"},
	{"gemma3", "hidden_activation", "gelu", `hidden_activation "gelu" is not implemented`},
	{"gemma3", "use_bidirectional_attention", true, "use_bidirectional_attention true is not implemented"},
	{"gemma3", "sliding_window_pattern", 0, "sliding_window_pattern is 0, want a number above 0"},
	{"gemma3", "sliding_window", 0, "layer 0 slides, and sliding_window is 0"},
	{"phi3", "attention_bias", true, "phi3: config.json: attention_bias true is not implemented"},
	{"phi3", "partial_rotary_factor", 0.1, "turns 1 dimensions, want an even number"},
	{"phi3-longrope-partial", "rope_scaling.long_factor", []float64{1}, "long_factor has 1 factors, want 6"},
	{"phi3-longrope-partial", "rope_scaling.short_mscale", 1.1, "short_mscale"},
	{"olmo2", "sliding_window", 16, "olmo2: config.json: sliding_window 16 is not implemented"},
	{"olmo2", "layer_types", []string{"sliding_attention"}, "layer_types [sliding_attention] is not implemented"},
	{"qwen3-moe", "num_experts_per_tok", 9, "num_experts_per_tok is 9, and there are 8 experts"},
	{"qwen3-moe", "num_local_experts", 4, "num_experts is 8, and num_local_experts 4: programs differ"},
	{"qwen3-moe", "mlp_only_layers", []int{7}, "mlp_only_layers has 7, and there are 3 layers"},
	{"qwen3-moe", "num_experts", 7, "mlp.switch_mlp.gate_proj.weight\" has shape [8 48 64], want [7 48 64]"},
	{"ministral3", "rope_parameters.llama_4_scaling_beta", nil, "needs llama_4_scaling_beta"},
	{"mistral3", "text_config.model_type", "mistral4", `text_config has the model_type "mistral4", which is not supported there (have: mistral, ministral3)`},
	{"llama-rope-yarn", "rope_scaling.llama_4_scaling_beta", 0.1, "llama_4_scaling_beta 0.1 is not implemented"},
	{"mixtral", "num_experts_per_tok", 0, "num_experts_per_tok is 0, want a number above 0"},
	{"olmoe", "clip_qkv", -1.0, "clip_qkv is -1, want a number above 0 or null"},
	{"gpt-oss", "swiglu_limit", 0.0, "swiglu_limit 0, want both above 0"},
	{"qwen3-5", "text_config.hidden_act", "gelu", `hidden_act "gelu" is not implemented`},
	{"qwen3-5", "text_config.attn_output_gate", false, "qwen3_5: config.json: attn_output_gate false is not implemented"},
	{"qwen3-5", "text_config.num_experts", 8, "num_experts 8 is not implemented"},
	{"qwen3-5", "text_config.full_attention_interval", 1, "all layers attend"},
	{"qwen3-5", "text_config.full_attention_interval", 0, "full_attention_interval is 0"},
	{"qwen3-5", "text_config.linear_conv_kernel_dim", 1, "linear_conv_kernel_dim is 1, want 2 to 64"},
	{"qwen3-5", "text_config.linear_num_key_heads", 3, "linear_num_value_heads 4 is no multiple of linear_num_key_heads 3"},
	{"qwen3-5", "text_config.linear_key_head_dim", 0, "linear_key_head_dim is 0"},
	{"qwen3-5", "text_config.rope_parameters.rope_theta", nil, "rope_theta is missing, and programs differ"},
	{"qwen3-5-text", "layer_types", []string{"full_attention", "linear_attention"}, "layer_types has 2 layers, and num_hidden_layers is 4"},
	{"qwen3-5-text", "layer_types", []string{"full_attention", "sliding_attention", "linear_attention", "linear_attention"}, `layer_types "sliding_attention" is not implemented`},
	{"qwen3-5-text", "full_attention_interval", -1, "full_attention_interval is -1"},
	{"qwen3-5-moe", "text_config.norm_topk_prob", false, "qwen3_5_moe: config.json: norm_topk_prob false is not implemented"},
	{"qwen3-5-moe", "text_config.mlp_only_layers", []int{1}, "mlp_only_layers [1] is not implemented"},
	{"qwen3-5-moe", "text_config.shared_expert_intermediate_size", 0, "shared_expert_intermediate_size is 0"},
	{"qwen3-next", "num_experts", 0, "num_experts is 0"},
	{"qwen3-next", "num_local_experts", 8, "num_local_experts 8 is not implemented"},
	{"gpt2", "activation_function", "mish", `activation_function "mish" is not implemented (have: gelu, gelu_fast`},
	{"gpt2", "add_cross_attention", true, "add_cross_attention true is not implemented"},
	{"gpt2", "n_head", 5, "n_embd 64 is no multiple of n_head 5"},
	{"gpt2", "n_embd", 0, "n_embd is 0, want a number above 0"},
	{"affine-4bit-group64", "quantization.bits", 7, `mode "affine" with 7 bits in groups of 64 does not exist`},
	{"affine-4bit-group64", "quantization.mode", "mxfp4", `mode "mxfp4" with 4 bits in groups of 64 does not exist`},
}

func TestWhatWouldChangeTheMathematicsIsRefused(t *testing.T) {
	t.Parallel()
	requireEachRefused(t, refusals)
}

func requireEachRefused(t *testing.T, changes []refusal) {
	t.Helper()
	for _, c := range changes {
		t.Run(c.name+" "+c.key+fmt.Sprint(c.value), func(t *testing.T) {
			t.Parallel()
			a := architecture(t, c.name)
			change(t, a, c.key, c.value)
			dir := t.TempDir()
			require.NoError(t, a.Write(dir))
			_, err := auto.Open(dir, auto.Options{})
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, dir)
		})
	}
}
