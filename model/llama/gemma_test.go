package llama

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigOfGemma2B(t *testing.T) {
	c, err := ParseGemma([]byte(`{"architectures": ["GemmaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 2, "eos_token_id": 1,
		"head_dim": 256, "hidden_act": "gelu", "hidden_activation": null, "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 16384,
		"max_position_embeddings": 8192, "model_type": "gemma", "num_attention_heads": 8, "num_hidden_layers": 18, "num_key_value_heads": 1,
		"pad_token_id": 0, "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 10000.0, "torch_dtype": "bfloat16", "vocab_size": 256000}`))
	require.NoError(t, err)
	assert.Equal(t, []int{256, 1, 18}, []int{c.HeadDim, c.NumKeyValueHeads, c.NumHiddenLayers})
	assert.True(t, *c.TieWordEmbeddings)
	require.Len(t, c.notes, 1)
	assert.Contains(t, c.notes[0].Text, "mlx-lm takes the exact one")
}

func TestGemmasDefaultsAreThoseOf7B(t *testing.T) {
	c, err := ParseGemma([]byte(`{"rope_scaling": {"type": "linear", "factor": 2}}`))
	require.NoError(t, err)
	assert.Equal(t, []int{3072, 24_576, 28, 16, 16, 256, 256_000}, []int{c.HiddenSize, c.IntermediateSize, c.NumHiddenLayers, c.NumAttentionHeads,
		c.NumKeyValueHeads, c.HeadDim, c.VocabSize})
	assert.Len(t, c.notes, 2, "mlx-lm does not read rope_scaling")
}
