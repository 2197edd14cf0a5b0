package model_test

import (
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
