package phi3

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Phi-3-mini-4k slides over 2,047 positions; Phi-4-mini turns three quarters of a head.
func TestConfigsOfPhi3AndPhi4Mini(t *testing.T) {
	c, err := ParseConfig([]byte(`{"architectures": ["Phi3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "embd_pdrop": 0.0, "hidden_act": "silu",
		"hidden_size": 3072, "intermediate_size": 8192, "max_position_embeddings": 4096, "model_type": "phi3", "num_attention_heads": 32,
		"num_hidden_layers": 32, "num_key_value_heads": 32, "original_max_position_embeddings": 4096, "resid_pdrop": 0.0, "rms_norm_eps": 1e-05,
		"rope_scaling": null, "rope_theta": 10000.0, "sliding_window": 2047, "tie_word_embeddings": false, "vocab_size": 32064}`))
	require.NoError(t, err)
	assert.Equal(t, 96, c.HeadDim)
	assert.Equal(t, 2047, c.Windows[31])

	c, err = ParseConfig([]byte(`{"hidden_size": 3072, "intermediate_size": 8192, "max_position_embeddings": 131072, "num_attention_heads": 24,
		"num_hidden_layers": 32, "num_key_value_heads": 8, "original_max_position_embeddings": 4096, "partial_rotary_factor": 0.75, "rms_norm_eps": 1e-05,
		"rope_scaling": {"long_factor": [1], "short_factor": [1], "type": "longrope"}, "rope_theta": 10000.0, "sliding_window": 262144,
		"tie_word_embeddings": true, "vocab_size": 200064, "full_attn_mod": 1, "lm_head_bias": false, "mlp_bias": false}`))
	require.NoError(t, err)
	assert.Equal(t, "longrope", c.Rope.Kind())
	assert.Equal(t, 0.75, c.Rope.Partial)
	assert.Equal(t, 4096.0, c.Rope.Original)
}

func TestFirstNameOfLongropeIsKnown(t *testing.T) {
	c, err := ParseConfig([]byte(`{"hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1, "rms_norm_eps": 1e-06, "vocab_size": 9,
		"rope_scaling": {"long_factor": [1], "short_factor": [1], "type": "su"}}`))
	require.NoError(t, err)
	assert.Equal(t, "longrope", c.Rope.Kind())
	assert.Equal(t, 4096, c.Rope.Context, "the default is the scaling's too")
}
