package auto_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// v is what attention sums: the values after their norm, which has no gain. A layer without values of
// its own sums those of the last layer of its type before the ones that look back.
func TestGemma4SumsItsValuesByThePattern(t *testing.T) {
	source := map[string]map[int]int{"gemma4-text": {3: 2, 4: 1}, "gemma4-text-options": {2: 0, 3: 1, 4: 1}, "gemma4": {}}
	for name, of := range source {
		a := architecture(t, name)
		m := openArchitecture(t, a, auto.Options{})
		n := len(a.Runs[2].IDs)
		at, _ := sites(t, m, a.Runs[2].IDs, nil, func(model.Site) bool { return true })
		for layer := range m.Shape().Layers {
			s, from := m.Shape().In(layer), layer
			if back, ok := of[layer]; ok {
				from = back
				err := m.Check(model.Place{Site: model.V, Layer: layer})
				require.ErrorContains(t, err, "it looks at the keys and values of layer")
			}
			get := func(site model.Site, layer int) []float32 { return at[model.Place{Site: site, Layer: layer}] }
			v, pattern, z := get(model.V, from), get(model.Pattern, layer), get(model.Z, layer)
			want := make([]float32, len(z)) // [pos, head, d_head]
			for head := range s.Heads {
				kv := head * s.KVHeads / s.Heads
				for query := range n {
					for key := range query + 1 {
						w := pattern[(head*n+query)*n+key]
						for i := range s.DHead {
							want[(query*s.Heads+head)*s.DHead+i] += w * v[(key*s.KVHeads+kv)*s.DHead+i]
						}
					}
				}
			}
			requireNear(t, want, z, 1e-5, "%s layer %d", name, layer)
			for i := 0; i < len(v); i += s.DHead {
				square := 0.0
				for _, x := range v[i : i+s.DHead] {
					square += float64(x) * float64(x)
				}
				require.InDelta(t, 1, math.Sqrt(square/float64(s.DHead)), 1e-3)
			}
		}
	}
}

// A change of keys reaches the layers that look at them, and an edit of the first layer's stream does
// not reach the embeddings of the layers, which are of the tokens.
func TestGemma4SharesWhatWasEdited(t *testing.T) {
	a := architecture(t, "gemma4-text")
	m := openArchitecture(t, a, auto.Options{})
	ids := a.Runs[1].IDs
	plain, _ := sites(t, m, ids, nil, func(model.Site) bool { return true })
	changed := func(site model.Site, layer int) map[model.Place][]float32 {
		scope := mlx.NewScope(m.Device())
		defer scope.Close()
		kept := map[model.Place]*mlx.Array{}
		model.Forward(m, mlx.FromSlice(scope, ids, 1, len(ids)), nil, &model.Tap{Visit: func(at model.Place, x *mlx.Array) *mlx.Array {
			if (at == model.Place{Site: site, Layer: layer}) {
				x = mlx.Shift(mlx.Scale(x, -2), 0.5)
			}
			kept[at] = scope.Hold(x)
			return x
		}})
		values := map[model.Place][]float32{}
		for at, x := range kept {
			v, err := mlx.Data[float32](mlx.AsType(x, mlx.Float32))
			require.NoError(t, err)
			values[at] = v
		}
		return values
	}
	scores := func(layer int) model.Place { return model.Place{Site: model.AttnScores, Layer: layer} }
	keys := changed(model.RotK, 1)
	require.NotEqual(t, plain[scores(4)], keys[scores(4)])
	stream := changed(model.ResidPre, 0)
	embed := changed(model.Embed, 0)
	for layer := range m.Shape().Layers {
		at := model.Place{Site: model.PerLayerEmbed, Layer: layer}
		require.Equal(t, plain[at], stream[at])
		require.NotEqual(t, plain[at], embed[at], "it is of the embedding too")
	}
}

func TestGemma4RefusesWhatProgramsDisagreeAbout(t *testing.T) {
	t.Parallel()
	requireEachRefused(t, []refusal{
		{"gemma4-text", "use_bidirectional_attention", "all", "use_bidirectional_attention all is not implemented"},
		{"gemma4-text", "rope_traditional", true, "rope_traditional true is not implemented"},
		{"gemma4-text", "rope_theta", 500.0, "rope_theta 500 is not implemented"},
		{"gemma4-text", "partial_rotary_factor", 0.5, "partial_rotary_factor 0.5 is not implemented"},
		{"gemma4-text", "global_partial_rotary_factor", 0.5, "global_partial_rotary_factor is 0.5, and no program reads it"},
		{"gemma4-text", "hidden_activation", "silu", `hidden_activation "silu" is not implemented`},
		{"gemma4-text", "final_logit_softcapping", nil, "config.json has no final_logit_softcapping, and programs differ"},
		{"gemma4-text", "num_kv_shared_layers", nil, "config.json has no num_kv_shared_layers, and programs differ"},
		{"gemma4-text", "use_double_wide_mlp", nil, "config.json has no use_double_wide_mlp, and programs differ"},
		{"gemma4-text", "layer_types", nil, "config.json has no layer_types, and programs differ"},
		{"gemma4-text", "layer_types", []string{"full_attention", "full_attention", "full_attention", "full_attention", "sliding_attention"}, "the last layer has to see all"},
		{"gemma4-text", "layer_types", []string{"full_attention", "full_attention", "full_attention", "sliding_attention", "full_attention"}, "layer 3 looks at the keys of an earlier layer of its type, sliding_attention, and there is none"},
		{"gemma4-text", "sliding_window", json.RawMessage("null"), "sliding_window <nil> is not implemented"},
		{"gemma4-text", "num_key_value_heads", json.RawMessage("null"), "config.json has no num_key_value_heads, and programs differ"},
		{"gemma4-text", "num_kv_shared_layers", 5, "num_kv_shared_layers is 5"},
		{"gemma4-text", "global_head_dim", 33, "of layers that see all: gemma4: config.json: head_dim 33"},
		{"gemma4-text", "vocab_size_per_layer_input", 95, "vocab_size_per_layer_input is 95, and there are 96 tokens"},
		{"gemma4-text", "hidden_size_per_layer_input", -1, "hidden_size_per_layer_input is -1"},
		{"gemma4-text", "rope_parameters.full_attention.partial_rotary_factor", 0.3, "turns 9 dimensions, want an even number"},
		{"gemma4-text", "rope_parameters.sliding_attention.partial_rotary_factor", 0.5, "no program reads it"},
		{"gemma4-text", "rope_parameters.sliding_attention.rope_type", "yarn", `rope_type "yarn" is not implemented`},
		{"gemma4-text", "rope_parameters.sliding_attention.rope_theta", nil, "sliding_attention has no rope_theta"},
		{"gemma4-text", "rope_parameters.sliding_attention", nil, "rope_parameters has no sliding_attention"},
		{"gemma4-text", "per_layer_config", map[string]any{"0": map[string]any{"head_dim": 32}}, "per_layer_config has layer 0"},
		{"gemma4-text", "per_layer_config", map[string]any{"1": map[string]any{"head_dim": 32}}, "per_layer_config has other sizes"},
		{"gemma4", "text_config.top_k_experts", 7, "top_k_experts is 7, and there are 6 experts"},
		{"gemma4", "text_config.num_experts", nil, "num_experts is 0"},
		{"gemma4-unified", "text_config.enable_moe_block", true, "enable_moe_block true is not implemented"},
		{"gemma4-unified", "text_config.hidden_size_per_layer_input", 8, "hidden_size_per_layer_input 8 is not implemented"},
		{"gemma4-unified", "text_config.sliding_window", nil, "config.json has no sliding_window, and programs differ"},
	})
}
