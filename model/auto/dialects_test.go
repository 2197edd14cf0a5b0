package auto_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
)

// Other tools name a module's output where we name what is added to the stream: the same
// where no norm follows, and two places where one does.
func TestNamesOfOtherToolsMeanWhatTheArchitectureHas(t *testing.T) {
	for name, places := range map[string]map[string]string{
		"llama": {
			"attn_out.1": "layers.1.attn_out", "attn_out_post.1": "layers.1.attn_out", "mlp_out.1": "layers.1.mlp_out",
			"blocks.1.hook_attn_out": "layers.1.attn_out", "blocks.1.attn.hook_out": "layers.1.attn_out", "blocks.1.mlp.hook_out": "layers.1.mlp_out",
			"model.layers.1.self_attn": "layers.1.attn_out", "attn_probs.2": "layers.2.pattern", "embeddings": "embed",
			"blocks.1.ln1.hook_out": "layers.1.attn_norm",
		},
		"gemma2": {
			"attn_out.1": "layers.1.attn_raw", "attn_out_post.1": "layers.1.attn_out", "mlp_out.1": "layers.1.mlp_raw", "mlp_out_post.1": "layers.1.mlp_out",
			"blocks.1.hook_attn_out": "layers.1.attn_out", "blocks.1.attn.hook_out": "layers.1.attn_raw",
			"model.layers.1.self_attn": "layers.1.attn_raw", "model.layers.1.post_attention_layernorm": "layers.1.attn_out",
		},
		"olmo2": {
			"blocks.1.hook_attn_out": "layers.1.attn_raw", "blocks.1.hook_mlp_out": "layers.1.mlp_raw",
			"blocks.1.ln1.hook_out": "layers.1.attn_out", "blocks.1.ln2.hook_out": "layers.1.mlp_out",
			"layers.1.attn_out": "layers.1.attn_out", "attn_out.1": "layers.1.attn_raw", "model.layers.1.self_attn": "layers.1.attn_raw",
		},
	} {
		paths := modeltest.Architecture(t, name, nil).Paths()
		for text, want := range places {
			got, err := paths.Place(text)
			require.NoError(t, err, "%s: %s", name, text)
			require.Equal(t, want, got.String(), "%s: %s", name, text)
		}
		for text, says := range map[string]string{
			"blocks.1.ln1.hook_normalized": "is before the norm's gain",
			"blocks.1.hook_attn_in":        "say resid_pre",
		} {
			_, err := paths.Place(text)
			require.ErrorContains(t, err, says, name)
		}
	}
	_, err := modeltest.Architecture(t, "llama", nil).Paths().Place("layers.1.attn_raw")
	require.ErrorContains(t, err, "this architecture has no attn_raw: no norm follows attention, and attn_out is its output")
}
