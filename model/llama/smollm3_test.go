package llama

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigOfSmolLM3(t *testing.T) {
	c, err := ParseSmolLM3([]byte(`{"architectures": ["SmolLM3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 128000,
		"eos_token_id": 128012, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 11008,
		"max_position_embeddings": 65536, "max_window_layers": 28, "mlp_bias": false, "model_type": "smollm3", "no_rope_layer_interval": 4,
		"no_rope_layers": [1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0],
		"num_attention_heads": 16, "num_hidden_layers": 36, "num_key_value_heads": 4, "pad_token_id": 128004, "pretraining_tp": 2, "rms_norm_eps": 1e-06,
		"rope_scaling": null, "rope_theta": 5000000.0, "sliding_window": null, "use_sliding_window": false, "vocab_size": 128256}`))
	require.NoError(t, err)
	assert.Equal(t, []bool{false, false, false, true, false}, c.NoPositions[:5])
	assert.True(t, *c.TieWordEmbeddings)
	assert.Equal(t, make([]int, 36), c.Windows)
	assert.Empty(t, c.notes)
}

func TestSmolLM3sDefaultsAreTransformers(t *testing.T) {
	const some = `{"hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 8, "num_hidden_layers": 4, "vocab_size": 9`
	c, err := ParseSmolLM3([]byte(some + `}`))
	require.NoError(t, err)
	assert.Equal(t, 4, c.NumKeyValueHeads)
	assert.Equal(t, 2e6, c.Rope.Theta)
	assert.Equal(t, []bool{false, false, false, true}, c.NoPositions)
	require.Len(t, c.notes, 1)
	assert.Contains(t, c.notes[0].Text, "mlx-lm has 10,000")

	c, err = ParseSmolLM3([]byte(some + `, "num_key_value_heads": null, "rope_theta": 1e4, "no_rope_layer_interval": 2, "use_sliding_window": true, "sliding_window": 5}`))
	require.NoError(t, err)
	assert.Equal(t, 8, c.NumKeyValueHeads)
	assert.Equal(t, []int{0, 5, 0, 5}, c.Windows, "the layers without positions slide")
	assert.Empty(t, c.notes)
}
