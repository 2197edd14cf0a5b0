package llama

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Qwen2-VL-7B's config.json as it was first published, without a text_config, but for what sees.
func TestConfigOfQwen2VL7B(t *testing.T) {
	c, err := ParseQwen2VL([]byte(`{"architectures": ["Qwen2VLForConditionalGeneration"], "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151645,
		"hidden_act": "silu", "hidden_size": 3584, "initializer_range": 0.02, "intermediate_size": 18944, "max_position_embeddings": 32768,
		"max_window_layers": 28, "model_type": "qwen2_vl", "num_attention_heads": 28, "num_hidden_layers": 28, "num_key_value_heads": 4,
		"rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768, "tie_word_embeddings": false, "use_sliding_window": false,
		"vision_config": {"depth": 32, "embed_dim": 1280, "hidden_size": 3584}, "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
		"vocab_size": 152064}`))
	require.NoError(t, err)
	require.Equal(t, "default", c.Rope.Kind())
	require.True(t, c.qkvBias && c.wrapped)
	require.Equal(t, make([]int, 28), c.Windows)
}
