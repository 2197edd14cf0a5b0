package model_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
)

// hybrid is a model in whose layer 1 alone there is a pattern.
func hybrid(t *testing.T) *model.Transformer {
	m, ok := modeltest.Tiny(t).(*model.Transformer)
	require.True(t, ok)
	for _, layer := range []int{0, 2} {
		m.Lack(layer, "its mixer is a recurrence", model.Pattern)
	}
	return m
}

func TestAPlaceThatItsLayerLacksIsRefusedWithThoseThatHaveIt(t *testing.T) {
	m := hybrid(t)
	require.NoError(t, m.Check(model.Place{Site: model.Pattern, Layer: 1}))
	require.EqualError(t, m.Check(model.Place{Site: model.Pattern, Layer: 2}), "model: layer 2 has no pattern: its mixer is a recurrence (it is in layers 1)")
	require.NoError(t, m.Check(model.Place{Site: model.AttnOut, Layer: 2}))
	require.Equal(t, []int{1}, m.Paths().LayersWith(model.Pattern))
	require.Contains(t, m.Paths().Sites(), model.Pattern)
}

func TestARangeChoosesTheLayersThatHaveTheSite(t *testing.T) {
	paths := hybrid(t).Paths()
	for _, text := range []string{"layers.*.pattern", "layers.1:.pattern", "blocks.0:2.attn.hook_pattern"} {
		places, err := paths.Places(text)
		require.NoError(t, err, text)
		require.Equal(t, []model.Place{{Site: model.Pattern, Layer: 1}}, places, text)
	}
	for _, text := range []string{"layers.2.pattern", "layers.-1.pattern", "layers.2:.pattern"} {
		_, err := paths.Places(text)
		require.ErrorContains(t, err, "layer 2 has no pattern: its mixer is a recurrence", text)
	}
	_, err := paths.Places("layers.*.router_logits")
	require.ErrorContains(t, err, "this architecture has no router_logits: it has no experts")
}

func TestModulesThatAreNamedOtherwiseInSomeLayersAreRead(t *testing.T) {
	m := hybrid(t)
	for _, layer := range []int{0, 2} {
		m.ModuleIn(layer, model.AttnOut, "model.layers.%d.linear_attn")
	}
	paths := m.Paths()
	for text, want := range map[string][]int{
		"model.layers.*.self_attn": {1}, "layers.*.linear_attn": {0, 2}, "language_model.model.layers.2.linear_attn": {2}, "layers.*.attn_out": {0, 1, 2},
	} {
		places, err := paths.Places(text)
		require.NoError(t, err, text)
		var layers []int
		for _, at := range places {
			require.Equal(t, model.AttnOut, at.Site, text)
			layers = append(layers, at.Layer)
		}
		require.Equal(t, want, layers, text)
	}
	require.Equal(t, "model.layers.2.linear_attn", paths.Module(model.Place{Site: model.AttnOut, Layer: 2}))
	_, err := paths.Place("layers.2.self_attn")
	require.EqualError(t, err, "model: layer 2 has no module layers.2.self_attn: its attn_out is the output of model.layers.2.linear_attn")
	_, err = paths.Places("layers.1.linear_attn")
	require.ErrorContains(t, err, "layer 1 has no module layers.1.linear_attn: its attn_out is the output of model.layers.1.self_attn")
}
