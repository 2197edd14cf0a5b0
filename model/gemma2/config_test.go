package gemma2

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigOfGemma2(t *testing.T) {
	c, err := ParseConfig([]byte(`{"architectures": ["Gemma2ForCausalLM"], "attention_bias": false, "attn_logit_softcapping": 50.0, "cache_implementation": "hybrid",
		"final_logit_softcapping": 30.0, "head_dim": 256, "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 2304,
		"intermediate_size": 9216, "max_position_embeddings": 8192, "model_type": "gemma2", "num_attention_heads": 8, "num_hidden_layers": 26,
		"num_key_value_heads": 4, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "sliding_window": 4096, "vocab_size": 256000}`))
	require.NoError(t, err)
	assert.Equal(t, []int{4096, 0, 4096}, c.Windows[:3])
	assert.Equal(t, 50.0, *c.AttnLogitSoftcapping)
}

func TestCapsAreMLXLMsUnlessTheFileSaysNull(t *testing.T) {
	config := `{"hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1, "rms_norm_eps": 1e-06, "vocab_size": 9`
	c, err := ParseConfig([]byte(config + `, "attn_logit_softcapping": null}`))
	require.NoError(t, err)
	assert.Nil(t, c.AttnLogitSoftcapping)
	assert.Equal(t, 30.0, *c.FinalLogitSoftcapping)
	assert.Equal(t, 144.0, c.QueryPreAttnScalar)
	assert.Equal(t, 32, c.HeadDim)
}
