package auto_test

import "testing"

func TestNumbersOfGLM4MoEMatter(t *testing.T) {
	t.Parallel()
	requireEachNoticed(t, []thing{
		{"glm4-moe", "routed_scaling_factor", 1.0},
		{"glm4-moe", "num_experts_per_tok", 2},
		{"glm4-moe", "norm_topk_prob", false},
		{"glm4-moe", "partial_rotary_factor", 1.0},
		{"glm4-moe", "rope_theta", 11000.0},
		{"glm4-moe", "rms_norm_eps", 2e-3},
		{"glm4-moe-qk-norm-groups", "topk_group", 3},
		{"glm4-moe-qk-norm-groups", "n_group", 2},
	})
}

func TestGLM4MoERefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	requireEachRefused(t, []refusal{
		{"glm4-moe", "scoring_func", "softmax", "scoring_func softmax is not implemented"},
		{"glm4-moe", "topk_method", "greedy", "topk_method greedy is not implemented"},
		{"glm4-moe", "n_group", 3, "n_routed_experts 8 make no n_group 3 groups"},
		{"glm4-moe", "n_group", 8, "n_routed_experts 8 make no n_group 8 groups of 2 or more"},
		{"glm4-moe", "n_shared_experts", 0, "n_shared_experts is 0, want a number above 0"},
		{"glm4-moe", "first_k_dense_replace", -1, "first_k_dense_replace is -1, want none below 0"},
		{"glm4-moe", "routed_scaling_factor", 0.0, "routed_scaling_factor is 0, want a number above 0"},
		{"glm4-moe", "num_experts_per_tok", 9, "num_experts_per_tok is 9, and topk_group 1 of n_group 1 have 8 experts"},
	})
}
