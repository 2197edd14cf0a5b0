package model_test

import (
	"testing"

	"github.com/stretchr/testify/require"

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

func TestUntilBuildsNothingBehindItsLayer(t *testing.T) {
	scope := mlx.NewScope(mlx.CPU)
	defer scope.Close()
	var built []int
	d := &model.Decoder{
		Embedding: &nn.Embedding{Weight: mlx.Zeros(mlx.On(mlx.CPU), mlx.Float32, 5, 2)},
		Blocks:    []model.Block{counted{&built}, counted{&built}, counted{&built}},
		FinalGain: plain{&built},
	}
	defer d.Embedding.Weight.Free()
	for _, c := range []struct {
		until *model.Place
		built []int // −1: the final norm
		value float32
		width int
	}{
		{&model.Place{Site: model.Embed}, nil, 0, 2},
		{&model.Place{Site: model.ResidPre}, []int{0}, 1, 2},
		{&model.Place{Site: model.ResidPost, Layer: 1}, []int{0, 1}, 2, 2},
		{&model.Place{Site: model.ResidPost, Layer: 2}, []int{0, 1, 2}, 3, 2},
		{&model.Place{Site: model.FinalNormOut}, []int{0, 1, 2, -1}, 3, 2},
		{&model.Place{Site: model.Logits}, []int{0, 1, 2, -1}, 0, 5},
		{nil, []int{0, 1, 2, -1}, 0, 5},
	} {
		built = nil
		tap := &model.Tap{Wanted: func(model.Site, int) bool { return false }, Until: c.until}
		out := d.Forward(model.Tokens(scope, []int{1, 2}), nil, tap)
		require.Equal(t, c.built, built, "%v", c.until)
		require.Equal(t, []int{1, 2, c.width}, out.Shape())
		data, err := mlx.Data[float32](out)
		require.NoError(t, err)
		require.Equal(t, c.value, data[0])
	}
}
