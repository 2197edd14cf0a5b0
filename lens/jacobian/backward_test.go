package jacobian

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// someIDs are ids of a model.
func someIDs(m model.Model, n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = (i*i*7 + 3*i + 5) % m.Shape().DVocab
	}
	return ids
}

// wanted is row r of J of a prompt by one gradient of the whole model: of Σ_{t'∈V} h_last[t', r], by the stream
// behind each layer.
func wanted(t *testing.T, m model.Model, ids []int, skip, r int, layers []int) [][]float32 {
	t.Helper()
	scope := mlx.NewScope(m.Device())
	defer scope.Close()
	var wrt []model.Place
	for _, l := range layers {
		wrt = append(wrt, model.Place{Site: model.ResidPost, Layer: l})
	}
	last := model.Place{Site: model.ResidPost, Layer: m.Shape().Layers - 1}
	_, gradients, err := model.Gradient(m, model.Tokens(scope, ids), nil, model.Objective{
		Places: []model.Place{last},
		Of: func(y []*mlx.Array) *mlx.Array {
			of := mlx.Slice(y[0], 1, mlx.Between(skip, len(ids)-1))
			return mlx.Sum(mlx.AsType(mlx.Slice(of, 2, mlx.Between(r, r+1)), mlx.Float32))
		},
	}, wrt)
	require.NoError(t, err)
	var rows [][]float32
	for _, g := range gradients {
		x, err := mlx.Data[float32](mlx.Mean(mlx.Slice(g, 1, mlx.Between(skip, len(ids)-1)), 1))
		require.NoError(t, err)
		rows = append(rows, x)
	}
	return rows
}

// apart is the largest difference, as a part of the largest number.
func apart(got, want []float32) float64 {
	most, largest := 0.0, 0.0
	for i := range want {
		most = max(most, math.Abs(float64(got[i]-want[i])))
		largest = max(largest, math.Abs(float64(want[i])))
	}
	return most / largest
}

func TestRowsAreTheGradientOfTheWholeModel(t *testing.T) {
	const skip, length = 5, 13
	rerunning := 0
	for _, name := range modeltest.Sample(t) {
		m := modeltest.Architecture(t, name, nil)
		n := m.Shape().Layers
		if n < 2 {
			continue
		}
		ids, ways := someIDs(m, length), map[int]way{}
		var layers []int
		for l := range n - 1 {
			layers = append(layers, l)
		}
		b, err := newBackward(context.Background(), m, ids, layers, skip, ways)
		require.NoError(t, err, name)
		d := m.Shape().DModel
		rows := []int{0, d / 2, d - 1}
		units := make([]float32, len(rows)*d)
		for i, r := range rows {
			units[i*d+r] = 1
		}
		got := map[int][]float32{}
		scope := mlx.NewScope(m.Device())
		require.NoError(t, b.rows(context.Background(), mlx.FromSlice(scope, units, len(rows), d), func(layer int, x []float32) error {
			got[layer] = x
			return nil
		}), name)
		for i, r := range rows {
			for k, want := range wanted(t, m, ids, skip, r, layers) {
				if a := apart(got[layers[k]][i*d:(i+1)*d], want); !(a <= 1e-4) {
					t.Errorf("%s: row %d of layer %d: %g apart", name, r, layers[k], a)
				}
			}
		}
		for at, w := range ways {
			if w == rerun {
				rerunning++
				require.NotContains(t, []string{"llama", "gpt2", "gemma", "qwen3-5-text"}, name, "block %d", at)
			}
		}
		scope.Close()
		b.Close()
	}
	require.NotZero(t, rerunning, "mixtures have products that MLX cannot map")
}
