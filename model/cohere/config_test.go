package cohere

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The keys of CohereForAI/c4ai-command-r-plus, whose heads have norms, and what transformers takes
// where none is there.
func TestConfigOfCommandRPlus(t *testing.T) {
	c, err := ParseConfig([]byte(`{"architectures": ["CohereForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 5,
		"eos_token_id": 255001, "hidden_act": "silu", "hidden_size": 12288, "initializer_range": 0.02, "intermediate_size": 33792,
		"layer_norm_eps": 1e-05, "logit_scale": 0.8333333333333334, "max_position_embeddings": 131072, "model_max_length": 131072,
		"model_type": "cohere", "num_attention_heads": 96, "num_hidden_layers": 64, "num_key_value_heads": 8, "pad_token_id": 0,
		"rope_theta": 75000000.0, "torch_dtype": "float16", "transformers_version": "4.40.0.dev0", "use_cache": true, "use_qk_norm": true,
		"vocab_size": 256000}`))
	require.NoError(t, err)
	assert.True(t, c.UseQKNorm)
	assert.True(t, c.Rope.Traditional)
	assert.True(t, *c.TieWordEmbeddings)
	assert.Equal(t, 75e6, c.Rope.Theta)
	assert.Equal(t, make([]int, 64), c.Windows)
	assert.Equal(t, []int{128, 8}, []int{c.HeadDim, c.NumKeyValueHeads})

	c, err = ParseConfig([]byte(`{"model_type": "cohere"}`))
	require.NoError(t, err)
	assert.Equal(t, []float64{0.0625, 500_000, 1e-5}, []float64{c.LogitScale, c.Rope.Theta, c.LayerNormEps})
	assert.Equal(t, []int{64, 128}, []int{c.NumKeyValueHeads, c.HeadDim})
}

// The keys of CohereForAI/c4ai-command-r7b-12-2024, of which some say what the architecture is.
func TestConfigOfCommandR7B(t *testing.T) {
	c, err := ParseCohere2([]byte(`{"architectures": ["Cohere2ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 5,
		"cache_implementation": "hybrid", "eos_token_id": 255001, "head_dim": 128, "hidden_act": "silu", "hidden_size": 4096,
		"initializer_range": 0.02, "intermediate_size": 14336, "layer_norm_eps": 1e-05, "layer_switch": 4, "logit_scale": 0.25,
		"max_position_embeddings": 8192, "model_type": "cohere2", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
		"order_of_interleaved_layers": "local_attn_first", "pad_token_id": 0, "position_embedding_type": "rope_gptj", "rope_scaling": null,
		"rope_theta": 50000, "rotary_pct": 1.0, "sliding_window": 4096, "sliding_window_pattern": 4, "torch_dtype": "bfloat16",
		"transformers_version": "4.48.0.dev0", "use_cache": true, "use_embedding_sharing": true, "use_gated_activation": true,
		"use_parallel_block": true, "use_parallel_embedding": true, "vocab_size": 256000}`))
	require.NoError(t, err)
	assert.Equal(t, []int{4096, 4096, 4096, 0, 4096}, c.Windows[:5])
	assert.Equal(t, 0.25, c.LogitScale)
	assert.False(t, c.atOdds())

	c, err = ParseCohere2([]byte(`{"model_type": "cohere2", "num_hidden_layers": 2, "layer_types": ["full_attention", "sliding_attention"]}`))
	require.NoError(t, err)
	assert.Equal(t, []int{0, 4096}, c.Windows)
	assert.Equal(t, 10_000.0, c.Rope.Theta)
	assert.True(t, c.atOdds(), "mlx-lm lets both slide")
}
