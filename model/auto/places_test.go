package auto_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
)

func TestPlacesAreSelectedInAnyDialect(t *testing.T) {
	m := modeltest.Tiny(t) // 3 layers
	for text, want := range map[string]string{
		"layers.*.resid_post":                     "layers.0.resid_post layers.1.resid_post layers.2.resid_post",
		"layers.0:2.mlp_out":                      "layers.0.mlp_out layers.1.mlp_out",
		"layers.-1.resid_post":                    "layers.2.resid_post",
		"layers.::2.q":                            "layers.0.q layers.2.q",
		"layers.-2:.z":                            "layers.1.z layers.2.z",
		"embed":                                   "embed",
		"blocks.*.hook_resid_pre":                 "layers.0.resid_pre layers.1.resid_pre layers.2.resid_pre",
		"blocks.1.attn.hook_pattern":              "layers.1.pattern",
		"model.layers.*.self_attn":                "layers.0.attn_out layers.1.attn_out layers.2.attn_out",
		"layers.1":                                "layers.1.resid_post",
		"model.norm, layers.1.mlp , embed,logits": "embed layers.1.mlp_out final_norm logits",
		"layers.1.resid_post,layers.1.attn_out,layers.0.mlp_out,layers.*.attn_out": "layers.0.attn_out layers.0.mlp_out layers.1.attn_out layers.1.resid_post layers.2.attn_out",
	} {
		var got []string
		places, err := m.Paths().Places(text)
		require.NoError(t, err)
		for _, p := range places {
			got = append(got, p.String())
		}
		require.Equal(t, want, strings.Join(got, " "), text)
	}
	for text, says := range map[string]string{
		"layers.*.nothing":    `place "layers.*.nothing": model: site "layers.0.nothing" is unknown (have: embed,`,
		"layers.3.resid_post": `place "layers.3.resid_post": layer 3 does not exist: there are 3 (0–2)`,
		"layers.2:9.z":        "is no range in 0:3",
		"layers.*.pos_embed":  "is not in a layer",
		"pos_embed":           "this architecture has no pos_embed: positions turn queries and keys, and are not embedded",
		"resid_post":          "needs a layer: layers.N.resid_post",
		"":                    "is unknown (have:",
	} {
		_, err := m.Paths().Places(text)
		require.ErrorContains(t, err, says, text)
	}
}
