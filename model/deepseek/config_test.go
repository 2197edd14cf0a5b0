package deepseek

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// As DeepSeek-V3's config.json is published, but for its quantization.
func TestConfigOfDeepSeekV3(t *testing.T) {
	c, err := ParseV3([]byte(`{"architectures": ["DeepseekV3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "ep_size": 1, "first_k_dense_replace": 3,
		"hidden_act": "silu", "hidden_size": 7168, "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 163840, "model_type": "deepseek_v3",
		"moe_intermediate_size": 2048, "moe_layer_freq": 1, "n_group": 8, "n_routed_experts": 256, "n_shared_experts": 1, "norm_topk_prob": true,
		"num_attention_heads": 128, "num_experts_per_tok": 8, "num_hidden_layers": 61, "num_key_value_heads": 128, "num_nextn_predict_layers": 1, "q_lora_rank": 1536,
		"qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "rms_norm_eps": 1e-06, "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 1.0,
		"mscale_all_dim": 1.0, "original_max_position_embeddings": 4096, "type": "yarn"}, "rope_theta": 10000, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid",
		"tie_word_embeddings": false, "topk_group": 4, "topk_method": "noaux_tc", "v_head_dim": 128, "vocab_size": 129280}`))
	require.NoError(t, err)
	require.Equal(t, 192, c.HeadDim)
	require.InDelta(t, 0.135234, c.scale(), 1e-6) // 192^−½·(0.1·ln 40 + 1)²
	s := c.Sizes(c.Shape())
	require.Equal(t, []int{18432, 2048}, []int{s.In(2).DMLP, s.In(3).DMLP})
}

// As DeepSeek-Coder-V2-Lite's and DeepSeek-V2's config.json are published.
func TestConfigsOfDeepSeekV2(t *testing.T) {
	const both = `{"architectures": ["DeepseekV2ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "aux_loss_alpha": 0.001, "bos_token_id": 100000,
		"eos_token_id": 100001, "first_k_dense_replace": 1, "hidden_act": "silu", "initializer_range": 0.02, "kv_lora_rank": 512, "max_position_embeddings": 163840,
		"model_type": "deepseek_v2", "moe_layer_freq": 1, "n_shared_experts": 2, "norm_topk_prob": false, "num_experts_per_tok": 6, "pretraining_tp": 1,
		"qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "rms_norm_eps": 1e-06, "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 0.707,
		"mscale_all_dim": 0.707, "original_max_position_embeddings": 4096, "type": "yarn"}, "rope_theta": 10000, "scoring_func": "softmax", "seq_aux": true,
		"tie_word_embeddings": false, "use_cache": true, "v_head_dim": 128, "vocab_size": 102400, `
	c, err := ParseV2([]byte(both + `"hidden_size": 2048, "intermediate_size": 10944, "moe_intermediate_size": 1408, "n_group": 1, "n_routed_experts": 64,
		"num_attention_heads": 16, "num_hidden_layers": 27, "num_key_value_heads": 16, "q_lora_rank": null, "routed_scaling_factor": 1.0, "topk_group": 1, "topk_method": "greedy"}`))
	require.NoError(t, err)
	require.Nil(t, c.QLoRARank)
	require.InDelta(t, 0.114721, c.scale(), 1e-6) // 192^−½·(0.0707·ln 40 + 1)²
	require.Equal(t, 2*1408, c.Sizes(c.Shape()).In(1).DMLP)

	c, err = ParseV2([]byte(both + `"ep_size": 1, "hidden_size": 5120, "intermediate_size": 12288, "moe_intermediate_size": 1536, "n_group": 8, "n_routed_experts": 160,
		"num_attention_heads": 128, "num_hidden_layers": 60, "num_key_value_heads": 128, "q_lora_rank": 1536, "routed_scaling_factor": 16.0, "topk_group": 3, "topk_method": "group_limited_greedy"}`))
	require.NoError(t, err)
	require.Equal(t, []int{8, 3, 1536}, []int{c.NGroup, c.TopKGroup, *c.QLoRARank})
}

// As GLM-4.7-Flash's config.json is published.
func TestConfigOfGLM47Flash(t *testing.T) {
	c, err := ParseGLM([]byte(`{"architectures": ["Glm4MoeLiteForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "pad_token_id": 154820,
		"eos_token_id": [154820, 154827, 154829], "hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 10240, "max_position_embeddings": 202752,
		"model_type": "glm4_moe_lite", "moe_intermediate_size": 1536, "topk_method": "noaux_tc", "norm_topk_prob": true, "num_attention_heads": 20, "n_group": 1,
		"topk_group": 1, "n_routed_experts": 64, "n_shared_experts": 1, "routed_scaling_factor": 1.8, "num_experts_per_tok": 4, "first_k_dense_replace": 1,
		"num_hidden_layers": 47, "num_key_value_heads": 20, "num_nextn_predict_layers": 1, "partial_rotary_factor": 1.0, "rms_norm_eps": 1e-05, "rope_scaling": null,
		"rope_theta": 1000000, "tie_word_embeddings": false, "dtype": "bfloat16", "q_lora_rank": 768, "kv_lora_rank": 512, "qk_nope_head_dim": 192,
		"qk_rope_head_dim": 64, "v_head_dim": 256, "vocab_size": 154880}`))
	require.NoError(t, err)
	require.Equal(t, 256, c.HeadDim)
	require.InDelta(t, 1.0/16, c.scale(), 1e-12)
	require.Equal(t, []bool{false, true}, []bool{c.Sparse(0), c.Sparse(1)})
}
