package gptoss

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// As gpt-oss-20b's config.json is published.
func TestConfigOfGPTOSS20B(t *testing.T) {
	c, err := ParseConfig([]byte(`{"architectures": ["GptOssForCausalLM"], "attention_bias": true, "attention_dropout": 0.0, "eos_token_id": 200002,
		"experts_per_token": 4, "head_dim": 64, "hidden_act": "silu", "hidden_size": 2880, "initial_context_length": 4096, "intermediate_size": 2880,
		"layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"], "max_position_embeddings": 131072,
		"model_type": "gpt_oss", "num_attention_heads": 64, "num_experts_per_tok": 4, "num_hidden_layers": 4, "num_key_value_heads": 8,
		"num_local_experts": 32, "output_router_logits": false, "rms_norm_eps": 1e-05,
		"rope_scaling": {"beta_fast": 32.0, "beta_slow": 1.0, "factor": 32.0, "original_max_position_embeddings": 4096, "rope_type": "yarn", "truncate": false},
		"rope_theta": 150000, "sliding_window": 128, "swiglu_limit": 7.0, "tie_word_embeddings": false, "use_cache": true, "vocab_size": 201088}`))
	require.NoError(t, err)
	assert.Equal(t, []int{128, 0, 128, 0}, c.Windows)
	assert.Equal(t, []int{32, 4, 2880}, []int{c.NumExperts, c.NumExpertsPerTok, c.MoEIntermediateSize})
	assert.Equal(t, "yarn", c.Rope.Kind())
}

func TestAConfigThatSaysNothingOfPositionsMeansYarn(t *testing.T) {
	c, err := ParseConfig([]byte(`{"model_type": "gpt_oss", "num_hidden_layers": 2}`))
	require.NoError(t, err)
	assert.Equal(t, "yarn", c.Rope.Kind())
	assert.Equal(t, []int{128, 0}, c.Windows)
	assert.Equal(t, 128, c.NumExperts)
	c, err = ParseConfig([]byte(`{"model_type": "gpt_oss", "rope_parameters": {"rope_type": "default", "rope_theta": 1000}}`))
	require.NoError(t, err)
	assert.Equal(t, "default", c.Rope.Kind())
}
