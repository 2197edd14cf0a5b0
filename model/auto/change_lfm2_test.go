package auto_test

import "testing"

func TestLFM2sNumbersMatter(t *testing.T) {
	t.Parallel()
	requireEachNoticed(t, []thing{
		{"lfm2", "norm_eps", 2e-3},
		{"lfm2", "rope_theta", 11000.0},
		{"lfm2-untied-yarn", "rope_parameters.factor", 4.5},
		{"lfm2-moe", "num_experts_per_tok", 2},
		{"lfm2-moe", "norm_topk_prob", false},
		{"lfm2-moe", "routed_scaling_factor", 1.4},
	})
}

// What a config says of sizes and layers must be what the weights are.
func TestLFM2sSizesMustBeThoseOfItsWeights(t *testing.T) {
	t.Parallel()
	requireEachRefused(t, []refusal{
		{"lfm2", "full_attn_idxs", []int{1, 2}, "do not fit the config"},
		{"lfm2", "conv_L_cache", 2, "do not fit the config"},
		{"lfm2", "conv_bias", true, "do not fit the config"},
		{"lfm2", "tie_embedding", false, "do not fit the config"},
		{"lfm2", "num_key_value_heads", 4, "do not fit the config"},
		{"lfm2", "block_ff_dim", 160, "do not fit the config"},
		{"lfm2", "block_multiple_of", 64, "do not fit the config"},
		{"lfm2", "block_ffn_dim_multiplier", 1.3, "do not fit the config"},
		{"lfm2", "block_auto_adjust_ff_dim", false, "do not fit the config"},
		{"lfm2-conv-biases", "layer_types", []string{"conv", "full_attention", "conv", "conv"}, "do not fit the config"},
		{"lfm2-conv-biases", "conv_bias", false, "do not fit the config"},
		{"lfm2-untied-yarn", "head_dim", 16, "do not fit the config"},
		{"lfm2-moe", "num_experts", 7, "do not fit the config"},
		{"lfm2-moe", "num_dense_layers", 0, "do not fit the config"},
		{"lfm2-moe", "use_expert_bias", false, "do not fit the config"},
		{"lfm2-moe", "moe_intermediate_size", 40, "do not fit the config"},
		{"lfm2-moe-unbiased", "use_expert_bias", true, "do not fit the config"},
	})
}

func TestLFM2RefusesWhatProgramsReadDifferently(t *testing.T) {
	t.Parallel()
	requireEachRefused(t, []refusal{
		{"lfm2", "layer_types", []string{"conv", "conv", "full_attention", "full_attention"}, "layer_types has \"conv\" for layer 1, and full_attn_idxs is [1 3]"},
		{"lfm2", "full_attn_idxs", []int{1, 4}, "full_attn_idxs has 4, and there are 4 layers"},
		{"lfm2", "tie_word_embeddings", false, "tie_embedding is true, and tie_word_embeddings false"},
		{"lfm2", "block_dim", 32, "block_dim is 32, and hidden_size 64"},
		{"lfm2", "block_use_swiglu", false, "block_use_swiglu false is not implemented"},
		{"lfm2", "use_pos_enc", false, "use_pos_enc false is not implemented"},
		{"lfm2", "num_experts", 4, "num_experts 4 is not implemented"},
		{"lfm2", "conv_L_cache", 0, "conv_L_cache is 0, want a number above 0"},
		{"lfm2", "block_ffn_dim_multiplier", -1, "block_ffn_dim_multiplier makes it, is 0"},
		{"lfm2-conv-biases", "layer_types", []string{"conv", "conv", "sliding_attention", "conv"}, "layer_types \"sliding_attention\" is not implemented"},
		{"lfm2-moe", "num_dense_layers", -1, "num_dense_layers is -1"},
		{"lfm2-moe", "block_ff_dim", 96, "block_ff_dim 96 is not implemented"},
	})
}
