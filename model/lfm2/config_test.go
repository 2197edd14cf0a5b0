package lfm2

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// As LFM2-350M's config.json is published: two thirds of block_ff_dim, in whole multiples of 256.
func TestConfigOfLFM2350M(t *testing.T) {
	c, err := ParseConfig([]byte(`{"architectures": ["Lfm2ForCausalLM"], "block_auto_adjust_ff_dim": true, "block_dim": 1024, "block_ff_dim": 6656,
		"block_ffn_dim_multiplier": 1.0, "block_mlp_init_scale": 1.0, "block_multiple_of": 256, "block_norm_eps": 1e-05, "block_out_init_scale": 1.0,
		"block_use_swiglu": true, "block_use_xavier_init": true, "bos_token_id": 1, "conv_L_cache": 3, "conv_bias": false, "conv_dim": 1024, "conv_dim_out": 1024,
		"conv_use_xavier_init": true, "eos_token_id": 7, "full_attn_idxs": [2, 5, 8, 10, 12, 14], "hidden_size": 1024, "initializer_range": 0.02,
		"max_position_embeddings": 128000, "model_type": "lfm2", "norm_eps": 1e-05, "num_attention_heads": 16, "num_heads": 16, "num_hidden_layers": 16,
		"num_key_value_heads": 8, "pad_token_id": 0, "rope_theta": 1000000.0, "use_pos_enc": true, "vocab_size": 65536}`))
	require.NoError(t, err)
	require.Equal(t, 4608, c.IntermediateSize)
	require.Equal(t, []bool{true, true, false, true, true, false, true, true, false, true, false, true, false, true, false, true}, c.Conv)
	require.True(t, *c.TieWordEmbeddings)
	require.Equal(t, 2*1024, c.shape(c.Shape()).Own[0].State)
}

// As LFM2-8B-A1B's: the first two layers have no experts, and no MLP's size is adjusted.
func TestConfigOfLFM28BA1B(t *testing.T) {
	c, err := ParseMixture([]byte(`{"architectures": ["Lfm2MoeForCausalLM"], "conv_L_cache": 3, "conv_bias": false, "hidden_size": 2048, "initializer_range": 0.02,
		"intermediate_size": 7168, "layer_types": ["conv", "conv", "full_attention", "conv"], "max_position_embeddings": 128000, "model_type": "lfm2_moe",
		"moe_intermediate_size": 1792, "norm_eps": 1e-05, "norm_topk_prob": true, "num_attention_heads": 32, "num_dense_layers": 2, "num_experts": 32,
		"num_experts_per_tok": 4, "num_hidden_layers": 4, "num_key_value_heads": 8, "rope_theta": 1000000.0, "routed_scaling_factor": 1.0,
		"use_expert_bias": true, "vocab_size": 65536}`))
	require.NoError(t, err)
	require.Equal(t, 7168, c.IntermediateSize)
	require.Equal(t, []bool{false, false, true, true}, []bool{c.sparse(0), c.sparse(1), c.sparse(2), c.sparse(3)})
	require.Equal(t, []int{32, 4, 1792}, []int{c.NumExperts, c.NumExpertsPerTok, c.MoEIntermediateSize})
}

// As in transformers, which lets all layers attend.
func TestWithoutWordOfLayersAllAttend(t *testing.T) {
	const sizes = `"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 96`
	c, err := ParseConfig([]byte(`{` + sizes + `}`))
	require.EqualError(t, err, "lfm2: config.json: num_attention_heads 4 is no multiple of num_key_value_heads 8")
	require.Nil(t, c)
	c, err = ParseConfig([]byte(`{"num_key_value_heads": 2, ` + sizes + `}`))
	require.NoError(t, err)
	require.False(t, c.convolves())
	_, err = ParseMixture([]byte(`{"num_key_value_heads": 2, ` + sizes + `}`))
	require.EqualError(t, err, "lfm2_moe: config.json: neither layer_types nor full_attn_idxs says which layers attend")
}
