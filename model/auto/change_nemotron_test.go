package auto_test

import "testing"

func TestNemotronHsNumbersMatter(t *testing.T) {
	t.Parallel()
	requireEachNoticed(t, []thing{
		{"nemotron-h", "layer_norm_epsilon", 2e-3},
		{"nemotron-h", "num_experts_per_tok", 2},
		{"nemotron-h", "norm_topk_prob", false},
		{"nemotron-h", "routed_scaling_factor", 1.2},
		{"nemotron-h", "time_step_min", 0.2},
		{"nemotron-h", "mamba_dt_min", 0.2},
		{"nemotron-h-biases-bounds", "time_step_min", 0.45},
		{"nemotron-h-biases-bounds", "time_step_min", nil},
		{"nemotron-h-latent-groups", "n_group", 2},
		{"nemotron-h-latent-groups", "topk_group", 3},
		{"nemotron-h-latent-groups", "norm_topk_prob", true},
	})
}

// What a config says of sizes and layers must be what the weights are.
func TestNemotronHsSizesMustBeThoseOfItsWeights(t *testing.T) {
	t.Parallel()
	requireEachRefused(t, []refusal{
		{"nemotron-h", "hybrid_override_pattern", "ME*M-", "do not fit the config"},
		{"nemotron-h", "head_dim", nil, "do not fit the config"},
		{"nemotron-h", "num_key_value_heads", 4, "do not fit the config"},
		{"nemotron-h", "intermediate_size", 72, "do not fit the config"},
		{"nemotron-h", "mamba_head_dim", 24, "do not fit the config"},
		{"nemotron-h", "ssm_state_size", 12, "do not fit the config"},
		{"nemotron-h", "n_groups", 4, "do not fit the config"},
		{"nemotron-h", "mamba_n_groups", 4, "do not fit the config"},
		{"nemotron-h", "conv_kernel", 3, "do not fit the config"},
		{"nemotron-h", "mamba_d_conv", 3, "do not fit the config"},
		{"nemotron-h", "use_conv_bias", false, "do not fit the config"},
		{"nemotron-h", "mamba_conv_bias", false, "do not fit the config"},
		{"nemotron-h", "use_bias", true, "do not fit the config"},
		{"nemotron-h", "mlp_bias", true, "do not fit the config"},
		{"nemotron-h", "n_routed_experts", 7, "do not fit the config"},
		{"nemotron-h", "moe_intermediate_size", 48, "do not fit the config"},
		{"nemotron-h", "moe_shared_expert_intermediate_size", 48, "do not fit the config"},
		{"nemotron-h", "moe_latent_size", 32, "do not fit the config"},
		{"nemotron-h-latent-groups", "moe_latent_size", nil, "do not fit the config"},
	})
}

func TestNemotronHRefusesWhatProgramsReadDifferently(t *testing.T) {
	t.Parallel()
	requireEachRefused(t, []refusal{
		{"nemotron-h", "hybrid_override_pattern", "ME*XM", "hybrid_override_pattern has 'X', want M, *, - or E"},
		{"nemotron-h", "hybrid_override_pattern", nil, "neither hybrid_override_pattern nor layers_block_type says what the layers are"},
		{"nemotron-h", "hybrid_override_pattern", "ME*-", "the config says of 4 layers what they are, and num_hidden_layers is 5"},
		{"nemotron-h", "layers_block_type", []string{"mamba", "moe", "attention", "mlp", "attention"}, "say different things of the layers"},
		{"nemotron-h", "layer_types", []string{"mamba", "moe", "attention", "mlp", "conv"}, "layer_types \"conv\" is not implemented"},
		{"nemotron-h", "attention_bias", true, "attention_bias true is not implemented"},
		{"nemotron-h", "tie_word_embeddings", true, "tie_word_embeddings true is not implemented"},
		{"nemotron-h", "sliding_window", 16, "sliding_window 16 is not implemented"},
		{"nemotron-h", "rope_scaling", map[string]any{"type": "linear", "factor": 2}, "rope_scaling map[factor:2 type:linear] is not implemented"},
		{"nemotron-h", "partial_rotary_factor", 0.5, "partial_rotary_factor 0.5 is not implemented"},
		{"nemotron-h", "mlp_hidden_act", "silu", "mlp_hidden_act \"silu\" is not implemented"},
		{"nemotron-h", "mamba_hidden_act", "gelu", "mamba_hidden_act \"gelu\" is not implemented"},
		{"nemotron-h", "n_groups", 3, "mamba_num_heads 8 is no multiple of n_groups 3"},
		{"nemotron-h", "conv_kernel", 0, "conv_kernel is 0, want a number above 0"},
		{"nemotron-h", "time_step_min", -0.5, "time_step_min has the bounds -0.5 and +Inf"},
		{"nemotron-h", "num_local_experts", 9, "num_experts is 8, and num_local_experts 9"},
		{"nemotron-h", "num_experts_per_tok", 9, "num_experts_per_tok is 9, and there are 8 experts"},
		{"nemotron-h", "n_group", 3, "n_group 3 and topk_group 1 do not leave 3 of 8 experts"},
		{"nemotron-h", "routed_scaling_factor", 0, "routed_scaling_factor is 0, want a number above 0"},
		{"nemotron-h-latent-groups", "moe_latent_size", 0, "moe_latent_size is 0, want a number above 0"},
	})
}
