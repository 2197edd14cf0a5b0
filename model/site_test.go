package model_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/model"
)

var paths = model.Paths{Layers: 16, Modules: map[model.Site]string{
	model.Embed: "model.embed_tokens", model.AttnOut: "model.layers.%d.self_attn", model.ResidPost: "model.layers.%d", model.FinalNormOut: "model.norm",
}}

func TestPlaceReadsThreeDialects(t *testing.T) {
	for text, want := range map[string]model.Place{
		"layers.3.resid_post":            {Site: model.ResidPost, Layer: 3},
		"blocks.3.hook_resid_post":       {Site: model.ResidPost, Layer: 3},
		"model.layers.3":                 {Site: model.ResidPost, Layer: 3},
		"layers.3":                       {Site: model.ResidPost, Layer: 3},
		"model.model.layers.15":          {Site: model.ResidPost, Layer: 15},
		"model.layers.0.self_attn":       {Site: model.AttnOut},
		"blocks.2.attn.hook_q":           {Site: model.Q, Layer: 2},
		"blocks.2.attn.hook_attn_scores": {Site: model.AttnScores, Layer: 2},
		"blocks.2.mlp.hook_pre_linear":   {Site: model.MLPPreLinear, Layer: 2},
		"hook_embed":                     {Site: model.Embed},
		"model.embed_tokens":             {Site: model.Embed},
		"norm":                           {Site: model.FinalNormOut},
		"logits":                         {Site: model.Logits},
	} {
		got, err := paths.Place(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
}

func TestPlaceThatDoesNotExistIsAnError(t *testing.T) {
	for text, want := range map[string]string{
		"layers.40.resid_post": "layers.40.resid_post: the model has 16 layers (0–15)",
		"model.layers.16":      "the model has 16 layers",
		"layers.x.resid_post":  "want layers.N.SITE",
		"layers.-1.resid_post": "want layers.N.SITE",
		"resid_post":           "needs a layer",
		"layers.3.embed":       "is not in a layer",
		"layers.3.nothing":     "is unknown (have: embed,",
		"":                     "is unknown",
	} {
		_, err := paths.Place(text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestPlaceAndModuleAreInverse(t *testing.T) {
	for site := range paths.Modules {
		at := model.Place{Site: site}
		if site.PerLayer() {
			at.Layer = 7
		}
		back, err := paths.Place(paths.Module(at))
		require.NoError(t, err)
		require.Equal(t, at, back)
		back, err = model.ParsePlace(at.String())
		require.NoError(t, err)
		require.Equal(t, at, back)
	}
	require.Empty(t, paths.Module(model.Place{Site: model.Z, Layer: 1}))
}

// Every name in the table is read as its site, in a model that has all sites.
func TestEveryNameOfASiteIsReadBack(t *testing.T) {
	all := model.Paths{Layers: 16, Modules: model.LlamaModules()}
	names := map[model.Dialect]int{}
	for _, site := range model.Sites() {
		want := model.Place{Site: site}
		if site.PerLayer() {
			want.Layer = 7
		}
		for _, dialect := range []model.Dialect{model.Ours, model.TransformerLens, model.MLXLM, model.InterpEngine} {
			name := site.In(dialect)
			if name == "" {
				continue
			}
			names[dialect]++
			require.Equal(t, site.PerLayer(), strings.Contains(name, "N"), name)
			name = strings.Replace(name, "N", "7", 1)
			got, err := all.Place(name)
			require.NoError(t, err, "%s: %s", dialect, name)
			require.Equal(t, want, got, "%s: %s", dialect, name)
			if dialect == model.MLXLM { // ParsePlace knows no modules
				continue
			}
			got, err = model.ParsePlace(name)
			require.NoError(t, err, "%s: %s", dialect, name)
			require.Equal(t, want, got, "%s: %s", dialect, name)
		}
	}
	require.Equal(t, map[model.Dialect]int{model.Ours: 37, model.TransformerLens: 27, model.MLXLM: 10, model.InterpEngine: 25}, names)
}

// interp-engine's names are its own, even where ours or TransformerLens' are the same words.
func TestPointsOfInterpEngineAreRead(t *testing.T) {
	for text, want := range map[string]model.Place{
		"resid_post.3":    {Site: model.ResidPost, Layer: 3},
		"attn_probs.2":    {Site: model.Pattern, Layer: 2},
		"embeddings":      {Site: model.Embed},
		"final_norm":      {Site: model.FinalNormOut},
		"attn_out.1":      {Site: model.AttnRaw, Layer: 1},
		"attn_out_post.1": {Site: model.AttnOut, Layer: 1},
		"mlp_out.1":       {Site: model.MLPRaw, Layer: 1},
		"mlp_in.0":        {Site: model.MLPNorm},
		"q_norm_in.15":    {Site: model.Q, Layer: 15},
	} {
		got, err := model.ParsePlace(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, says := range map[string]string{
		"pattern.2":    "is unknown",
		"embeddings.2": "embed is not in a layer",
		"attn_probs":   "needs a layer: layers.N.pattern",
		"resid_post.":  "want layers.N.SITE with N a layer",
	} {
		_, err := model.ParsePlace(text)
		require.ErrorContains(t, err, says, text)
	}
}

func TestHooksThatAreNoSiteAreRefusedWithTheReason(t *testing.T) {
	for text, says := range map[string]string{
		"blocks.3.ln1.hook_normalized": `"blocks.3.ln1.hook_normalized" is before the norm's gain: attn_norm, mlp_norm and final_norm are after it`,
		"ln_final.hook_normalized":     "is before the norm's gain",
		"blocks.3.ln2.hook_scale":      "is the norm's divisor, which no site is",
		"blocks.3.hook_attn_in":        "is the stream before the norm: say resid_pre",
		"blocks.3.hook_mlp_in":         "is the stream before the norm: say resid_mid",
	} {
		_, err := model.ParsePlace(text)
		require.ErrorContains(t, err, says)
		_, err = paths.Place(text)
		require.ErrorContains(t, err, says)
	}
}
