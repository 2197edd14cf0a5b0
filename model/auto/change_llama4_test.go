package auto_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/model/auto"
)

func TestLlama4sNumbersMatter(t *testing.T) {
	t.Parallel()
	requireEachNoticed(t, []thing{
		{"llama4", "text_config.rope_theta", 11000.0},
		{"llama4", "text_config.rope_scaling.factor", 4.5},
		{"llama4", "text_config.attention_chunk_size", 17},
		{"llama4", "text_config.attn_temperature_tuning", false},
		{"llama4", "text_config.floor_scale", 9},
		{"llama4", "text_config.attn_scale", 0.6},
		{"llama4", "text_config.use_qk_norm", false},
		{"llama4", "text_config.no_rope_layers", []int{1, 1, 1, 1}},
		{"llama4", "text_config.no_rope_layer_interval", 3},
		{"llama4", "text_config.layer_types", []string{"full_attention", "chunked_attention", "chunked_attention", "full_attention"}},
		{"llama4", "text_config.rms_norm_eps", 1e-2},
		{"llama4", "text_config.num_experts_per_tok", 2},
		{"llama4-options", "text_config.rms_norm_eps", 1.2e-2},
		{"llama4-options", "text_config.rope_scaling.factor", 4.4},
		{"llama4-options", "text_config.num_experts_per_tok", 2},
		{"llama4-options", "text_config.layer_types", nil},
		{"llama4-text", "rope_theta", 11000.0},
		{"llama4-text", "attention_chunk_size", 59},
	})
}

func TestLlama4sSizesMustBeThoseOfItsWeights(t *testing.T) {
	t.Parallel()
	requireEachRefused(t, []refusal{
		{"llama4", "text_config.interleave_moe_layer_step", 1, "do not fit the config"},
		{"llama4", "text_config.moe_layers", []int{1, 2}, "do not fit the config"},
		{"llama4", "text_config.num_local_experts", 5, "do not fit the config"},
		{"llama4", "text_config.intermediate_size", 48, "do not fit the config"},
		{"llama4", "text_config.intermediate_size_mlp", 48, "do not fit the config"},
		{"llama4", "text_config.attention_bias", true, "do not fit the config"},
		{"llama4", "text_config.head_dim", 16, "do not fit the config"},
		{"llama4-options", "text_config.attention_bias", false, "do not fit the config"},
	})
}

func TestLlama4RefusesWhatIsNotImplemented(t *testing.T) {
	t.Parallel()
	null := json.RawMessage("null")
	requireEachRefused(t, []refusal{
		{"llama4", "text_config", nil, "there is no text_config"},
		{"llama4", "text_config.rope_scaling.rope_type", "yarn", `rope_scaling type "yarn" is not implemented for this model_type`},
		{"llama4", "text_config.rope_scaling.low_freq_factor", 1.1, "0 < low_freq_factor ≤ high_freq_factor"},
		{"llama4", "text_config.rope_traditional", false, "rope_traditional false is not implemented"},
		{"llama4", "text_config.hidden_act", "gelu", `hidden_act "gelu" is not implemented`},
		{"llama4", "text_config.use_qk_norm", null, "use_qk_norm <nil> is not implemented"},
		{"llama4", "text_config.attn_temperature_tuning", "yes", "attn_temperature_tuning is yes, want true or false"},
		{"llama4", "text_config.floor_scale", 0, "floor_scale 0 is not implemented"},
		{"llama4", "text_config.attention_chunk_size", 0, "attention_chunk_size is 0, want a number above 0"},
		{"llama4", "text_config.no_rope_layers", []int{1, 0}, "no_rope_layers has 2 layers, and num_hidden_layers is 4"},
		{"llama4", "text_config.no_rope_layer_interval", 0, "no_rope_layer_interval is 0"},
		{"llama4", "text_config.interleave_moe_layer_step", 0, "interleave_moe_layer_step is 0"},
		{"llama4", "text_config.moe_layers", []int{4}, "moe_layers has 4, and there are 4 layers"},
		{"llama4", "text_config.layer_types", []string{"full_attention"}, "layer_types has 1 layers"},
		{"llama4", "text_config.layer_types", []string{"sliding_attention", "full_attention", "full_attention", "full_attention"}, `layer_types "sliding_attention" is not implemented (have: chunked_attention, full_attention)`},
		{"llama4", "text_config.num_experts_per_tok", 7, "num_experts_per_tok is 7, and there are 6 experts"},
		{"llama4", "text_config.partial_rotary_factor", 0.5, "partial_rotary_factor"},
		{"llama4", "text_config.sliding_window", 8, "sliding_window 8 is not implemented"},
	})
}

// What Llama 4's published files have for true.
func TestANumberTunesLlama4sTemperatureToo(t *testing.T) {
	a := architecture(t, "llama4")
	change(t, a, "text_config.attn_temperature_tuning", 4)
	require.Empty(t, firstDifference(t, openArchitecture(t, a, auto.Options{}), a.Runs[2], relative))
}
