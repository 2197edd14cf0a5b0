package auto_test

import "testing"

// changesOfParallel are of Phi, GPT-J, StableLM and StarCoder2.
var changesOfParallel = []thing{
	{"phi", "hidden_act", "gelu"},
	{"phi", "layer_norm_eps", 2e-3},
	{"phi", "partial_rotary_factor", 0.5},
	{"phi", "rope_theta", 11000.0},
	{"phi-qk-layernorm-tied", "hidden_act", "gelu_new"},
	{"phi-qk-layernorm-tied", "layer_norm_eps", 2e-3},
	{"phi-qk-layernorm-tied", "partial_rotary_factor", 0.4},
	{"phi-head-dim-linear", "rope_parameters.factor", 4.1},
	{"phi-head-dim-linear", "rope_parameters.partial_rotary_factor", nil},
	{"phi-head-dim-linear", "rope_parameters.rope_theta", 3300.0},
	{"gptj", "activation_function", "gelu"},
	{"gptj", "layer_norm_epsilon", 2e-3},
	{"gptj", "n_head", 4},
	{"gptj", "rotary_dim", 16},
	{"gptj-exact-tied", "activation_function", "gelu_new"},
	{"gptj-whole-rotary-relu", "rotary_dim", 14},
	{"stablelm", "hidden_act", "gelu"},
	{"stablelm", "layer_norm_eps", 2e-3},
	{"stablelm", "partial_rotary_factor", 0.5},
	{"stablelm", "rope_theta", 11000.0},
	{"stablelm-parallel-qk-layernorm", "layer_norm_eps", 2e-3},
	{"stablelm-tied-gelu-linear", "hidden_act", "gelu_new"},
	{"stablelm-tied-gelu-linear", "rope_scaling.factor", 4.1},
	{"starcoder2", "hidden_act", "gelu"},
	{"starcoder2", "norm_epsilon", 2e-3},
	{"starcoder2", "rope_theta", nil},
	{"starcoder2-sliding-untied", "hidden_act", "gelu_new"},
	{"starcoder2-sliding-untied", "sliding_window", 17},
	{"starcoder2-no-bias-linear", "rope_scaling.factor", 4.1},
}

func TestOneThingBrokenInAParallelBlockIsNoticed(t *testing.T) {
	t.Parallel()
	requireEachNoticed(t, changesOfParallel)
}
