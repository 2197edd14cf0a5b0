package stablelm

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The keys of stabilityai/stablelm-3b-4e1t and stablelm-2-12b.
func TestConfigsOfStableLM(t *testing.T) {
	c, err := ParseConfig([]byte(`{"architectures": ["StableLmForCausalLM"], "bos_token_id": 0, "eos_token_id": 0, "hidden_act": "silu", "hidden_size": 2560,
		"initializer_range": 0.02, "intermediate_size": 6912, "layer_norm_eps": 1e-05, "max_position_embeddings": 4096, "model_type": "stablelm",
		"num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32, "partial_rotary_factor": 0.25, "rope_theta": 10000,
		"tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.38.0", "use_cache": true, "use_qkv_bias": false,
		"vocab_size": 50304}`))
	require.NoError(t, err)
	assert.Equal(t, []int{80, 32}, []int{c.HeadDim, c.NumKeyValueHeads})
	assert.Equal(t, 0.25, c.Rope.Partial)
	assert.False(t, c.UseParallelResidual || c.UseQKVBias || c.QKLayerNorm)

	c, err = ParseConfig([]byte(`{"architectures": ["StableLmForCausalLM"], "bos_token_id": 100257, "eos_token_id": 100257, "hidden_act": "silu", "hidden_size": 5120,
		"initializer_range": 0.02, "intermediate_size": 13824, "layer_norm_eps": 1e-05, "max_position_embeddings": 4096, "model_type": "stablelm",
		"num_attention_heads": 32, "num_hidden_layers": 40, "num_key_value_heads": 8, "partial_rotary_factor": 0.25, "qk_layernorm": true,
		"rope_theta": 10000, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_cache": true, "use_parallel_residual": true,
		"use_qkv_bias": false, "vocab_size": 100352}`))
	require.NoError(t, err)
	assert.Equal(t, []int{160, 8}, []int{c.HeadDim, c.NumKeyValueHeads})
	assert.True(t, c.UseParallelResidual && c.QKLayerNorm)
}

func TestDefaultsAreTransformers(t *testing.T) {
	const sizes = `"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "vocab_size": 96, `
	c, err := ParseConfig([]byte(`{` + sizes + `"num_attention_heads": 32}`))
	require.NoError(t, err)
	assert.Equal(t, []float64{10_000, 0.25, 1e-5}, []float64{c.Rope.Theta, c.Rope.Partial, c.LayerNormEps})
	assert.Equal(t, []int{32, 4096}, []int{c.NumKeyValueHeads, c.MaxPositionEmbeddings})
	for key, want := range map[string]string{
		`"num_attention_heads": 4`:                                           "num_attention_heads 4 is no multiple of num_key_value_heads 32",
		`"num_attention_heads": 4, "num_key_value_heads": null`:              "num_key_value_heads <nil> is not implemented",
		`"num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 24`: "head_dim 24 is not that of 4 heads of hidden_size 64",
	} {
		_, err := ParseConfig([]byte(`{` + sizes + key + `}`))
		require.ErrorContains(t, err, want)
	}
}
