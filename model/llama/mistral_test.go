package llama

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Mistral-7B-Instruct v0.1 slides, v0.3 does not.
func TestConfigsOfMistral7B(t *testing.T) {
	c, err := ParseMistral([]byte(`{"architectures": ["MistralForCausalLM"], "bos_token_id": 1, "hidden_act": "silu", "hidden_size": 4096,
		"initializer_range": 0.02, "intermediate_size": 14336, "max_position_embeddings": 32768, "model_type": "mistral", "num_attention_heads": 32,
		"num_hidden_layers": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "sliding_window": 4096,
		"tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size": 32000}`))
	require.NoError(t, err)
	assert.Equal(t, 128, c.HeadDim)
	assert.Len(t, c.Windows, 32)
	assert.Equal(t, 4096, c.Windows[0])
	assert.Equal(t, 4096, c.Windows[31])

	c, err = ParseMistral([]byte(`{"hidden_size": 4096, "intermediate_size": 14336, "max_position_embeddings": 32768, "num_attention_heads": 32,
		"num_hidden_layers": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "sliding_window": null, "vocab_size": 32768}`))
	require.NoError(t, err)
	assert.Equal(t, make([]int, 32), c.Windows)
	assert.Equal(t, 1e6, c.Rope.Theta)
}
