package auto_test

import "testing"

// changesOfScaled are of the architectures that scale what they add or their logits, and of GLM-4.
var changesOfScaled = []thing{
	{"granite", "embedding_multiplier", 0.61},
	{"granite", "attention_multiplier", 0.12},
	{"granite", "residual_multiplier", 0.41},
	{"granite", "logits_scaling", 1.51},
	{"granite", "rms_norm_eps", 2e-3},
	{"granite", "rope_theta", 11000.0},
	{"granite-untied-biases-linear", "rope_scaling.factor", 4.1},
	{"granite-defaults-head-dim", "embedding_multiplier", 1.01},
	{"granite-defaults-head-dim", "attention_multiplier", 1.01},
	{"granite-defaults-head-dim", "rms_norm_eps", 1e-3},
	{"cohere", "logit_scale", 0.41},
	{"cohere", "layer_norm_eps", 2e-3},
	{"cohere", "rope_theta", 11000.0},
	{"cohere-qk-norm-biases", "layer_norm_eps", 2e-3},
	{"cohere-defaults-untied-yarn", "logit_scale", 0.063},
	{"cohere-defaults-untied-yarn", "rope_theta", 8e6},
	{"cohere-defaults-untied-yarn", "rope_scaling.factor", 4.1},
	{"cohere2", "sliding_window", 15},
	{"cohere2", "sliding_window_pattern", 2},
	{"cohere2", "rope_theta", 5500.0},
	{"cohere2-layer-types", "layer_types", []string{"sliding_attention", "full_attention", "sliding_attention", "full_attention"}},
	{"cohere2-layer-types", "sliding_window", 17},
	{"cohere2-layer-types", "rope_theta", 50000.0},
	{"glm", "partial_rotary_factor", 1.0},
	{"glm-whole-rotary", "partial_rotary_factor", 0.5},
	{"glm4", "partial_rotary_factor", 0.25},
	{"glm4", "rope_theta", 11000.0},
	{"glm4", "rms_norm_eps", 2e-3},
	{"glm4-defaults-tied-yarn", "rope_scaling.factor", 4.1},
	{"glm4-defaults-tied-yarn", "partial_rotary_factor", 1.0},
}

// refusalsOfScaled are of the same.
var refusalsOfScaled = []refusal{
	{"granite", "embedding_multiplier", 0, "granite: config.json: embedding_multiplier 0 is not implemented"},
	{"granite", "logits_scaling", 0, "logits_scaling 0 is not implemented"},
	{"granite", "hidden_act", "gelu", `hidden_act "gelu" is not implemented (have: silu)`},
	{"granite", "sliding_window", 16, "sliding_window 16 is not implemented"},
	{"granite", "num_local_experts", 8, "num_local_experts 8 is not implemented"},
	{"cohere", "logit_scale", 0, "logit_scale 0 is not implemented"},
	{"cohere", "layer_norm_bias", true, "cohere: config.json: layer_norm_bias true is not implemented"},
	{"cohere", "layer_norm_eps", 0, "layer_norm_eps is 0"},
	{"cohere", "rope_traditional", false, "rope_traditional false is not implemented"},
	{"cohere", "use_parallel_block", false, "use_parallel_block false is not implemented"},
	{"cohere", "sliding_window", 16, "sliding_window 16 is not implemented"},
	{"cohere2", "sliding_window", 0, "sliding_window 0 is not implemented"},
	{"llama", "rms_norm_eps", 9.3e18, "rms_norm_eps is 9.3e+18, want a number above 0 and at most 1"},
	{"cohere2", "rms_norm_eps", 0.5, "rms_norm_eps is 0.5, and layer_norm_eps is"},
	{"lfm2", "rms_norm_eps", 0.5, "rms_norm_eps is 0.5, and norm_eps is"},
	{"phi-qk-layernorm-tied", "rms_norm_eps", 0.5, "rms_norm_eps is 0.5, and layer_norm_eps is"},
	{"starcoder2-sliding-untied", "rms_norm_eps", 0.5, "rms_norm_eps is 0.5, and norm_epsilon is"},
	{"cohere2", "sliding_window_pattern", -1, "sliding_window_pattern is -1, want a number above 0"},
	{"cohere2", "order_of_interleaved_layers", "global_attn_first", "order_of_interleaved_layers global_attn_first is not implemented"},
	{"glm4", "rope_traditional", false, "glm4: config.json: rope_traditional false is not implemented"},
	{"glm4", "head_dim", 0, "head_dim 0 is not implemented"},
	{"glm4", "partial_rotary_factor", 0.125, "turns 3 dimensions, want an even number"},
}

func TestNumbersOfScaledArchitecturesMatter(t *testing.T) {
	t.Parallel()
	requireEachNoticed(t, changesOfScaled)
}

func TestScaledArchitecturesRefuseWhatTheyCannotDo(t *testing.T) {
	t.Parallel()
	requireEachRefused(t, refusalsOfScaled)
}
