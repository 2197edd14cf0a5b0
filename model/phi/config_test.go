package phi

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The keys of microsoft/phi-2, and as transformers 5 writes them.
func TestConfigsOfPhi2(t *testing.T) {
	c, err := ParseConfig([]byte(`{"architectures": ["PhiForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 50256, "embd_pdrop": 0.0, "eos_token_id": 50256,
		"hidden_act": "gelu_new", "hidden_size": 2560, "initializer_range": 0.02, "intermediate_size": 10240, "layer_norm_eps": 1e-05,
		"max_position_embeddings": 2048, "model_type": "phi", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32,
		"partial_rotary_factor": 0.4, "qk_layernorm": false, "resid_pdrop": 0.1, "rope_scaling": null, "rope_theta": 10000.0,
		"tie_word_embeddings": false, "torch_dtype": "float16", "transformers_version": "4.37.0", "use_cache": true, "vocab_size": 51200}`))
	require.NoError(t, err)
	assert.Equal(t, []int{80, 32}, []int{c.HeadDim, c.NumKeyValueHeads})
	assert.Equal(t, 0.4, c.Rope.Partial)
	assert.False(t, *c.TieWordEmbeddings)

	c, err = ParseConfig([]byte(`{` + sizes + `, "num_key_value_heads": null, "rope_parameters": {"rope_theta": 500, "rope_type": "default", "partial_rotary_factor": 0.25}}`))
	require.NoError(t, err)
	assert.Equal(t, []float64{500, 0.25}, []float64{c.Rope.Theta, c.Rope.Partial})
	assert.Equal(t, 4, c.NumKeyValueHeads)
}

const sizes = `"hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 4, "num_hidden_layers": 2, "vocab_size": 96`

// mlx-lm takes 0.4 then.
func TestHalfOfAHeadTurnsWhereAConfigDoesNotSay(t *testing.T) {
	c, err := ParseConfig([]byte(`{` + sizes + `}`))
	require.NoError(t, err)
	assert.Equal(t, []float64{10_000, 0.5, 1e-5}, []float64{c.Rope.Theta, c.Rope.Partial, c.LayerNormEps})
	assert.Equal(t, "gelu_new", c.HiddenAct)
}

func TestNormsOfHeadsThatHaveAnotherWidthAreRefused(t *testing.T) {
	c, err := ParseConfig([]byte(`{` + sizes + `, "head_dim": 24}`))
	require.NoError(t, err)
	assert.Equal(t, 96, c.QWidth())
	_, err = ParseConfig([]byte(`{` + sizes + `, "head_dim": 24, "qk_layernorm": true}`))
	require.ErrorContains(t, err, "qk_layernorm with head_dim 24 of 4 heads of hidden_size 64 is not implemented")
}
