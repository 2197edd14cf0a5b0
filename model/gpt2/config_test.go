package gpt2

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigOfGPT2(t *testing.T) {
	c, err := ParseConfig([]byte(`{"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1, "bos_token_id": 50256, "embd_pdrop": 0.1,
		"eos_token_id": 50256, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12,
		"n_layer": 12, "n_positions": 1024, "resid_pdrop": 0.1, "summary_activation": null, "summary_type": "cls_index",
		"task_specific_params": {"text-generation": {"do_sample": true, "max_length": 50}}, "vocab_size": 50257}`))
	require.NoError(t, err)
	assert.Equal(t, []int{3072, 1024}, []int{c.NInner, c.NPositions})
	assert.True(t, c.ScaleAttnWeights)
	assert.False(t, c.ScaleAttnByInverseLayerIdx)
}

func TestPositionsUnderTheirOldName(t *testing.T) {
	c, err := ParseConfig([]byte(`{"n_ctx": 77, "n_embd": 8, "n_head": 2, "n_layer": 1, "n_inner": 20, "vocab_size": 9}`))
	require.NoError(t, err)
	assert.Equal(t, []int{77, 20}, []int{c.NPositions, c.NInner})
}
