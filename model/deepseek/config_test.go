package deepseek

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// As DeepSeek-V3's config.json is published, but for its quantization.
func TestConfigOfDeepSeekV3(t *testing.T) {
	c, err := ParseConfig([]byte(`{"architectures": ["DeepseekV3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "ep_size": 1, "first_k_dense_replace": 3,
		"hidden_act": "silu", "hidden_size": 7168, "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 163840, "model_type": "deepseek_v3",
		"moe_intermediate_size": 2048, "moe_layer_freq": 1, "n_group": 8, "n_routed_experts": 256, "n_shared_experts": 1, "norm_topk_prob": true,
		"num_attention_heads": 128, "num_experts_per_tok": 8, "num_hidden_layers": 61, "num_key_value_heads": 128, "num_nextn_predict_layers": 1, "q_lora_rank": 1536,
		"qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "rms_norm_eps": 1e-06, "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 1.0,
		"mscale_all_dim": 1.0, "original_max_position_embeddings": 4096, "type": "yarn"}, "rope_theta": 10000, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid",
		"tie_word_embeddings": false, "topk_group": 4, "topk_method": "noaux_tc", "v_head_dim": 128, "vocab_size": 129280}`))
	require.NoError(t, err)
	require.Equal(t, 192, c.HeadDim)
	require.InDelta(t, 0.135234, c.scale(), 1e-6) // 192^−½·(0.1·ln 40 + 1)²
	s := c.shape(c.Shape())
	require.Equal(t, []int{18432, 2048}, []int{s.In(2).DMLP, s.In(3).DMLP})
	require.Equal(t, 128, s.DValue)
}
