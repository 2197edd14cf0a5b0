package olmo2

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const olmo3of7B = `"architectures": ["Olmo3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "eos_token_id": 100257, "hidden_act": "silu",
	"hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 11008, "max_position_embeddings": 65536, "model_type": "olmo3",
	"num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32, "pad_token_id": 100277, "rms_norm_eps": 1e-06, "sliding_window": 4096,
	"tie_word_embeddings": false, "vocab_size": 100278`

func TestConfigOfOLMo3(t *testing.T) {
	c, err := ParseOLMo3([]byte(`{` + olmo3of7B + `, "rope_theta": 500000, "rope_scaling": {"attention_factor": 1.2079441541679836, "beta_fast": 32.0,
		"beta_slow": 1.0, "factor": 8.0, "original_max_position_embeddings": 8192, "rope_type": "yarn"}}`))
	require.NoError(t, err)
	assert.Equal(t, []int{4096, 4096, 4096, 0, 4096}, c.Windows[:5])
	assert.Equal(t, []string{"yarn", "default"}, []string{c.Rope.Kind(), c.SlidingRope.Kind()})
	assert.Equal(t, []float64{500_000, 500_000}, []float64{c.Rope.Theta, c.SlidingRope.Theta})
	assert.Empty(t, c.notes)
}

func TestWhereOLMo3sBasesStand(t *testing.T) {
	for rope, want := range map[string]struct {
		full, sliding float64
		notes         int
	}{
		`"rope_theta": 10000`: {10_000, 10_000, 1}, // transformers 5 loses it on the way to the layers that slide
		`"pad_token_id": 1`:   {500_000, 500_000, 0},
		`"rope_parameters": {"full_attention": {"rope_theta": 7}, "sliding_attention": {"rope_theta": 8}}`: {7, 8, 0},
		`"rope_parameters": {"full_attention": {"rope_theta": 7}}`:                                         {7, 500_000, 0},
		`"rope_theta": 7, "rope_parameters": {"full_attention": null, "sliding_attention": {}}`:            {7, 7, 1},
	} {
		c, err := ParseOLMo3([]byte(`{` + olmo3of7B + `, ` + rope + `}`))
		require.NoError(t, err, rope)
		assert.Equal(t, []float64{want.full, want.sliding}, []float64{c.Rope.Theta, c.SlidingRope.Theta}, rope)
		assert.Len(t, c.notes, want.notes, rope)
	}
}
