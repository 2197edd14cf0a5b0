package auto_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model/auto"
)

func TestDeepSeekV3sNumbersMatter(t *testing.T) {
	t.Parallel()
	requireEachNoticed(t, []thing{
		{"deepseek-v3", "rope_theta", 20000.0},
		{"deepseek-v3", "rms_norm_eps", 2e-3},
		{"deepseek-v3", "rope_scaling.factor", 4.0},
		{"deepseek-v3", "rope_scaling.mscale", 0.5},
		{"deepseek-v3", "rope_scaling.mscale_all_dim", 0.2},
		{"deepseek-v3", "rope_interleave", false},
		{"deepseek-v3", "n_group", 2},
		{"deepseek-v3", "topk_group", 3},
		{"deepseek-v3", "num_experts_per_tok", 2},
		{"deepseek-v3", "norm_topk_prob", false},
		{"deepseek-v3", "routed_scaling_factor", 2.0},
	})
}

func TestDeepSeekV3RefusesWhatItDoesNotCompute(t *testing.T) {
	t.Parallel()
	requireEachRefused(t, []refusal{
		{"deepseek-v3", "moe_layer_freq", 2, "moe_layer_freq 2 is not implemented"},
		{"deepseek-v3", "topk_method", "greedy", "topk_method greedy is not implemented"},
		{"deepseek-v3", "scoring_func", "softmax", "scoring_func softmax is not implemented"},
		{"deepseek-v3", "head_dim", 24, "head_dim is 24 and qk_rope_head_dim 8"},
		{"deepseek-v3", "num_key_value_heads", 2, "num_key_value_heads 2 is not num_attention_heads 4"},
		{"deepseek-v3", "n_group", 3, "n_routed_experts 8 make no n_group 3 groups"},
		{"deepseek-v3", "topk_group", 5, "topk_group is 5, and n_group 4"},
		{"deepseek-v3", "num_experts_per_tok", 5, "num_experts_per_tok is 5, and topk_group 2 of n_group 4 have 4 experts"},
		{"deepseek-v3", "kv_lora_rank", 0, "kv_lora_rank is 0"},
		{"deepseek-v3", "routed_scaling_factor", 0.0, "routed_scaling_factor is 0"},
	})
}

// Published files have a layer more, which predicts the token after next.
func TestDeepSeekV3LeavesOutTheLayersThatPredictFurther(t *testing.T) {
	t.Parallel()
	a := architecture(t, "deepseek-v3")
	a.HF = append(a.HF, golden.Rule{Name: "model.layers.3.eh_proj.weight", Type: "float32", Shape: []int{32, 64}})
	dir := t.TempDir()
	require.NoError(t, a.WriteHF(dir))
	m := modeltest.Open(t, dir, auto.Options{}).Model
	require.Empty(t, firstDifference(t, m, a.Runs[1], relative))

	a.HF[len(a.HF)-1].Name = "model.layers.4.eh_proj.weight"
	require.NoError(t, a.WriteHF(dir))
	_, err := auto.Open(dir, auto.Options{})
	require.ErrorContains(t, err, "model.layers.4.eh_proj.weight")
}
