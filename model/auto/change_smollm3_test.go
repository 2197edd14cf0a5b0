package auto_test

import "testing"

func TestSmolLM3sNumbersMatter(t *testing.T) {
	t.Parallel()
	requireEachNoticed(t, []thing{
		{"smollm3", "no_rope_layers", []int{1, 1, 0, 1}},
		{"smollm3", "no_rope_layers", []int{1, 1, 1, 1}},
		{"smollm3", "rope_theta", 55000.0},
		{"smollm3", "rms_norm_eps", 2e-3},
		{"smollm3-untied-biases", "no_rope_layer_interval", 3},
		{"smollm3-untied-biases", "rope_scaling.factor", 4.1},
		{"smollm3-sliding", "sliding_window", 17},
		{"smollm3-sliding", "use_sliding_window", false},
		{"smollm3-layer-types", "layer_types", []string{"full_attention", "full_attention", "sliding_attention"}},
	})
}

func TestSmolLM3RefusesWhatNoProgramReads(t *testing.T) {
	t.Parallel()
	requireEachRefused(t, []refusal{
		{"smollm3", "no_rope_layers", []int{1, 1, 0}, "no_rope_layers has 3 layers, and num_hidden_layers is 4"},
		{"smollm3-sliding", "no_rope_layer_interval", 0, "no_rope_layer_interval is 0"},
	})
}
