package model_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
)

// counted is a block that adds 1, and counts how often it is built.
type counted struct{ built *[]int }

func (c counted) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	*c.built = append(*c.built, layer)
	x = pass.At(model.ResidPre, layer, x)
	return pass.At(model.ResidPost, layer, mlx.Shift(x, 1))
}

type plain struct{ built *[]int }

func (p plain) Forward(x *mlx.Array) *mlx.Array {
	*p.built = append(*p.built, -1)
	return x
}

func TestAPassBuildsNothingBehindWhatItReaches(t *testing.T) {
	scope := mlx.NewScope(mlx.CPU)
	defer scope.Close()
	var built []int
	d := &model.Transformer{
		Embedding: &nn.Embedding{Weight: mlx.Zeros(mlx.On(mlx.CPU), mlx.Float32, 5, 2)},
		Blocks:    []model.Block{counted{&built}, counted{&built}, counted{&built}},
		Norm:      plain{&built},
		Sizes:     model.Shape{Layers: 3},
	}
	defer d.Embedding.Weight.Free()
	for _, c := range []struct {
		to    model.Place
		built []int // −1: the final norm
		value float32
		width int
	}{
		{model.Place{Site: model.Embed}, nil, 0, 2},
		{model.Place{Site: model.ResidPre}, []int{0}, 1, 2},
		{model.Place{Site: model.ResidPost, Layer: 1}, []int{0, 1}, 2, 2},
		{model.Place{Site: model.ResidPost, Layer: 2}, []int{0, 1, 2}, 3, 2},
		{model.Place{Site: model.FinalNormOut}, []int{0, 1, 2, -1}, 0, 5},
		{model.Place{Site: model.Logits}, []int{0, 1, 2, -1}, 0, 5},
	} {
		built = nil
		out := model.Reach(d, model.Tokens(scope, []int{1, 2}), nil, nil, []model.Place{{Site: model.Embed}, c.to})
		require.Equal(t, c.built, built, "%v", c.to)
		require.Equal(t, []int{1, 2, c.width}, out.Shape())
		data, err := mlx.Data[float32](out)
		require.NoError(t, err)
		require.Equal(t, c.value, data[0])
	}
}

func TestACacheIsForPassesThroughTheSameBlocks(t *testing.T) {
	scope := mlx.NewScope(mlx.CPU)
	defer scope.Close()
	weights := model.NewWeights(mlx.CPU)
	defer weights.Free()
	d := &model.Transformer{
		Embedding: &nn.Embedding{Weight: weights.Hold(mlx.Zeros(mlx.On(mlx.CPU), mlx.Float32, 5, 2))},
		Blocks:    []model.Block{counted{new([]int)}, counted{new([]int)}},
		Norm:      plain{new([]int)},
		Sizes:     model.Shape{Layers: 2},
		Weights:   weights,
	}
	cache := model.NewCache(d)
	require.NoError(t, mlx.Eval(d.Stream(model.Tokens(scope, []int{1, 2}), cache, nil, 1)))
	require.Equal(t, 2, cache.Len())
	err := mlx.Eval(d.Stream(model.Tokens(scope, []int{3}), cache, nil, 2))
	require.ErrorContains(t, err, "filled by passes through 1 blocks, and this one goes through 2")
	require.Equal(t, 2, cache.Len(), "a pass that was refused adds nothing")
	cache.Close()
	require.NoError(t, mlx.Eval(d.Stream(model.Tokens(scope, []int{3}), cache, nil, 2)))
}

func TestATapThatWantsNothingInParticularSeesEverything(t *testing.T) {
	m := modeltest.Tiny(t)
	scope := mlx.NewScope(m.Device())
	defer scope.Close()
	var seen []model.Place
	tap := &model.Tap{Visit: func(at model.Place, x *mlx.Array) *mlx.Array {
		seen = append(seen, at)
		return x
	}}
	everything := func(blocks int, on bool) []model.Place {
		var all []model.Place
		for _, site := range m.Paths().Sites() {
			for layer := range blocks {
				if site.PerLayer() {
					all = append(all, model.Place{Site: site, Layer: layer})
				}
			}
			if !site.PerLayer() && (on || site == model.Embed) {
				all = append(all, model.Place{Site: site})
			}
		}
		return model.InForwardOrder(all)
	}
	tokens := model.Tokens(scope, modeltest.Sixty[:4])

	require.NoError(t, m.Stream(tokens, nil, tap, 2).Err())
	require.ElementsMatch(t, everything(2, false), seen)
	for _, c := range []struct {
		to     model.Place
		blocks int
		on     bool
	}{
		{model.Place{Site: model.Embed}, 0, false},
		{model.Place{Site: model.Q, Layer: 1}, 2, false}, // a block is built whole
		{model.Place{Site: model.Logits}, 3, true},
	} {
		seen = nil
		require.NoError(t, model.Reach(m, tokens, nil, tap, []model.Place{c.to}).Err())
		require.ElementsMatch(t, everything(c.blocks, c.on), seen, "to %s", c.to)
	}
	require.Len(t, seen, 3*len(m.Paths().Sites())-2*3, "three layers, and three sites outside them")
}

// What each layer lacks the model does, and says so once; nothing is another module's output then.
func TestWhatAllLayersLackTheModelLacks(t *testing.T) {
	d := &model.Transformer{
		Sizes: model.Shape{Layers: 2}, Modules: map[model.Site]string{model.Pattern: "model.layers.%d.attn"}, Lacks: map[model.Site]string{},
	}
	d.Lack(0, "it convolves", model.Pattern)
	require.ErrorContains(t, d.Check(model.Place{Site: model.Pattern}), "layer 0 has no pattern: it convolves (it is in layers 1)")
	require.NoError(t, d.Check(model.Place{Site: model.Pattern, Layer: 1}))
	d.Lack(1, "it has a state", model.Pattern)
	require.EqualError(t, d.Check(model.Place{Site: model.Pattern}), "model: this architecture has no pattern: it has a state")
	require.Empty(t, d.Modules)
	require.NotContains(t, d.Paths().Sites(), model.Pattern)
}
