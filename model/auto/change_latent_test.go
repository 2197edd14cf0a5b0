package auto_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/model/load"
)

func TestNumbersOfDeepSeekV2AndGLM47FlashMatter(t *testing.T) {
	t.Parallel()
	requireEachNoticed(t, []thing{
		{"deepseek-v2", "topk_group", 3},
		{"deepseek-v2", "n_group", 2},
		{"deepseek-v2", "topk_method", "greedy"},
		{"deepseek-v2", "num_experts_per_tok", 2},
		{"deepseek-v2", "routed_scaling_factor", 1.0},
		{"deepseek-v2", "rope_theta", 20000.0},
		{"deepseek-v2", "rms_norm_eps", 2e-3},
		{"deepseek-v2", "rope_scaling.mscale_all_dim", 0.5},
		{"deepseek-v2-lite", "rope_scaling.mscale", 0.5},
		{"deepseek-v2-no-scaling", "rope_theta", nil},
		{"glm4-moe-lite", "num_experts_per_tok", 2},
		{"glm4-moe-lite", "routed_scaling_factor", 1.0},
		{"glm4-moe-lite", "norm_topk_prob", false},
		{"glm4-moe-lite", "rope_theta", 11000.0},
		{"glm4-moe-lite-layer-types", "rms_norm_eps", 1e-6},
		{"glm4-moe-lite-layer-types", "rope_interleave", false},
		{"glm4-moe-lite-layer-types", "rope_scaling.mscale_all_dim", 0.2},
		{"glm4-moe-lite-layer-types", "topk_group", 3},
	})
}

func TestDeepSeekV2AndGLM47FlashRefuseWhatTheyDoNotCompute(t *testing.T) {
	t.Parallel()
	requireEachRefused(t, []refusal{
		{"deepseek-v2", "topk_method", "noaux_tc", "topk_method noaux_tc is not implemented"},
		{"deepseek-v2", "scoring_func", "sigmoid", "scoring_func sigmoid is not implemented"},
		{"deepseek-v2", "norm_topk_prob", true, "norm_topk_prob true is not implemented"},
		{"deepseek-v2", "moe_layer_freq", 2, "moe_layer_freq 2 is not implemented"},
		{"deepseek-v2", "mlp_bias", true, "mlp_bias true is not implemented"},
		{"deepseek-v2", "rope_interleave", false, "rope_interleave false is not implemented"},
		{"deepseek-v2", "n_group", nil, "n_group is 0"},
		{"deepseek-v2", "num_experts_per_tok", nil, "num_experts_per_tok is 0"},
		{"glm4-moe-lite", "mlp_layer_types", []string{"dense", "sparse"}, "mlp_layer_types has 2 layers, and num_hidden_layers is 3"},
		{"glm4-moe-lite", "mlp_layer_types", []string{"dense", "sparse", "moe"}, `mlp_layer_types "moe" is not implemented`},
		{"glm4-moe-lite", "mlp_layer_types", []string{"dense", "dense", "sparse"}, `first_k_dense_replace is 1, and mlp_layer_types has "dense" for layer 1: programs differ`},
		{"glm4-moe-lite", "num_local_experts", 8, "num_local_experts 8 is not implemented"},
		{"glm4-moe-lite", "partial_rotary_factor", 0.5, "partial_rotary_factor 0.5 is not implemented"},
		{"deepseek-v3", "mlp_layer_types", []string{"dense", "sparse", "sparse"}, "mlp_layer_types [dense sparse sparse] is not implemented"},
	})
}

// DeepSeek V2 that chooses of all experts has no use for groups, and real files leave them out or not.
func TestGroupsOfAGreedyDeepSeekV2ChangeNothing(t *testing.T) {
	t.Parallel()
	a := architecture(t, "deepseek-v2-no-scaling")
	for _, key := range []string{"n_group", "topk_group"} {
		change(t, a, key, nil)
	}
	require.Empty(t, firstDifference(t, openArchitecture(t, a, auto.Options{}), a.Runs[1], relative))
}

// Files of DeepSeek V3 that were packed before mlx-lm split kv_b_proj have it packed whole.
func TestAPackedMatrixOfKeysAndValuesIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"deepseek-v3-mixed", "glm4-moe-lite-mxfp4"} {
		a := architecture(t, name)
		var c struct {
			Heads  int `json:"num_attention_heads"`
			Latent int `json:"kv_lora_rank"`
			Nope   int `json:"qk_nope_head_dim"`
			Value  int `json:"v_head_dim"`
		}
		require.NoError(t, json.Unmarshal(a.Config, &c))
		a.Tensors = slices.DeleteFunc(a.Tensors, func(d golden.Drawn) bool {
			return strings.Contains(d.Name, ".embed_q.") || strings.Contains(d.Name, ".unembed_out.")
		})
		for _, d := range slices.Clone(a.Tensors) {
			if path, ending, ok := strings.Cut(d.Name, ".kv_a_proj_with_mqa."); ok {
				d.Name, d.Shape = path+".kv_b_proj."+ending, []int{c.Heads * (c.Nope + c.Value), d.Shape[1] * c.Latent / 64} // of 64 columns
				a.Tensors = append(a.Tensors, d)
			}
		}
		dir := t.TempDir()
		require.NoError(t, a.Write(dir))
		packed := modeltest.Open(t, dir, auto.Options{Weights: load.Packed}).Model
		one, _ := pass(t, packed, a.Runs[1].IDs, nil)
		other, _ := pass(t, modeltest.Open(t, dir, auto.Options{Weights: load.Dense}).Model, a.Runs[1].IDs, nil)
		for p := range one {
			requireNear(t, other[p], one[p], 1e-5, name)
		}
		require.Contains(t, strings.Join(packed.(interface{ Notes(int) []string }).Notes(60), "\n"), "kv_b_proj is packed, and taken as it is")
	}
}
