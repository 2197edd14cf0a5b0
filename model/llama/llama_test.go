package llama_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/llama"
)

// run taps every site of a forward pass; visit may replace what passes.
func run(t *testing.T, m model.Model, wanted func(model.Site) bool, visit func(model.Site, int, *mlx.Array) *mlx.Array) (map[model.Place][]float32, map[model.Place][]int) {
	t.Helper()
	s := mlx.NewScope(m.Device())
	t.Cleanup(s.Close)
	seen := map[model.Place]*mlx.Array{}
	tap := &model.Tap{
		Wanted: func(at model.Place) bool { return wanted(at.Site) },
		Visit: func(at model.Place, x *mlx.Array) *mlx.Array {
			if visit != nil {
				x = visit(at.Site, at.Layer, x)
			}
			seen[at] = s.Hold(x)
			return x
		},
	}
	model.Forward(m, mlx.FromSlice(s, []int32{30, 7, 500, 7, 123, 9}, 1, 6), nil, tap)
	values, shapes := map[model.Place][]float32{}, map[model.Place][]int{}
	for at, a := range seen {
		v, err := mlx.Data[float32](a)
		require.NoError(t, err, at)
		values[at], shapes[at] = v, a.Shape()
	}
	return values, shapes
}

func everything(model.Site) bool { return true }

func fused(s model.Site) bool { return s != model.AttnScores && s != model.Pattern }

func sum(a, b []float32) []float32 {
	out := make([]float32, len(a))
	for i := range a {
		out[i] = a[i] + b[i]
	}
	return out
}

func TestResidualStreamIsTheSumOfItsParts(t *testing.T) {
	m := modeltest.Tiny(t)
	at, _ := run(t, m, everything, nil)
	layers := m.Shape().Layers
	for l := range layers {
		get := func(s model.Site) []float32 { return at[model.Place{Site: s, Layer: l}] }
		assert.Equal(t, get(model.ResidMid), sum(get(model.ResidPre), get(model.AttnOut)))
		assert.Equal(t, get(model.ResidPost), sum(get(model.ResidMid), get(model.MLPOut)))
		if l > 0 {
			assert.Equal(t, get(model.ResidPre), at[model.Place{Site: model.ResidPost, Layer: l - 1}])
		}
	}
	assert.Equal(t, at[model.Place{Site: model.Embed}], at[model.Place{Site: model.ResidPre, Layer: 0}])
	s := mlx.NewScope(m.Device())
	defer s.Close()
	last := mlx.FromSlice(s, at[model.Place{Site: model.ResidPost, Layer: layers - 1}], 1, 6, m.Shape().DModel)
	logits, err := mlx.Data[float32](model.ToLogits(m, last))
	require.NoError(t, err)
	assert.Equal(t, at[model.Place{Site: model.Logits}], logits)
}

func TestPatternRowsSumToOneWithoutAFuture(t *testing.T) {
	m := modeltest.Tiny(t)
	at, _ := run(t, m, everything, nil)
	for l := range m.Shape().Layers {
		p := at[model.Place{Site: model.Pattern, Layer: l}]
		for row := 0; row < len(p); row += 6 {
			total := float32(0)
			for key, x := range p[row : row+6] {
				total += x
				if key > row/6%6 {
					require.Zero(t, x)
				}
			}
			require.InDelta(t, 1, total, 1e-6)
		}
	}
}

// The two differ in the last bits, since they sum in another order.
func TestExplicitAttentionEqualsTheFused(t *testing.T) {
	m := modeltest.Tiny(t)
	explicit, _ := run(t, m, everything, nil)
	quick, _ := run(t, m, fused, nil)
	for at, want := range quick {
		assert.InDeltaSlice(t, want, explicit[at], 2e-5*float64(1+maxAbs(want)), "%s", at)
	}
}

func maxAbs(xs []float32) (most float32) {
	for _, x := range xs {
		most = max(most, x, -x)
	}
	return
}

func TestWhatATapReturnsIsWhatFlowsOn(t *testing.T) {
	m := modeltest.Tiny(t)
	clean, _ := run(t, m, fused, nil)
	edited, _ := run(t, m, fused, func(site model.Site, layer int, x *mlx.Array) *mlx.Array {
		if site == model.MLPOut && layer == 1 {
			return mlx.Scale(x, 0)
		}
		return x
	})
	mid, post := model.Place{Site: model.ResidMid, Layer: 1}, model.Place{Site: model.ResidPost, Layer: 1}
	assert.Equal(t, clean[mid], edited[mid], "before the edit nothing changes")
	assert.Equal(t, edited[mid], edited[post], "an MLP that adds nothing")
	assert.NotEqual(t, clean[model.Place{Site: model.Logits}], edited[model.Place{Site: model.Logits}])
}

func TestEditOfThePatternActs(t *testing.T) {
	m := modeltest.Tiny(t)
	edited, _ := run(t, m, everything, func(site model.Site, layer int, x *mlx.Array) *mlx.Array {
		if site == model.Pattern {
			return mlx.Scale(x, 0)
		}
		return x
	})
	for _, x := range edited[model.Place{Site: model.Z, Layer: 2}] {
		require.Zero(t, x)
	}
}

func TestUnembedRowsAndIDsAreParts(t *testing.T) {
	m := modeltest.Tiny(t)
	s := mlx.NewScope(m.Device())
	defer s.Close()
	h := mlx.Reshape(mlx.Sin(mlx.Arange(s, 0, float64(2*m.Shape().DModel), 1, mlx.Float32)), 2, -1)
	whole, err := mlx.Data[float32](m.Unembed(h, 0, 512))
	require.NoError(t, err)
	part, err := mlx.Data[float32](m.Unembed(h, 100, 103))
	require.NoError(t, err)
	assert.InDeltaSlice(t, append(append([]float32{}, whole[100:103]...), whole[612:615]...), part, 1e-5)
	ids, err := mlx.Data[float32](m.UnembedIDs(h, []int{511, 3}))
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float32{whole[511], whole[3], whole[1023], whole[515]}, ids, 1e-5)
}

const config = `{"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
	"vocab_size": 100, "rms_norm_eps": 1e-5`

func TestConfigDefaults(t *testing.T) {
	c, err := llama.ParseConfig([]byte(config + "}"))
	require.NoError(t, err)
	assert.Equal(t, 4, c.NumKeyValueHeads)
	assert.Equal(t, 16, c.HeadDim)
	assert.Equal(t, 10_000.0, c.Rope.Theta)
	c, err = llama.ParseConfig([]byte(config + `, "head_dim": 32, "rope_parameters": {"rope_type": "default", "rope_theta": 500000}, "sliding_window": null, "pretraining_tp": 1}`))
	require.NoError(t, err)
	assert.Equal(t, 32, c.HeadDim)
	assert.Equal(t, 500_000.0, c.Rope.Theta)
}

func TestConfigThatChangesTheMathematicsIsRefused(t *testing.T) {
	for extra, want := range map[string]string{
		`"hidden_act": "gelu"`:                                   `hidden_act "gelu" is not implemented`,
		`"layer_types": ["full_attention"]`:                      "layer_types has 1 layers, and num_hidden_layers is 2",
		`"layer_types": ["full_attention", "sliding_attention"]`: "layer 1 slides, and sliding_window is 0",
		`"layer_types": ["full_attention", "linear_attention"]`:  `layer_types "linear_attention" is not implemented`,
		`"final_logit_softcapping": 30.0`:                        "final_logit_softcapping",
		`"logits_scaling": 8.0`:                                  "logits_scaling",
		`"num_local_experts": 8`:                                 "num_local_experts",
		`"num_key_value_heads": 3`:                               "no multiple of num_key_value_heads 3",
		`"head_dim": 7`:                                          "head_dim 7",
		`"num_hidden_layers": 0`:                                 "num_hidden_layers is 0",
		`"rms_norm_eps": 0`:                                      "rms_norm_eps is 0",
		`"hidden_size": "big"`:                                   "hidden_size",
	} {
		_, err := llama.ParseConfig([]byte(config + ", " + extra + "}"))
		require.ErrorContains(t, err, want, extra)
	}
}

func TestGGUFConfig(t *testing.T) {
	meta := func() map[string]any {
		return map[string]any{
			"llama.embedding_length": uint32(64), "llama.feed_forward_length": uint32(128), "llama.block_count": uint32(2),
			"llama.attention.head_count": uint32(4), "llama.attention.head_count_kv": uint16(2), "llama.context_length": uint64(512),
			"llama.attention.layer_norm_rms_epsilon": float32(1e-5), "llama.rope.freq_base": float32(100000),
		}
	}
	c, err := llama.ConfigFromGGUF(meta(), 99)
	require.NoError(t, err)
	assert.Equal(t, 1e-5, c.RMSNormEps, "the decimal that was meant, not the float32")
	assert.Equal(t, []int{64, 2, 2, 16, 99, 512}, []int{c.HiddenSize, c.NumHiddenLayers, c.NumKeyValueHeads, c.HeadDim, c.VocabSize, c.MaxPositionEmbeddings})
	for key, value := range map[string]any{
		"llama.block_count": nil, "llama.embedding_length": "64", "llama.attention.head_count": 2.5, "llama.rope.scaling.type": "ntk",
		"llama.expert_count": uint32(8), "llama.attention.value_length": uint32(7),
	} {
		m := meta()
		m[key] = value
		if value == nil {
			delete(m, key)
		}
		_, err := llama.ConfigFromGGUF(m, 99)
		require.Error(t, err, key)
		require.True(t, strings.HasPrefix(err.Error(), "llama: GGUF: "), err)
	}
}
