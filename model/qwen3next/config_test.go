package qwen3next

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/model"
)

// The text part of Qwen3.5-35B-A3B, whose file has no intermediate_size.
const mixture35 = `{"architectures": ["Qwen3_5MoeForConditionalGeneration"], "model_type": "qwen3_5_moe", "tie_word_embeddings": false, "image_token_id": 248056,
	"text_config": {"attention_bias": false, "attn_output_gate": true, "full_attention_interval": 4, "head_dim": 256, "hidden_act": "silu", "hidden_size": 2048,
		"layer_types": ["linear_attention", "linear_attention", "linear_attention", "full_attention"], "linear_conv_kernel_dim": 4,
		"linear_key_head_dim": 128, "linear_num_key_heads": 16, "linear_num_value_heads": 32, "linear_value_head_dim": 128, "mamba_ssm_dtype": "float32",
		"max_position_embeddings": 262144, "model_type": "qwen3_5_moe_text", "moe_intermediate_size": 512, "mtp_num_hidden_layers": 1,
		"num_attention_heads": 16, "num_experts": 256, "num_experts_per_tok": 8, "num_hidden_layers": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
		"rope_parameters": {"mrope_interleaved": true, "mrope_section": [11, 11, 10], "partial_rotary_factor": 0.25, "rope_theta": 10000000, "rope_type": "default"},
		"router_aux_loss_coef": 0.001, "shared_expert_intermediate_size": 512, "vocab_size": 248320},
	"vision_config": {"depth": 27, "hidden_size": 1152, "model_type": "qwen3_5_moe"}}`

func TestConfigOfAMixtureOfQwen35(t *testing.T) {
	c, err := Parse35Mixture([]byte(mixture35))
	require.NoError(t, err)
	require.Equal(t, []bool{true, true, true, false}, c.Linear)
	require.Equal(t, 0.25, c.Rope.Partial)
	require.Equal(t, 1e7, c.Rope.Theta)
	require.Equal(t, 8192, c.channels())
	require.True(t, c.NormTopKProb)
	shape := c.shape(c.Standard.Shape())
	require.Equal(t, model.LayerShape{Heads: 32, DHead: 128, DMLP: 512, State: 32*128*128 + 3*8192}, shape.Own[0])
	require.Equal(t, model.LayerShape{DMLP: 512}, shape.Own[3])
	// what a long sequence takes grows in the layer that attends alone
	require.Equal(t, 2*2*2*256*10_000, shape.Remembered(20_000)-shape.Remembered(10_000), "and once more while it grows")
}

// Qwen3-Next-80B-A3B as it was published, with the older keys of positions.
func TestConfigOfQwen3Next(t *testing.T) {
	c, err := ParseNext([]byte(`{"architectures": ["Qwen3NextForCausalLM"], "attention_bias": false, "decoder_sparse_step": 1, "full_attention_interval": 4, "head_dim": 256,
		"hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 5120, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_num_key_heads": 16,
		"linear_num_value_heads": 32, "linear_value_head_dim": 128, "max_position_embeddings": 262144, "mlp_only_layers": [], "model_type": "qwen3_next",
		"moe_intermediate_size": 512, "norm_topk_prob": true, "num_attention_heads": 16, "num_experts": 512, "num_experts_per_tok": 10, "num_hidden_layers": 48,
		"num_key_value_heads": 2, "output_router_logits": false, "partial_rotary_factor": 0.25, "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 10000000,
		"shared_expert_intermediate_size": 512, "tie_word_embeddings": false, "use_sliding_window": false, "vocab_size": 151936}`))
	require.NoError(t, err)
	require.False(t, c.Linear[47])
	require.True(t, c.Linear[46])
	require.True(t, c.sparse(0))
}

func TestAConfigWithoutNormTopKProbIsRenormalizedAndSaysSo(t *testing.T) {
	const rest = `"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 9, "rope_theta": 10000}`
	c, err := ParseNext([]byte(`{` + rest))
	require.NoError(t, err)
	require.True(t, c.NormTopKProb)
	require.True(t, c.weightsUnsaid)
	c, err = ParseNext([]byte(`{"norm_topk_prob": false, ` + rest))
	require.NoError(t, err)
	require.False(t, c.NormTopKProb)
	require.False(t, c.weightsUnsaid)
}
