package qwen3

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Qwen3-0.6B's heads are wider than its stream allows for: 16 · 128 of 1024.
func TestConfigOfQwen3(t *testing.T) {
	c, err := ParseConfig([]byte(`{"architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "head_dim": 128, "hidden_act": "silu", "hidden_size": 1024,
		"intermediate_size": 3072, "max_position_embeddings": 40960, "max_window_layers": 28, "model_type": "qwen3", "num_attention_heads": 16,
		"num_hidden_layers": 28, "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null,
		"tie_word_embeddings": true, "use_sliding_window": false, "vocab_size": 151936}`))
	require.NoError(t, err)
	assert.Equal(t, 128, c.HeadDim)
	assert.Equal(t, 1e6, c.Rope.Theta)
	assert.Equal(t, make([]int, 28), c.Windows)
}

// As Qwen3-30B-A3B's config.json is published: the window is not used.
func TestConfigOfQwen330BA3B(t *testing.T) {
	c, err := ParseMixture([]byte(`{"architectures": ["Qwen3MoeForCausalLM"], "attention_bias": false, "decoder_sparse_step": 1, "head_dim": 128, "hidden_act": "silu",
		"hidden_size": 2048, "intermediate_size": 6144, "max_position_embeddings": 40960, "max_window_layers": 48, "mlp_only_layers": [],
		"model_type": "qwen3_moe", "moe_intermediate_size": 768, "norm_topk_prob": true, "num_attention_heads": 32, "num_experts": 128,
		"num_experts_per_tok": 8, "num_hidden_layers": 48, "num_key_value_heads": 4, "output_router_logits": false, "rms_norm_eps": 1e-06,
		"rope_scaling": null, "rope_theta": 1000000.0, "router_aux_loss_coef": 0.001, "sliding_window": null, "tie_word_embeddings": false,
		"use_sliding_window": false, "vocab_size": 151936}`))
	require.NoError(t, err)
	assert.Equal(t, []int{128, 8, 768}, []int{c.NumExperts, c.NumExpertsPerTok, c.MoEIntermediateSize})
	assert.True(t, c.NormTopKProb)
	assert.Equal(t, make([]int, 48), c.Windows)
}

// As Qwen3-Coder's config.json is published: it says of the norms of queries and keys what all of the type have.
func TestNormsOfQueriesAndKeysAreWhatQwen3Has(t *testing.T) {
	const sizes = `{"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
		"head_dim": 16, "rms_norm_eps": 1e-06, "vocab_size": 96, `
	const dense = sizes + `"use_qk_norm": `
	const mixture = sizes + `"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
		"decoder_sparse_step": 1, "mlp_only_layers": [], "norm_topk_prob": true, "qkv_bias": false, "use_qk_norm": `
	for said, refused := range map[string]bool{"true": false, "null": false, "false": true} {
		_, plain := ParseConfig([]byte(dense + said + "}"))
		_, mixed := ParseMixture([]byte(mixture + said + "}"))
		for _, err := range []error{plain, mixed} {
			if refused {
				require.ErrorContains(t, err, "use_qk_norm false is not implemented")
				continue
			}
			require.NoError(t, err, said)
		}
	}
}
