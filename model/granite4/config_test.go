package granite4

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/model"
)

// layerTypes are those of 40 layers, of which every tenth from the sixth on attends.
func layerTypes(t *testing.T) string {
	types := make([]string, 40)
	for layer := range types {
		if types[layer] = "mamba"; layer%10 == 5 {
			types[layer] = "attention"
		}
	}
	text, err := json.Marshal(types)
	require.NoError(t, err)
	return string(text)
}

// The keys of ibm-granite/granite-4.0-h-tiny.
func TestConfigOfGranite40HTiny(t *testing.T) {
	c, err := ParseConfig([]byte(`{"architectures": ["GraniteMoeHybridForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
		"attention_multiplier": 0.0078125, "bos_token_id": 100257, "embedding_multiplier": 12, "eos_token_id": 100257, "hidden_act": "silu", "hidden_size": 1536,
		"init_method": "mup", "initializer_range": 0.1, "intermediate_size": 512, "layer_types": ` + layerTypes(t) + `, "logits_scaling": 6,
		"mamba_chunk_size": 256, "mamba_conv_bias": true, "mamba_d_conv": 4, "mamba_d_head": 64, "mamba_d_state": 128, "mamba_expand": 2, "mamba_n_groups": 1,
		"mamba_n_heads": 48, "mamba_proj_bias": false, "max_position_embeddings": 131072, "model_type": "granitemoehybrid", "normalization_function": "rmsnorm",
		"num_attention_heads": 12, "num_experts_per_tok": 6, "num_hidden_layers": 40, "num_key_value_heads": 4, "num_local_experts": 64, "output_router_logits": false,
		"pad_token_id": 100256, "position_embedding_type": "nope", "residual_multiplier": 0.22, "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 10000,
		"router_aux_loss_coef": 0.0, "shared_intermediate_size": 1024, "tie_word_embeddings": true, "torch_dtype": "bfloat16", "transformers_version": "4.56.0",
		"use_cache": true, "vocab_size": 100352}`))
	require.NoError(t, err)
	require.Equal(t, []int{5, 15, 25, 35}, c.attending())
	require.False(t, c.turns())
	shape := c.shape(c.Shape())
	require.Equal(t, []int{64, 6, 512, 1024}, []int{shape.Experts, shape.TopK, shape.DExpert, shape.DMLP})
	require.Equal(t, 3072+2*128, shape.DConv)
	require.Equal(t, model.LayerShape{Heads: 48, DHead: 64, State: 48*64*128 + 3*3328}, shape.Own[0])
	require.Equal(t, model.LayerShape{}, shape.Own[5])
	require.Equal(t, []float64{0, math.Inf(1)}, []float64{c.mamba().LeastStep, c.mamba().MostStep})
	require.Equal(t, map[string]bool{"time_step_limit": true, "num_local_experts": false}, c.unsaid)
}

// The keys of ibm-granite/granite-4.0-h-micro and of -small that differ: one has an MLP alone.
func TestConfigsOfGranite40HMicroAndSmall(t *testing.T) {
	all := `"attention_multiplier": 0.015625, "embedding_multiplier": 12, "layer_types": ` + layerTypes(t) + `, "mamba_conv_bias": true, "mamba_d_conv": 4,
		"mamba_d_head": 64, "mamba_d_state": 128, "mamba_expand": 2, "mamba_n_groups": 1, "mamba_proj_bias": false, "max_position_embeddings": 131072,
		"model_type": "granitemoehybrid", "num_attention_heads": 32, "num_hidden_layers": 40, "num_key_value_heads": 8, "position_embedding_type": "nope",
		"residual_multiplier": 0.22, "rms_norm_eps": 1e-05, "tie_word_embeddings": true, "vocab_size": 100352, `
	micro, err := ParseConfig([]byte(`{` + all + `"hidden_size": 2048, "intermediate_size": 8192, "logits_scaling": 8, "mamba_n_heads": 64, "num_experts_per_tok": 0,
		"num_local_experts": 0, "shared_intermediate_size": 8192}`))
	require.NoError(t, err)
	require.False(t, micro.mixture())
	require.Equal(t, []int{0, 8192}, []int{micro.shape(micro.Shape()).Experts, micro.shape(micro.Shape()).DMLP})
	small, err := ParseConfig([]byte(`{` + all + `"hidden_size": 4096, "intermediate_size": 768, "logits_scaling": 16, "mamba_n_heads": 128, "num_experts_per_tok": 10,
		"num_local_experts": 72, "shared_intermediate_size": 1536}`))
	require.NoError(t, err)
	require.Equal(t, []int{72, 10, 768, 1536}, []int{*small.NumLocalExperts, small.NumExpertsPerTok, small.dExpert, small.IntermediateSize})
}

// The keys of ibm-granite/granite-4.0-micro: all layers attend, and positions turn queries and keys.
func TestConfigOfGranite40Micro(t *testing.T) {
	types, err := json.Marshal([]string{"attention", "attention", "attention"})
	require.NoError(t, err)
	c, err := ParseConfig([]byte(`{"architectures": ["GraniteMoeHybridForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
		"attention_multiplier": 0.015625, "bos_token_id": 100257, "embedding_multiplier": 12, "eos_token_id": 100257, "hidden_act": "silu", "hidden_size": 2560,
		"initializer_range": 0.1, "intermediate_size": 8192, "layer_types": ` + string(types) + `, "logits_scaling": 10, "mamba_chunk_size": 256,
		"mamba_conv_bias": true, "mamba_d_conv": 4, "mamba_d_head": 40, "mamba_d_state": 256, "mamba_expand": 2, "mamba_n_groups": 1, "mamba_n_heads": 128,
		"mamba_proj_bias": false, "max_position_embeddings": 131072, "model_type": "granitemoehybrid", "normalization_function": "rmsnorm", "num_attention_heads": 40,
		"num_experts_per_tok": 0, "num_hidden_layers": 3, "num_key_value_heads": 8, "num_local_experts": 0, "output_router_logits": false, "pad_token_id": 100256,
		"position_embedding_type": "rope", "residual_multiplier": 0.22, "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 10000000,
		"router_aux_loss_coef": 0.0, "shared_intermediate_size": 8192, "tie_word_embeddings": true, "use_cache": true, "vocab_size": 100352}`))
	require.NoError(t, err)
	require.False(t, c.hybrid())
	require.True(t, c.turns())
	require.Equal(t, 10_000_000.0, c.Rope.Theta)
	require.Nil(t, c.shape(c.Shape()).Own)
}

// transformers 5 writes the layers' types under other names, and an infinity as an object; Python's json writes it bare.
func TestConfigsAsTransformers5AndPythonWriteThem(t *testing.T) {
	const sizes = `"model_type": "granitemoehybrid", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 96, "mamba_n_heads": 8, "mamba_d_head": "auto", `
	for _, limit := range []string{`[0.001, Infinity]`, `[0.001, {"__float__": "Infinity"}]`} {
		c, err := ParseConfig([]byte(`{` + sizes + `"layers_block_type": ["linear_attention", "full_attention"], "time_step_limit": ` + limit + `}`))
		require.NoError(t, err)
		require.Equal(t, []bool{false, true}, c.Attends)
		require.Equal(t, 16, int(c.MambaDHead))
		require.Equal(t, []float64{0.001, math.Inf(1)}, []float64{c.mamba().LeastStep, c.mamba().MostStep})
	}
	_, err := ParseConfig([]byte(`{` + sizes + `"time_step_limit": null}`))
	require.EqualError(t, err, "granitemoehybrid: config.json: time_step_limit is [], want two numbers")
	for _, limit := range []string{`[NaN, 1]`, `[0, NaN]`, `[-1, 1]`, `[Infinity, Infinity]`} {
		_, err := ParseConfig([]byte(`{` + sizes + `"time_step_limit": ` + limit + `}`))
		require.ErrorContains(t, err, "time_step_limit has the bounds", limit)
	}
	c, err := ParseConfig([]byte(`{` + sizes + `"num_local_experts": null}`))
	require.NoError(t, err)
	require.False(t, c.mixture())
	require.Equal(t, []bool{false, false}, c.Attends) // as transformers takes it
}
