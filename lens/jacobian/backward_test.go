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

// below are all layers of a model but the last.
func below(m model.Model) []int {
	var layers []int
	for l := range m.Shape().Layers - 1 {
		layers = append(layers, l)
	}
	return layers
}

// requireGradients compares three rows with gradients of the whole model.
func requireGradients(t *testing.T, name string, m model.Model, length, skip int, ways map[int]way, parted map[int]*model.Parts) {
	t.Helper()
	layers, ids, d := below(m), someIDs(m, length), m.Shape().DModel
	b, err := newBackward(context.Background(), m, ids, layers, skip, ways, parted)
	require.NoError(t, err, name)
	defer b.Close()
	rows := []int{0, d / 2, d - 1}
	units := make([]float32, len(rows)*d)
	for i, r := range rows {
		units[i*d+r] = 1
	}
	got := map[int][]float32{}
	for _, l := range layers {
		got[l] = make([]float32, len(rows)*d)
	}
	scope := mlx.NewScope(m.Device())
	defer scope.Close()
	require.NoError(t, b.rows(context.Background(), mlx.FromSlice(scope, units, len(rows), d), func(layer, from int, x []float32) error {
		copy(got[layer][from*d:], x)
		return nil
	}), name)
	for i, r := range rows {
		for k, want := range wanted(t, m, ids, skip, r, layers) {
			if a := apart(got[layers[k]][i*d:(i+1)*d], want); !(a <= 1e-4) {
				t.Errorf("%s: row %d of layer %d: %g apart", name, r, layers[k], a)
			}
		}
	}
}

func TestRowsAreTheGradientOfTheWholeModel(t *testing.T) {
	rerunning := 0
	var closed []string
	for _, name := range modeltest.Sample(t) {
		m := modeltest.Architecture(t, name, nil)
		if m.Shape().Layers < 2 {
			continue
		}
		ways := map[int]way{}
		requireGradients(t, name, m, 13, 5, ways, nil)
		for at, w := range ways {
			if w == rerun {
				rerunning++
				require.NotContains(t, []string{"llama", "gpt2", "gemma", "qwen3-5-text"}, name, "block %d", at)
			}
		}
		if parts := partsOf(m, below(m)); parts != nil {
			closed = append(closed, name)
			requireGradients(t, name+" by its matrices", m, 13, 5, nil, parts)
			requireGradients(t, name+" by its matrices", m, 13, 0, nil, parts)
		}
	}
	require.NotZero(t, rerunning, "mixtures have products that MLX cannot map")
	require.Contains(t, closed, "llama")
	require.Contains(t, closed, "gemma")
}

// Of what is longer than a run, queries of each have pairs with keys of those before.
func TestRowsOfSeveralRunsAreTheGradientOfTheWholeModel(t *testing.T) {
	for _, name := range []string{"llama", "gemma"} {
		m := modeltest.Architecture(t, name, nil)
		for _, length := range []int{runLength + 2, 2*runLength + 9, 3*runLength + 1} {
			requireGradients(t, name, m, length, 3, nil, partsOf(m, below(m)))
		}
	}
}

func TestRowsAreTheSameOnAnyNumberOfLanes(t *testing.T) {
	m := modeltest.Architecture(t, "llama", nil)
	layers, d := below(m), m.Shape().DModel
	b, err := newBackward(context.Background(), m, someIDs(m, 2*runLength), layers, 3, nil, partsOf(m, layers))
	require.NoError(t, err)
	defer b.Close()
	b.piece = 4 * 3 * d * max(d, m.Shape().DMLP) // of three positions, and of some rows
	var all []map[int][]float32
	for range 3 {
		s, err := mlx.NewStream(m.Device())
		require.NoError(t, err)
		b.on = append(b.on, s)
	}
	several := b.on
	for _, b.on = range []lanes{several[:1], several[:2], several} {
		got := map[int][]float32{}
		for _, l := range layers {
			got[l] = make([]float32, d*d)
		}
		scope := mlx.NewScope(m.Device())
		require.NoError(t, b.rows(context.Background(), mlx.Identity(scope, d, mlx.Float32), func(layer, from int, x []float32) error {
			copy(got[layer][from*d:], x)
			return nil
		}))
		scope.Close()
		all = append(all, got)
	}
	require.Equal(t, all[0], all[1])
	require.Equal(t, all[0], all[2])
}
