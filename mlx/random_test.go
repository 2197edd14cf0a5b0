package mlx_test

import (
	"math"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRandomNumbersFollowTheirDistributions(t *testing.T) {
	const n = 200_000
	s := scope(t)
	keys := mlx.RandomSplit(mlx.RandomKey(s, 5), 8)
	moments := func(x *mlx.Array) (mean, variance float64) {
		m, err := mlx.Item[float32](mlx.Mean(mlx.AsType(x, mlx.Float32)))
		require.NoError(t, err)
		v, err := mlx.Item[float32](mlx.Var(mlx.AsType(x, mlx.Float32), 1))
		require.NoError(t, err)
		return float64(m), float64(v)
	}
	for name, c := range map[string]struct {
		x              *mlx.Array
		mean, variance float64
	}{
		"uniform":   {mlx.RandomUniform(keys[0], mlx.Scalar(s, float32(-1)), mlx.Scalar(s, float32(2)), mlx.Float32, n), 0.5, 9. / 12},
		"normal":    {mlx.RandomNormal(keys[1], 3, 2, mlx.Float32, n), 3, 4},
		"broadcast": {mlx.RandomNormalBroadcast(keys[1], mlx.Scalar(s, float32(3)), mlx.Scalar(s, float32(2)), mlx.Float32, n), 3, 4},
		"laplace":   {mlx.RandomLaplace(keys[2], 1, 2, mlx.Float32, n), 1, 8},
		"gumbel":    {mlx.RandomGumbel(keys[3], mlx.Float32, n), 0.5772157, math.Pi * math.Pi / 6},
		"bernoulli": {mlx.RandomBernoulli(keys[4], mlx.Scalar(s, float32(0.25)), n), 0.25, 0.1875},
		"randint":   {mlx.RandomRandint(keys[5], -3, 8, mlx.Int32, n), 2, 10},
		"bits":      {mlx.RandomBits(keys[6], 1, n), 127.5, 65535. / 12},
	} {
		mean, variance := moments(c.x)
		spread := 5 * math.Sqrt(c.variance/n) // five standard deviations of the mean
		assert.InDelta(t, c.mean, mean, spread, name)
		assert.InDelta(t, c.variance, variance, 0.03*c.variance, name)
	}
	order, err := mlx.Data[uint32](mlx.Sort(mlx.AsType(mlx.RandomPermutationArange(keys[7], 100), mlx.Uint32), 0))
	require.NoError(t, err)
	for i, x := range order {
		require.Equal(t, uint32(i), x)
	}
	for name, bad := range map[string]*mlx.Array{
		"no key": mlx.RandomNormal(nil, 0, 1, mlx.Float32, 2), "no key at all": mlx.RandomNormal(mlx.Ones(s, mlx.Float32, 2), 0, 1, mlx.Float32, 2),
		"an empty interval": mlx.RandomRandint(keys[0], 3, 3, mlx.Int32, 2), "integers": mlx.RandomNormal(keys[0], 0, 1, mlx.Int32, 2),
		"a width of 7": mlx.RandomBits(keys[0], 7, 2), "no keys": mlx.RandomSplit(keys[0], 0)[0], "nothing to draw from": mlx.RandomCategorical(keys[0], mlx.Zeros(s, mlx.Float32, 0), 0),
	} {
		require.Error(t, bad.Err(), name)
	}
}
