package gemma3

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The multimodal files leave most of text_config out.
func TestConfigOfGemma3With4B(t *testing.T) {
	c, err := ParseConfig([]byte(`{"architectures": ["Gemma3ForConditionalGeneration"], "boi_token_index": 255999, "eos_token_id": [1, 106], "mm_tokens_per_image": 256,
		"model_type": "gemma3", "text_config": {"hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34,
		"rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024}, "vision_config": {"hidden_size": 1152}}`))
	require.NoError(t, err)
	assert.Equal(t, []int{8, 4, 256, 262_208, 131_072}, []int{c.NumAttentionHeads, c.NumKeyValueHeads, c.HeadDim, c.VocabSize, c.MaxPositionEmbeddings})
	assert.Equal(t, []int{1024, 1024, 1024, 1024, 1024, 0, 1024}, c.Windows[:7])
	assert.Equal(t, "linear", c.Rope.Kind())
	assert.Equal(t, "default", c.LocalRope.Kind())
	assert.Equal(t, 10_000.0, c.LocalRope.Theta)
	assert.True(t, c.wrapped)
}

func TestRopeParametersByLayerTypeAreTheSame(t *testing.T) {
	old, err := ParseConfig([]byte(`{"rope_theta": 500000.0, "rope_local_base_freq": 2000.0, "rope_scaling": {"factor": 8.0, "rope_type": "linear"}}`))
	require.NoError(t, err)
	new, err := ParseConfig([]byte(`{"rope_parameters": {"full_attention": {"factor": 8.0, "rope_type": "linear", "rope_theta": 500000.0},
		"sliding_attention": {"rope_type": "default", "rope_theta": 2000.0}}}`))
	require.NoError(t, err)
	assert.Equal(t, []any{old.Rope.Theta, old.Rope.Kind(), old.LocalRope.Theta, old.LocalRope.Kind()},
		[]any{new.Rope.Theta, new.Rope.Kind(), new.LocalRope.Theta, new.LocalRope.Kind()})
	assert.Equal(t, 1_000_000.0, must(ParseConfig([]byte(`{}`))).Rope.Theta)
}

func must(c *Config, err error) *Config {
	if err != nil {
		panic(err)
	}
	return c
}
