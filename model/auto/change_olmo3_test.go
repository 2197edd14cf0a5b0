package auto_test

import "testing"

func TestOLMo3sNumbersMatter(t *testing.T) {
	t.Parallel()
	requireEachNoticed(t, []thing{
		{"olmo3", "sliding_window", 17},
		{"olmo3", "rms_norm_eps", 2e-3},
		{"olmo3-yarn", "rope_theta", 3300.0},
		{"olmo3-yarn", "rope_scaling.attention_factor", 1.1},
		{"olmo3-yarn", "rope_scaling.beta_fast", 2},
		{"olmo3-yarn", "rope_scaling.factor", 8.5},
		{"olmo3-yarn", "rope_scaling", nil},
		{"olmo3-tied-biases", "layer_types", []string{"full_attention", "full_attention", "sliding_attention"}},
		{"olmo3-rope-parameters", "rope_parameters.full_attention.rope_theta", 2200.0},
		{"olmo3-rope-parameters", "rope_parameters.full_attention.factor", 4.1},
		{"olmo3-rope-parameters", "rope_parameters.sliding_attention.rope_theta", 330.0},
	})
}

func TestOLMo3RefusesWhatNoProgramReads(t *testing.T) {
	t.Parallel()
	requireEachRefused(t, []refusal{
		{"olmo3", "rope_parameters", map[string]any{"rope_type": "yarn", "factor": 2}, "rope_parameters has factor, which no program reads"},
		{"olmo3-yarn", "rope_scaling.truncate", false, "truncate false is not implemented"},
		{"olmo3", "layer_types", []string{"sliding_attention"}, "layer_types has 1 layers, and num_hidden_layers is 4"},
		{"olmo3", "hidden_act", "gelu", `hidden_act "gelu" is not implemented`},
		{"olmo3", "sliding_window", 0, "layer 0 slides, and sliding_window is 0"},
		{"olmo3-rope-parameters", "rope_parameters.sliding_attention.partial_rotary_factor", 0.5, "partial_rotary_factor 0.5 is not implemented"},
	})
}
