package auto_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/model/auto"
)

// A run is told where mlx-lm computes something else than transformers, and only there.
func TestWhatMLXLMComputesOtherwiseIsSaid(t *testing.T) {
	t.Parallel()
	const relu, exact, tanh = "the MLP's activation is relu", "the MLP's activation is the exact GELU", "the MLP's activation is the tanh form of GELU"
	for name, says := range map[string][]string{
		"gpt-neox":                  {exact},
		"gpt-neox-inner-relu":       {relu},
		"gpt-neox-gelu-fast":        nil,
		"deepseek-v2":               nil,
		"deepseek-v3-mixed":         nil,
		"glm4-moe-lite":             {"the norms of latents have ε 1e-06, as in transformers; mlx-lm gives them rms_norm_eps"},
		"granite4":                  nil,
		"granite4-h":                nil,
		"granite4-h-groups-bounds":  {"heads have head_dim dimensions, as in transformers", "each of the mamba_n_groups is normed by itself, as in transformers"},
		"lfm2":                      nil,
		"lfm2-untied-yarn":          {`rope type "yarn", as in transformers; mlx-lm takes base 10000 and 1 of each head, without scaling`, "heads have head_dim dimensions, as in transformers", "the head is not the embedding, as in transformers"},
		"nemotron-h":                {"the steps of the state space are at least 1e-06 (time_step_min), as in transformers; mlx-lm holds them from 0 to 1e+09, by time_step_limit"},
		"nemotron-h-biases-bounds":  {"at least 0.5 (time_step_min), as in transformers; mlx-lm holds them from 0.5 to 1e+09"},
		"llama4":                    nil,
		"llama4-text":               nil,
		"llama4-4bit":               nil,
		"llama4-options":            {"mlx-lm takes every fourth layer", "mlx-lm goes by interleave_moe_layer_step", "rms_norm_eps, 0.01, as in transformers; mlx-lm has 1e-6", "mlx-lm refuses more than one"},
		"phi":                       nil,
		"phi-qk-layernorm-tied":     {exact, `by base 10000, 0.5 of each head, rope type "default", as in transformers; mlx-lm takes base 10000 and 0.4`},
		"phi-head-dim-linear":       {`by base 3000, 0.25 of each head, rope type "linear", as in transformers; mlx-lm takes base 10000 and 0.4`},
		"gptj":                      nil,
		"gptj-exact-tied":           {exact},
		"stablelm":                  nil,
		"stablelm-tied-gelu-linear": {exact, `by base 10000, 0.25 of each head, rope type "linear", as in transformers; mlx-lm takes base 10000 and 0.25`},
		"qwen2-vl":                  nil,
		"qwen2-5-vl":                nil,
		"qwen2-5-vl-sliding-yarn":   {"the queries of 2 layers see 16 keys"},
		"qwen3-vl":                  nil,
		"qwen3-vl-moe":              nil,
		"starcoder2":                {tanh},
		"starcoder2-sliding-untied": {"the queries of 3 layers see 16 keys"},
		"starcoder2-no-bias-linear": {tanh, `by base 10000, 1 of each head, rope type "linear", as in transformers; mlx-lm takes base 100000`},
	} {
		notes := openArchitecture(t, architecture(t, name), auto.Options{}).(interface{ Notes(int) []string }).Notes(60)
		require.Len(t, notes, len(says), "%s: %v", name, notes)
		for _, want := range says {
			require.Contains(t, strings.Join(notes, "\n"), want, name)
		}
	}
}
