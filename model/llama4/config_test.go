package llama4

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/model"
)

// As Llama 4 Scout's config.json is published.
func TestConfigOfScout(t *testing.T) {
	c, err := ParseConfig([]byte(`{"architectures": ["Llama4ForConditionalGeneration"], "boi_token_index": 200080, "image_token_index": 200092, "model_type": "llama4",
		"text_config": {"attention_bias": false, "attention_chunk_size": 8192, "attention_dropout": 0.0, "bos_token_id": 200000, "cache_implementation": "hybrid",
		"eos_token_id": [200001, 200007, 200008], "for_llm_compressor": false, "head_dim": 128, "hidden_act": "silu", "hidden_size": 5120, "initializer_range": 0.02,
		"interleave_moe_layer_step": 1, "intermediate_size": 8192, "intermediate_size_mlp": 16384, "max_position_embeddings": 10485760, "model_type": "llama4_text",
		"no_rope_layers": [], "num_attention_heads": 40, "num_experts_per_tok": 1, "num_hidden_layers": 48, "num_key_value_heads": 8, "num_local_experts": 16,
		"output_router_logits": false, "pad_token_id": 200018, "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 16.0, "high_freq_factor": 1.0, "low_freq_factor": 1.0,
		"original_max_position_embeddings": 8192, "rope_type": "llama3"}, "rope_theta": 500000.0, "router_aux_loss_coef": 0.001, "router_jitter_noise": 0.0,
		"use_cache": true, "use_qk_norm": true, "vocab_size": 202048}, "tie_word_embeddings": false, "vision_config": {"model_type": "llama4_vision_model"}}`))
	require.NoError(t, err)
	require.True(t, c.wrapped)
	require.Equal(t, []bool{true, true, true, false, true}, c.turn[:5])
	require.Equal(t, c.turn, c.chunks)
	require.NotContains(t, c.sparse, false)
	require.Equal(t, 8192, c.attention(0).Chunk)
	require.Zero(t, c.attention(3).Chunk)
	require.Zero(t, c.queries(0))
	require.Equal(t, model.QueryScale{Beta: 0.1, Every: 8192, Ahead: 1}, c.queries(3))
}

// As MobileLLM-R1-950M's: a text model without experts, all of whose layers turn.
func TestConfigOfMobileLLMR1(t *testing.T) {
	c, err := ParseText([]byte(`{"architectures": ["Llama4ForCausalLM"], "attention_bias": false, "attention_chunk_size": 32768, "attn_scale": 0.1,
		"attn_temperature_tuning": false, "floor_scale": 8192, "for_llm_compressor": false, "head_dim": 64, "hidden_act": "silu", "hidden_size": 1536,
		"interleave_moe_layer_step": 0, "intermediate_size": 6144, "intermediate_size_mlp": 6144, "max_position_embeddings": 32768, "model_type": "llama4_text",
		"moe_layers": [], "no_rope_layers": [1, 1, 1, 1], "num_attention_heads": 24, "num_experts_per_tok": 0, "num_hidden_layers": 4, "num_key_value_heads": 6,
		"num_local_experts": 0, "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 8000000.0, "tie_word_embeddings": true, "use_qk_norm": true, "vocab_size": 128256}`))
	require.NoError(t, err)
	require.NotContains(t, c.sparse, true)
	require.NotContains(t, c.turn, false)
	require.Equal(t, 6144, c.shape(c.Shape()).DMLP)
	require.Zero(t, c.shape(c.Shape()).Experts)
}
