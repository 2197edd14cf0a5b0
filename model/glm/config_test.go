package glm

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The keys of THUDM/GLM-4-9B-0414, and those that it has of THUDM/glm-4-9b-chat-hf.
func TestConfigsOfGLM4(t *testing.T) {
	raw := []byte(`{"architectures": ["Glm4ForCausalLM"], "attention_bias": true, "attention_dropout": 0.0, "eos_token_id": [151329, 151336, 151338],
		"head_dim": 128, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 13696,
		"max_position_embeddings": 32768, "num_attention_heads": 32, "num_hidden_layers": 40, "num_key_value_heads": 2, "pad_token_id": 151329,
		"partial_rotary_factor": 0.5, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
		"transformers_version": "4.52.0.dev0", "use_cache": true, "vocab_size": 151552}`)
	for _, parse := range []func([]byte) (*Config, error){ParseConfig, ParseGLM4} {
		c, err := parse(raw)
		require.NoError(t, err)
		assert.Equal(t, []int{128, 2, 32_768}, []int{c.HeadDim, c.NumKeyValueHeads, c.MaxPositionEmbeddings})
		assert.True(t, c.AttentionBias)
		assert.Equal(t, 0.5, c.Rope.Partial)

		c, err = parse([]byte(`{}`))
		require.NoError(t, err)
		assert.True(t, c.AttentionBias)
		assert.False(t, *c.TieWordEmbeddings)
		assert.Equal(t, []float64{0.5, 10_000, 1.5625e-7}, []float64{c.Rope.Partial, c.Rope.Theta, c.RMSNormEps})
		assert.Equal(t, []int{4096, 13_696, 40, 32, 2, 128, 151_552, 131_072},
			[]int{c.HiddenSize, c.IntermediateSize, c.NumHiddenLayers, c.NumAttentionHeads, c.NumKeyValueHeads, c.HeadDim, c.VocabSize, c.MaxPositionEmbeddings})
	}
}
