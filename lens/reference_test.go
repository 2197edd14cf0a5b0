package lens_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/model/load"
)

// drawn returns n states like those between blocks.
func drawn(scope *mlx.Scope, m model.Model, seed uint64, n int) *mlx.Array {
	return mlx.RandomNormal(mlx.RandomKey(scope, seed), 0, 1, mlx.Float32, n, m.Shape().DModel)
}

// The gradient is (q − p) led back through unembedding and norm; here MLX derives the loss itself. Heads: plain, packed,
// with a bias, scaled, soft-capped.
func TestTheGradientOfKLIsWhatMLXDerives(t *testing.T) {
	for _, name := range []string{"llama", "affine-4bit-group32", "phi", "cohere", "gemma2", "gpt2"} {
		m := modeltest.Build(t, modeltest.Recorded(t, name), auto.Options{Weights: load.Packed})
		scope := mlx.NewScope(m.Device())
		last, h := drawn(scope, m, 1, 3), drawn(scope, m, 2, 3)
		final, err := lens.NewReference(m, last)
		require.NoError(t, err)
		kl, gradient := final.Gradient(h)
		compared, same := final.Compare(h)
		logP := logSoftmax(model.ToLogits(m, last))
		loss := func(x []*mlx.Array) []*mlx.Array {
			kl := mlx.Sum(mlx.Multiply(mlx.Exp(logP), mlx.Subtract(logP, logSoftmax(model.ToLogits(m, x[0])))), -1)
			return []*mlx.Array{mlx.Sum(kl)}
		}
		value, derived := mlx.ValueAndGrad(loss, 0)(h)
		require.InDelta(t, data(t, value[0])[0], sum(data(t, kl)), 1e-5, name)
		require.Equal(t, data(t, kl), data(t, compared), name)
		onDevice, gradientOnDevice := final.OnDevice().Gradient(h)
		require.InDeltaSlice(t, data(t, kl), data(t, onDevice), 1e-5, name)
		require.InDeltaSlice(t, data(t, gradient), data(t, gradientOnDevice), 2e-6, name)
		want, got := data(t, derived[0]), data(t, gradient)
		require.Greater(t, slices.Max(want), 1e-4, name)
		require.InDeltaSlice(t, want, got, 2e-6, name)
		best := func(h *mlx.Array) []float64 {
			return data(t, mlx.AsType(mlx.Argmax(model.ToLogits(m, h), -1), mlx.Float32))
		}
		for i, agrees := range data(t, mlx.AsType(same, mlx.Float32)) {
			require.Equal(t, best(last)[i] == best(h)[i], agrees == 1, name)
		}
		scope.Close()
	}
}

func logSoftmax(z *mlx.Array) *mlx.Array {
	z = mlx.AsType(z, mlx.Float32)
	return mlx.Subtract(z, mlx.KeepDims(mlx.LogSumExp, z, -1))
}

func data(t *testing.T, a *mlx.Array) []float64 {
	t.Helper()
	xs, err := mlx.Data[float32](a)
	require.NoError(t, err)
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = float64(x)
	}
	return out
}

func sum(xs []float64) (total float64) {
	for _, x := range xs {
		total += x
	}
	return total
}

// What is read of sequences together is what the lens reads of each alone.
func TestSequencesTogetherGiveTheKLOfEach(t *testing.T) {
	m := tiny(t)
	sequences := [][]int{{1, 2, 3, 4, 5}, {9}, {7, 7, 500, 30}}
	places := []model.Place{{Site: model.ResidPost, Layer: 2}, {Site: model.ResidPost, Layer: 0}} // the first is what the model decodes
	sums, positions := make([]float64, len(places)), 0
	err := lens.Against(context.Background(), m, sequences, places, func(final *lens.Reference, states []*mlx.Array) error {
		positions += states[0].Dim(0)
		for i, h := range states {
			kl, _ := final.Compare(h)
			sums[i] += sum(data(t, kl))
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 10, positions)
	want := 0.0
	for _, ids := range sequences {
		g, err := lens.Run(context.Background(), m, edit.Input{IDs: ids}, lens.Options{Layers: []int{0}})
		require.NoError(t, err)
		for _, cell := range g.Cells[0] {
			want += cell.KL
		}
	}
	require.Zero(t, sums[0])
	require.InDelta(t, want, sums[1], 1e-5*math.Abs(want))
}
