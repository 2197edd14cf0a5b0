package gptneox

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The keys of EleutherAI/pythia-160m, of its first version (which says nothing of parallel
// residuals), and as transformers 5 writes them.
func TestConfigsOfPythia(t *testing.T) {
	c, err := ParseConfig([]byte(`{"architectures": ["GPTNeoXForCausalLM"], "bos_token_id": 0, "eos_token_id": 0, "hidden_act": "gelu", "hidden_size": 768,
		"initializer_range": 0.02, "intermediate_size": 3072, "layer_norm_eps": 1e-05, "max_position_embeddings": 2048, "model_type": "gpt_neox",
		"num_attention_heads": 12, "num_hidden_layers": 12, "rotary_emb_base": 10000, "rotary_pct": 0.25, "tie_word_embeddings": false,
		"torch_dtype": "float16", "transformers_version": "4.24.0", "use_cache": true, "use_parallel_residual": true, "vocab_size": 50304}`))
	require.NoError(t, err)
	assert.Equal(t, 64, c.HeadDim)
	assert.Equal(t, 0.25, c.Rope.Partial)
	assert.Equal(t, 10_000.0, c.Rope.Theta)
	assert.True(t, c.UseParallelResidual)
	assert.True(t, c.AttentionBias)

	c, err = ParseConfig([]byte(`{"hidden_size": 512, "intermediate_size": 2048, "num_attention_heads": 8, "num_hidden_layers": 6, "vocab_size": 50304}`))
	require.NoError(t, err)
	assert.True(t, c.UseParallelResidual)
	assert.Equal(t, "gelu", c.HiddenAct)

	c, err = ParseConfig([]byte(`{"hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 4, "num_hidden_layers": 2, "vocab_size": 96,
		"rope_parameters": {"rope_theta": 20000, "rope_type": "default", "partial_rotary_factor": 0.5}, "use_parallel_residual": false, "dtype": "float32"}`))
	require.NoError(t, err)
	assert.Equal(t, 0.5, c.Rope.Partial)
	assert.Equal(t, 20_000.0, c.Rope.Theta)
	assert.False(t, c.UseParallelResidual)
}

func TestABaseOrAPartThatIsContradictedIsRefused(t *testing.T) {
	const sizes = `"hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 4, "num_hidden_layers": 2, "vocab_size": 96, `
	_, err := ParseConfig([]byte("{" + sizes + `"rotary_emb_base": 10000, "rope_parameters": {"rope_theta": 20000}}`))
	require.ErrorContains(t, err, "rotary_emb_base is 10000, and rope_theta 20000 in rope_parameters")
	_, err = ParseConfig([]byte("{" + sizes + `"rotary_pct": 0.25, "rope_parameters": {"partial_rotary_factor": 0.5}}`))
	require.ErrorContains(t, err, "rotary_pct is 0.25, and partial_rotary_factor 0.5 in rope_parameters")
	_, err = ParseConfig([]byte("{" + sizes + `"rotary_pct": 0.5, "rotary_emb_base": 20000, "rope_parameters": {"partial_rotary_factor": 0.5, "rope_theta": 20000}}`))
	require.NoError(t, err)
}
