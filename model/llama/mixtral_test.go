package llama

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// As Mixtral-8x7B's config.json is published.
func TestConfigOfMixtral8x7B(t *testing.T) {
	c, err := ParseMixtral([]byte(`{"architectures": ["MixtralForCausalLM"], "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 14336,
		"max_position_embeddings": 32768, "model_type": "mixtral", "num_attention_heads": 32, "num_experts_per_tok": 2, "num_hidden_layers": 32,
		"num_key_value_heads": 8, "num_local_experts": 8, "output_router_logits": false, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0,
		"router_aux_loss_coef": 0.02, "sliding_window": null, "tie_word_embeddings": false, "vocab_size": 32000}`))
	require.NoError(t, err)
	assert.Equal(t, []int{8, 2, 14336}, []int{c.NumExperts, c.NumExpertsPerTok, c.MoEIntermediateSize})
	assert.Equal(t, make([]int, 32), c.Windows)
	assert.True(t, c.Sparse.Sparse(0))
}
