package auto_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/model/auto"
)

func TestNumbersOfTextPartsMatter(t *testing.T) {
	t.Parallel()
	requireEachNoticed(t, []thing{
		{"qwen2-vl", "rope_theta", 11000.0},
		{"qwen2-vl", "rms_norm_eps", 2e-3},
		{"qwen2-5-vl", "text_config.rope_theta", 11000.0},
		{"qwen2-5-vl-sliding-yarn", "text_config.sliding_window", 17},
		{"qwen2-5-vl-sliding-yarn", "text_config.use_sliding_window", false},
		{"qwen2-5-vl-sliding-yarn", "text_config.max_window_layers", 2},
		{"qwen2-5-vl-sliding-yarn", "text_config.max_window_layers", nil}, // 80
		{"qwen2-5-vl-sliding-yarn", "text_config.rope_scaling.factor", 8.5},
		{"qwen3-vl", "text_config.rope_theta", 11000.0},
		{"qwen3-vl", "text_config.rope_theta", nil}, // 500,000
		{"qwen3-vl", "text_config.rms_norm_eps", 2e-3},
		{"qwen3-vl-moe", "text_config.num_experts_per_tok", 2},
		{"qwen3-vl-moe", "text_config.rope_theta", 11000.0},
	})
}

// On a text all axes have the same positions.
func TestAxesOfPositionsChangeNothingOfAText(t *testing.T) {
	t.Parallel()
	for _, c := range []thing{
		{"qwen2-vl", "rope_scaling.mrope_section", []int{4, 2, 2}},
		{"qwen2-vl", "rope_scaling.rope_type", "default"}, // beside the type mrope
		{"qwen2-vl", "rope_scaling.type", "default"},
		{"qwen2-5-vl", "text_config.rope_scaling", map[string]any{"type": "mrope", "mrope_section": []int{8, 0, 0}}},
		{"qwen3-vl", "text_config.rope_scaling.mrope_section", []int{2, 5, 5}},
		{"qwen3-vl", "text_config.rope_scaling.mrope_interleaved", false},
	} {
		a := architecture(t, c.name)
		change(t, a, c.key, c.value)
		require.Empty(t, firstDifference(t, openArchitecture(t, a, auto.Options{}), a.Runs[2], relative), c.key)
	}
}

func TestTextPartsRefuseWhatNoProgramReads(t *testing.T) {
	t.Parallel()
	requireEachRefused(t, []refusal{
		{"qwen3-vl", "text_config.use_sliding_window", true, "use_sliding_window true is not implemented"},
		{"qwen3-vl", "text_config.layer_types", []string{"sliding_attention", "full_attention", "full_attention"}, "layer_types"},
		{"qwen3-vl", "vocab_size", 97, "vocab_size is 97, and 96 in text_config"},
		{"qwen3-vl-moe", "text_config.norm_topk_prob", false, "norm_topk_prob false is not implemented"},
		{"qwen3-vl-moe", "text_config", nil, "there is no text_config"},
		{"qwen2-vl", "rope_scaling.rope_type", "linear", "rope_scaling has type \"mrope\" and rope_type \"linear\""},
		{"qwen2", "rope_scaling", map[string]any{"type": "mrope", "rope_type": "default"}, "rope_scaling type \"mrope\" is not implemented"},
	})
}
