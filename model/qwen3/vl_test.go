package qwen3

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// As Qwen3-VL-30B-A3B's config.json is published, but for what sees.
func TestConfigOfQwen3VL30BA3B(t *testing.T) {
	c, err := ParseVLMixture([]byte(`{"architectures": ["Qwen3VLMoeForConditionalGeneration"], "image_token_id": 151655, "model_type": "qwen3_vl_moe",
		"text_config": {"attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 151643, "decoder_sparse_step": 1, "dtype": "bfloat16",
			"eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 6144,
			"max_position_embeddings": 262144, "mlp_only_layers": [], "model_type": "qwen3_vl_moe_text", "moe_intermediate_size": 768,
			"norm_topk_prob": true, "num_attention_heads": 32, "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 48,
			"num_key_value_heads": 4, "rms_norm_eps": 1e-06, "rope_scaling": {"mrope_interleaved": true, "mrope_section": [24, 20, 20], "rope_type": "default"},
			"rope_theta": 5000000, "use_cache": true, "vocab_size": 151936},
		"tie_word_embeddings": false, "vision_config": {"deepstack_visual_indexes": [8, 16, 24], "depth": 27}}`))
	require.NoError(t, err)
	require.Equal(t, []int{128, 8, 768}, []int{c.NumExperts, c.NumExpertsPerTok, c.MoEIntermediateSize})
	require.Equal(t, 5e6, c.Rope.Theta)
	require.False(t, *c.TieWordEmbeddings)
}
