package model_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
)

func TestGreatestComeInTheirOrder(t *testing.T) {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	at, values := model.Greatest(mlx.FromSlice(s, []float32{3, -1, 9, 4, 0, 2, 2.5, -7}, 2, 4), 3)
	require.NoError(t, at.Err())
	ids, err := mlx.Data[uint32](at)
	require.NoError(t, err)
	require.Equal(t, []uint32{2, 3, 0, 2, 1, 0}, ids)
	of, err := mlx.Data[float32](values)
	require.NoError(t, err)
	require.Equal(t, []float32{9, 4, 3, 2.5, 2, 0}, of)
}

// Of four experts in two groups, the second has the greater sum; the correction chooses and does
// not weigh.
func TestSigmoidRouterChoosesWithinGroupsAndWeighsWithoutItsCorrection(t *testing.T) {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	eye := &nn.Linear{Weight: mlx.Identity(s, 4, mlx.Float32)}
	r := &model.SigmoidRouter{Gate: eye, Correction: mlx.FromSlice(s, []float32{0, 0, 3, 1}), K: 1, Scale: 2, Groups: 2, Kept: 1}
	x := mlx.FromSlice(s, []float32{5, 5, 0, 1}, 1, 1, 4)
	experts, weights := r.Route(x, 0, &model.Pass{})
	ids, err := mlx.Data[uint32](experts)
	require.NoError(t, err)
	require.Equal(t, []uint32{2}, ids)
	w, err := mlx.Data[float32](weights)
	require.NoError(t, err)
	require.InDeltaSlice(t, []float32{1}, w, 1e-6) // 2·σ(0)
	r.Renormalize, r.K = true, 2
	_, weights = r.Route(x, 0, &model.Pass{})
	w, err = mlx.Data[float32](weights)
	require.NoError(t, err)
	require.InDelta(t, 2, w[0]+w[1], 1e-5)
}

// The correction prefers the expert of the smaller weight, which comes last nonetheless.
func TestSigmoidRouterGivesTheGreatestWeightFirst(t *testing.T) {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	r := &model.SigmoidRouter{
		Gate: &nn.Linear{Weight: mlx.Identity(s, 3, mlx.Float32)}, Correction: mlx.FromSlice(s, []float32{0, 5, 4}), K: 2, Renormalize: true, SumEps: 1, Scale: 1,
	}
	experts, weights := r.Route(mlx.FromSlice(s, []float32{9, 0, 1}, 1, 1, 3), 0, &model.Pass{})
	ids, err := mlx.Data[uint32](experts)
	require.NoError(t, err)
	require.Equal(t, []uint32{2, 1}, ids)
	w, err := mlx.Data[float32](weights)
	require.NoError(t, err)
	one := float32(1 / (1 + math.Exp(-1)))
	require.InDeltaSlice(t, []float32{one / (one + 1.5), 0.5 / (one + 1.5)}, w, 1e-6) // divided by their sum and SumEps
}

// Experts whose corrected scores are below 0 are chosen before those of another group.
func TestSigmoidRouterChoosesOfKeptGroupsAloneAndPutsTheGreatestWeightFirst(t *testing.T) {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	r := &model.SigmoidRouter{
		Gate: &nn.Linear{Weight: mlx.Identity(s, 4, mlx.Float32)}, Correction: mlx.FromSlice(s, []float32{-4, -3, -9, -9}), K: 2, Scale: 1, Groups: 2, Kept: 1,
	}
	experts, weights := r.Route(mlx.FromSlice(s, []float32{2, 0, 5, 5}, 1, 1, 4), 0, &model.Pass{})
	ids, err := mlx.Data[uint32](experts)
	require.NoError(t, err)
	require.Equal(t, []uint32{0, 1}, ids) // the correction puts 1 before 0
	w, err := mlx.Data[float32](weights)
	require.NoError(t, err)
	require.InDeltaSlice(t, []float32{0.880797, 0.5}, w, 1e-6)
}
