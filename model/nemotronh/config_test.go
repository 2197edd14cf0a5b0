package nemotronh

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/model"
)

// nano3 are the keys of nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16.
const nano3 = `{"architectures": ["NemotronHForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
	"auto_map": {"AutoConfig": "configuration_nemotron_h.NemotronHConfig"}, "bos_token_id": 1, "chunk_size": 128, "conv_kernel": 4, "eos_token_id": 2,
	"expand": 2, "head_dim": 128, "hidden_dropout": 0.0, "hidden_size": 2688, "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
	"initializer_range": 0.02, "intermediate_size": 1856, "layer_norm_epsilon": 1e-05, "mamba_head_dim": 64, "mamba_hidden_act": "silu", "mamba_num_heads": 64,
	"mamba_proj_bias": false, "mamba_ssm_cache_dtype": "float32", "max_position_embeddings": 262144, "mlp_bias": false, "mlp_hidden_act": "relu2",
	"model_type": "nemotron_h", "moe_intermediate_size": 1856, "moe_shared_expert_intermediate_size": 3712, "n_group": 1, "n_groups": 8,
	"n_routed_experts": 128, "n_shared_experts": 1, "norm_eps": 1e-05, "norm_topk_prob": true, "num_attention_heads": 32, "num_experts_per_tok": 6,
	"num_hidden_layers": 52, "num_key_value_heads": 2, "num_logits_to_keep": 1, "pad_token_id": 0, "partial_rotary_factor": 1.0,
	"rescale_prenorm_residual": true, "residual_in_fp32": false, "rope_theta": 10000, "routed_scaling_factor": 2.5, "sliding_window": null,
	"ssm_state_size": 128, "tie_word_embeddings": false, "time_step_floor": 0.0001, "time_step_max": 0.1, "time_step_min": 0.001, "topk_group": 1,
	"torch_dtype": "bfloat16", "transformers_version": "4.55.4", "use_bias": false, "use_cache": true, "use_conv_bias": true, "use_mamba_kernels": true,
	"vocab_size": 131072}`

func TestConfigOfNemotron3Nano(t *testing.T) {
	c, err := ParseConfig([]byte(nano3))
	require.NoError(t, err)
	count := map[Kind]int{}
	for _, kind := range c.Kinds {
		count[kind]++
	}
	require.Equal(t, map[Kind]int{Mamba: 23, Experts: 23, Attention: 6}, count)
	shape := c.shape(c.Shape())
	require.Equal(t, []int{52, 128, 6, 1856}, []int{shape.Layers, shape.Experts, shape.TopK, shape.DExpert})
	require.Equal(t, 64*64+2*8*128, shape.DConv)
	require.Equal(t, model.LayerShape{Heads: 64, DHead: 64, State: 64*64*128 + 3*6144}, shape.Own[0])
	require.Equal(t, model.LayerShape{Memoryless: true, DMLP: 3712}, shape.Own[1])
	require.Equal(t, model.LayerShape{}, shape.Own[5])
	// six layers remember keys and values of two heads, the MLPs nothing
	kv := 6 * 2 * 2 * 128 * (1000 + 256)
	state := 23 * (64*64*128 + 3*6144)
	require.Equal(t, kv+state+(kv+state)/4, shape.Remembered(1000))
}

// The keys of nvidia/NVIDIA-Nemotron-Nano-9B-v2 that its model depends on, as mlx-lm writes them: the
// infinity as Python has it.
func TestConfigOfNemotronNano9Bv2(t *testing.T) {
	c, err := ParseConfig([]byte(`{"architectures": ["NemotronHForCausalLM"], "attention_bias": false, "attention_head_dim": 128, "chunk_size": 128, "conv_kernel": 4,
		"expand": 2, "head_dim": 128, "hidden_size": 4480, "hybrid_override_pattern": "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-",
		"intermediate_size": 15680, "layer_norm_epsilon": 1e-05, "mamba_head_dim": 80, "mamba_hidden_act": "silu", "mamba_num_heads": 128, "mamba_proj_bias": false,
		"max_position_embeddings": 131072, "mlp_bias": false, "mlp_hidden_act": "relu2", "model_type": "nemotron_h", "n_groups": 8, "num_attention_heads": 40,
		"num_hidden_layers": 56, "num_key_value_heads": 8, "num_query_groups": 8, "rescale_prenorm_residual": true, "residual_in_fp32": false,
		"rms_norm_eps": 1e-05, "sliding_window": null, "ssm_state_size": 128, "tie_word_embeddings": false, "time_step_floor": 0.0001,
		"time_step_limit": [0.0, Infinity], "time_step_max": 0.1, "time_step_min": 0.001, "use_bias": false, "use_conv_bias": true, "vocab_size": 131072}`))
	require.NoError(t, err)
	require.False(t, c.has(Experts))
	require.Equal(t, []int{128, 4, 56}, []int{c.HeadDim, strings.Count(string(c.HybridOverridePattern), "*"), len(c.Kinds)})
	require.Equal(t, 0.001, c.mamba().LeastStep)
}

// transformers 5 names the layers' kinds in words; mlx-lm may have the letters in a list. Older names
// of keys come first, as in transformers.
func TestKeysHaveSeveralNames(t *testing.T) {
	want := []Kind{Mamba, Experts, Attention, MLP}
	for _, layers := range []string{
		`"layers_block_type": ["linear_attention", "moe", "full_attention", "mlp"]`, `"layer_types": ["mamba", "moe", "attention", "mlp"]`,
		`"hybrid_override_pattern": ["M", "E", "*", "-"]`, `"hybrid_override_pattern": "ME*-", "layers_block_type": ["mamba", "moe", "attention", "mlp"], "layer_types": null`,
	} {
		c, err := ParseConfig([]byte(`{` + layers + `}`))
		require.NoError(t, err, layers)
		require.Equal(t, want, c.Kinds)
	}
	c, err := ParseConfig([]byte(`{"hybrid_override_pattern": "ME", "n_groups": 8, "mamba_n_groups": 4, "mamba_d_conv": 3, "use_conv_bias": true, "mamba_conv_bias": false,
		"mamba_dt_min": 0.25, "time_step_min": 0.5, "num_local_experts": 16, "mamba_proj_bias": true}`))
	require.NoError(t, err)
	s := c.mamba()
	require.Equal(t, []any{4, 3, false, 0.25, false}, []any{s.Groups, s.Width, s.ConvBias, s.LeastStep, s.ProjBias})
	require.Equal(t, 16, c.NRoutedExperts)
	require.True(t, c.weightsUnsaid)

	_, err = ParseConfig([]byte(`{"hybrid_override_pattern": "ME", "n_shared_experts": null}`))
	require.ErrorContains(t, err, "n_shared_experts is null, and programs differ")
	_, err = ParseConfig([]byte(`{"hybrid_override_pattern": 3}`))
	require.EqualError(t, err, "nemotron_h: config.json: hybrid_override_pattern is 3, want a text of letters, one a layer, or a list of them")
}
