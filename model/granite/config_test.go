package granite

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The keys of ibm-granite/granite-3.1-2b-instruct, and what transformers takes where none is there.
func TestConfigOfGranite31(t *testing.T) {
	c, err := ParseConfig([]byte(`{"architectures": ["GraniteForCausalLM"], "attention_bias": false, "attention_dropout": 0.1, "attention_multiplier": 0.015625,
		"bos_token_id": 0, "embedding_multiplier": 12.0, "eos_token_id": 0, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
		"intermediate_size": 8192, "logits_scaling": 8.0, "max_position_embeddings": 131072, "mlp_bias": false, "model_type": "granite",
		"num_attention_heads": 32, "num_hidden_layers": 40, "num_key_value_heads": 8, "pad_token_id": 0, "residual_multiplier": 0.22,
		"rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 5000000.0, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
		"transformers_version": "4.47.0.dev0", "use_cache": true, "vocab_size": 49155}`))
	require.NoError(t, err)
	assert.Equal(t, []float64{12, 0.015625, 0.22, 8}, []float64{c.EmbeddingMultiplier, c.AttentionMultiplier, c.ResidualMultiplier, c.LogitsScaling})
	assert.Equal(t, []int{64, 8, 131_072}, []int{c.HeadDim, c.NumKeyValueHeads, c.MaxPositionEmbeddings})
	assert.Equal(t, 5_000_000.0, c.Rope.Theta)
	assert.True(t, *c.TieWordEmbeddings)

	c, err = ParseConfig([]byte(`{"model_type": "granite"}`))
	require.NoError(t, err)
	assert.Equal(t, []float64{1, 1, 1, 1}, []float64{c.EmbeddingMultiplier, c.AttentionMultiplier, c.ResidualMultiplier, c.LogitsScaling})
	assert.Equal(t, []int{4096, 11008, 32, 32, 32, 128, 32_000}, []int{c.HiddenSize, c.IntermediateSize, c.NumHiddenLayers, c.NumAttentionHeads, c.NumKeyValueHeads, c.HeadDim, c.VocabSize})
	assert.Equal(t, 1e-6, c.RMSNormEps)
}
