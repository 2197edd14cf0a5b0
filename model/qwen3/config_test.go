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
