package llama

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Qwen2.5-0.5B-Instruct states a window that it does not use.
func TestConfigOfQwen25(t *testing.T) {
	config := `{"architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 896, "intermediate_size": 4864,
		"max_position_embeddings": 32768, "max_window_layers": 21, "model_type": "qwen2", "num_attention_heads": 14, "num_hidden_layers": 24,
		"num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768, "tie_word_embeddings": true,
		"use_cache": true, "vocab_size": 151936, "use_sliding_window": `
	c, err := ParseQwen2([]byte(config + "false}"))
	require.NoError(t, err)
	assert.Equal(t, 64, c.HeadDim)
	assert.Equal(t, make([]int, 24), c.Windows)
	c, err = ParseQwen2([]byte(config + "true}"))
	require.NoError(t, err)
	assert.Equal(t, []int{0, 32768}, c.Windows[20:22], "the first layers see all")
}
