package olmo2

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigOfOLMo2(t *testing.T) {
	c, err := ParseConfig([]byte(`{"architectures": ["Olmo2ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 2048,
		"intermediate_size": 8192, "max_position_embeddings": 4096, "model_type": "olmo2", "num_attention_heads": 16, "num_hidden_layers": 16,
		"num_key_value_heads": 16, "pad_token_id": 100277, "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 500000, "tie_word_embeddings": false,
		"vocab_size": 100352}`))
	require.NoError(t, err)
	assert.Equal(t, []int{128, 16}, []int{c.HeadDim, c.NumKeyValueHeads})
	assert.Equal(t, 500_000.0, c.Rope.Theta)
}
