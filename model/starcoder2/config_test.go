package starcoder2

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The keys of bigcode/starcoder2-7b, some of which nobody reads.
func TestConfigOfStarCoder2(t *testing.T) {
	c, err := ParseConfig([]byte(`{"activation_function": "gelu", "architectures": ["Starcoder2ForCausalLM"], "attention_dropout": 0.1, "attention_softmax_in_fp32": true,
		"bos_token_id": 0, "embedding_dropout": 0.1, "eos_token_id": 0, "hidden_act": "gelu_pytorch_tanh", "hidden_size": 4608, "initializer_range": 0.018042,
		"intermediate_size": 18432, "layer_norm_epsilon": 1e-05, "max_position_embeddings": 16384, "mlp_type": "default", "model_type": "starcoder2",
		"norm_epsilon": 1e-05, "norm_type": "layer_norm", "num_attention_heads": 36, "num_hidden_layers": 32, "num_key_value_heads": 4,
		"residual_dropout": 0.1, "rope_theta": 1000000, "scale_attention_softmax_in_fp32": true, "scale_attn_weights": true, "sliding_window": 4096,
		"torch_dtype": "bfloat16", "transformers_version": "4.37.0.dev0", "use_bias": true, "use_cache": true, "vocab_size": 49152}`))
	require.NoError(t, err)
	assert.Equal(t, []int{128, 4, 4096}, []int{c.HeadDim, c.NumKeyValueHeads, c.Windows[31]})
	assert.True(t, c.UseBias)
	assert.Nil(t, c.TieWordEmbeddings, "tied where there is no head")
}

func TestDefaultsAreTransformers(t *testing.T) {
	const sizes = `"hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 4, "num_hidden_layers": 2, "vocab_size": 96`
	c, err := ParseConfig([]byte(`{` + sizes + `, "sliding_window": null}`))
	require.NoError(t, err)
	assert.Equal(t, []float64{10_000, 1, 1e-5}, []float64{c.Rope.Theta, c.Rope.Partial, c.NormEpsilon})
	assert.Equal(t, []int{2, 4096}, []int{c.NumKeyValueHeads, c.MaxPositionEmbeddings})
	assert.Equal(t, []int{0, 0}, c.Windows)
	for key, want := range map[string]string{
		`"sliding_window": 0`:                                          "sliding_window 0 is not implemented",
		`"sliding_window": -1`:                                         "layer 0 slides, and sliding_window is -1",
		`"layer_types": ["full_attention", "full_attention"]`:          "layer_types [full_attention full_attention] is not implemented",
		`"num_key_value_heads": null`:                                  "num_key_value_heads <nil> is not implemented",
		`"mlp_type": "gated"`:                                          "mlp_type gated is not implemented",
		`"norm_type": "rms_norm"`:                                      "norm_type rms_norm is not implemented",
		`"partial_rotary_factor": 0.5`:                                 "partial_rotary_factor 0.5 is not implemented",
		`"rope_parameters": {"partial_rotary_factor": 0.5}`:            "partial_rotary_factor 0.5 is not implemented",
		`"norm_epsilon": 0`:                                            "norm_epsilon is 0",
		`"rope_parameters": {"rope_theta": 500}, "rope_theta": 1000.0`: "rope_theta is 1000, and 500",
	} {
		_, err := ParseConfig([]byte(`{` + sizes + `, ` + key + `}`))
		require.ErrorContains(t, err, want)
	}
}
