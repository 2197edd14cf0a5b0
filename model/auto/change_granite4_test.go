package auto_test

import "testing"

func TestGranite4sNumbersMatter(t *testing.T) {
	t.Parallel()
	requireEachNoticed(t, []thing{
		{"granite4-h", "rms_norm_eps", 2e-3},
		{"granite4-h", "embedding_multiplier", 0.61},
		{"granite4-h", "attention_multiplier", 0.2},
		{"granite4-h", "residual_multiplier", 0.41},
		{"granite4-h", "logits_scaling", 1.51},
		{"granite4-h", "num_experts_per_tok", 1},
		{"granite4-h", "time_step_limit", []float64{0.2, 1000}},
		{"granite4-h", "time_step_limit", []float64{0, 2}},
		{"granite4-h-groups-bounds", "time_step_limit", []float64{0.35, 0.9}},
		{"granite4-h-groups-bounds", "time_step_limit", nil},
		{"granite4-h-groups-bounds", "rope_theta", 4000.0},
		{"granite4-h-groups-bounds", "position_embedding_type", nil},
		{"granite4", "position_embedding_type", "nope"},
		{"granite4", "rope_theta", 4000.0},
	})
}

// What a config says of sizes and layers must be what the weights are.
func TestGranite4sSizesMustBeThoseOfItsWeights(t *testing.T) {
	t.Parallel()
	requireEachRefused(t, []refusal{
		{"granite4-h", "layer_types", []string{"mamba", "mamba", "attention"}, "do not fit the config"},
		{"granite4-h", "layer_types", nil, "do not fit the config"},
		{"granite4-h", "mamba_d_state", 16, "do not fit the config"},
		{"granite4-h", "mamba_d_conv", 3, "do not fit the config"},
		{"granite4-h", "mamba_n_groups", 2, "do not fit the config"},
		{"granite4-h", "mamba_conv_bias", false, "do not fit the config"},
		{"granite4-h", "mamba_proj_bias", true, "do not fit the config"},
		{"granite4-h", "num_local_experts", 5, "do not fit the config"},
		{"granite4-h", "num_local_experts", 0, "do not fit the config"},
		{"granite4-h", "intermediate_size", 48, "do not fit the config"},
		{"granite4-h", "shared_intermediate_size", 40, "do not fit the config"},
		{"granite4-h", "tie_word_embeddings", false, "do not fit the config"},
		{"granite4-h-groups-bounds", "head_dim", nil, "do not fit the config"},
		{"granite4-h-groups-bounds", "attention_bias", false, "do not fit the config"},
		{"granite4-h-groups-bounds", "num_local_experts", nil, "num_experts_per_tok is 0, want a number above 0"},
	})
}

func TestGranite4RefusesWhatNoProgramComputes(t *testing.T) {
	t.Parallel()
	requireEachRefused(t, []refusal{
		{"granite4-h", "layer_types", []string{"mamba", "conv", "mamba"}, "layer_types \"conv\" is not implemented"},
		{"granite4-h", "layer_types", []string{"mamba", "attention"}, "layer_types has 2 layers, and num_hidden_layers is 3"},
		{"granite4-h", "layers_block_type", []string{"mamba", "mamba", "mamba"}, "layer_types and layers_block_type differ"},
		{"granite4-h", "position_embedding_type", "learned", "position_embedding_type learned is not implemented"},
		{"granite4-h", "mamba_d_head", 8, "mamba_n_heads 8 of mamba_d_head 8 are not mamba_expand 2 times hidden_size 64"},
		{"granite4-h", "mamba_expand", 3, "mamba_n_heads 8 of mamba_d_head 16 are not mamba_expand 3 times hidden_size 64"},
		{"granite4-h", "mamba_n_groups", 3, "mamba_n_heads 8 is no multiple of mamba_n_groups 3"},
		{"granite4-h", "mamba_d_conv", 0, "mamba_d_conv is 0, want a number above 0"},
		{"granite4-h", "mamba_d_state", 1 << 40, "mamba_d_state is 1099511627776, and no model has more"},
		{"granite4-h", "mamba_proj_bias", "yes", "mamba_proj_bias is a text, want true or false"},
		{"granite4-h", "time_step_limit", []float64{0.5}, "time_step_limit is [0.5], want two numbers"},
		{"granite4-h", "time_step_limit", []float64{0.5, 0.1}, "time_step_limit has the bounds 0.5 and 0.1"},
		{"granite4-h", "time_step_limit", "none", "time_step_limit is a text, want a list"},
		{"granite4-h", "num_experts_per_tok", 7, "num_experts_per_tok is 7, and there are 6 experts"},
		{"granite4-h", "num_experts", 6, "num_experts 6 is not implemented"},
		{"granite4-h", "hidden_act", "gelu", "hidden_act \"gelu\" is not implemented"},
		{"granite4", "mlp_bias", true, "mlp_bias true is not implemented"},
		{"granite4", "sliding_window", 16, "sliding_window 16 is not implemented"},
		{"granite4", "logits_scaling", 0, "logits_scaling 0 is not implemented"},
	})
}
