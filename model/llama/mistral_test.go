package llama

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/model"
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

// As Ministral-3-3B's text_config is published.
func TestConfigOfMinistral3(t *testing.T) {
	c, err := ParseMistral3([]byte(`{"architectures": ["Mistral3ForConditionalGeneration"], "image_token_index": 10, "model_type": "mistral3", "spatial_merge_size": 2,
		"text_config": {"attention_dropout": 0.0, "head_dim": 128, "hidden_act": "silu", "hidden_size": 3072, "intermediate_size": 9216,
		"max_position_embeddings": 262144, "model_type": "ministral3", "num_attention_heads": 32, "num_hidden_layers": 26, "num_key_value_heads": 8,
		"rms_norm_eps": 1e-05, "rope_parameters": {"beta_fast": 32.0, "beta_slow": 1.0, "factor": 16.0, "llama_4_scaling_beta": 0.1, "mscale": 1.0,
		"mscale_all_dim": 1.0, "original_max_position_embeddings": 16384, "rope_theta": 1000000.0, "rope_type": "yarn", "type": "yarn"},
		"sliding_window": null, "tie_word_embeddings": true, "use_cache": true, "vocab_size": 131072}, "vision_config": {"model_type": "pixtral"}}`))
	require.NoError(t, err)
	assert.Equal(t, model.QueryScale{Beta: 0.1, Every: 16384}, c.query)
	assert.True(t, c.wrapped)
	assert.True(t, *c.TieWordEmbeddings)
	assert.Equal(t, make([]int, 26), c.Windows)

	c, err = ParseMinistral3([]byte(`{"hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 96, "rms_norm_eps": 1e-5}`))
	require.NoError(t, err)
	assert.Equal(t, model.QueryScale{Beta: 0.1, Every: 16384}, c.query, "as the authors' class has it")
	_, err = ParseMistral3([]byte(`{"model_type": "mistral3"}`))
	require.EqualError(t, err, "mistral3: config.json: there is no text_config")
}
