package nn_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

func floats(t *testing.T, a *mlx.Array) []float32 {
	t.Helper()
	xs, err := mlx.Data[float32](a)
	require.NoError(t, err)
	return xs
}

// The numbers are those of mlx 0.32.2:
//
//	p = {"w": mx.array([1.0, -2.0, 0.5])}
//	o = mlx.optimizers.AdamW(learning_rate=0.1)
//	for i in range(5): p = o.apply_gradients({"w": mx.array([0.1*(i+1), -0.2, 0.3*(i-2)])}, p)
func TestAdamWStepsAsMLXDoes(t *testing.T) {
	want := [][]float32{
		{0.682773232460022, -1.6817727088928223, 0.8157275915145874},
		{0.2719280421733856, -1.2551321983337402, 1.211050033569336},
		{-0.20257660746574402, -0.7588540315628052, 1.5665416717529297},
		{-0.7249922156333923, -0.213934063911438, 1.728864312171936},
		{-1.2849881649017334, 0.3659933805465698, 1.641169548034668},
	}
	device := mlx.On(mlx.CPU)
	params := []*mlx.Array{mlx.FromSlice(device, []float32{1, -2, 0.5})}
	adam := nn.NewAdamW(0.1)
	for i, w := range want {
		f := float32(i)
		var err error
		params, err = adam.Step(params, []*mlx.Array{mlx.FromSlice(device, []float32{0.1 * (f + 1), -0.2, 0.3 * (f - 2)})})
		require.NoError(t, err)
		assert.InDeltaSlice(t, w, floats(t, params[0]), 2e-6, "step %d", i+1)
	}
}

func TestStepsHoldNoMoreThanTheyNeed(t *testing.T) {
	device := mlx.On(mlx.CPU)
	params := []*mlx.Array{mlx.Ones(device, mlx.Float32, 1000)}
	adam := nn.NewAdamW(0.01)
	var after int
	for i := range 1000 {
		s := device.NewScope()
		_, grads := mlx.ValueAndGrad(func(p []*mlx.Array) []*mlx.Array {
			return []*mlx.Array{mlx.Mean(mlx.Square(mlx.Multiply(p[0], p[1])))}
		})(append(params, mlx.Ones(s, mlx.Float32, 1000))...)
		var err error
		params, err = adam.Step(params, grads)
		require.NoError(t, err)
		s.Close()
		if i == 10 {
			after = mlx.ActiveMemory()
		}
	}
	require.LessOrEqual(t, mlx.ActiveMemory(), after+1<<16)
}

func TestAMissingGradientIsAnError(t *testing.T) {
	device := mlx.On(mlx.CPU)
	sgd := nn.SGD{LearningRate: 0.1}
	_, err := sgd.Step([]*mlx.Array{mlx.Ones(device, mlx.Float32, 2)}, nil)
	require.Error(t, err)
	_, err = sgd.Step([]*mlx.Array{mlx.Ones(device, mlx.Float32, 2)}, []*mlx.Array{mlx.Ones(device, mlx.Float32, 3)})
	require.ErrorIs(t, err, mlx.ErrShape)
}

func TestANewLinearIsItsEquation(t *testing.T) {
	device := mlx.On(mlx.CPU)
	l := nn.NewLinear(mlx.RandomKey(device, 3), 4, 2, true)
	w, b := floats(t, l.Weight), floats(t, l.Bias)
	for _, x := range append(w, b...) {
		require.LessOrEqual(t, math.Abs(float64(x)), 0.5, "±1/√4")
	}
	x := []float32{1, -2, 3, 0.5}
	got := floats(t, l.Forward(mlx.FromSlice(device, x, 1, 4)))
	for o := range 2 {
		want := b[o]
		for i := range x {
			want += w[4*o+i] * x[i]
		}
		require.InDelta(t, want, got[o], 1e-5)
	}
	loss, err := mlx.Item[float32](nn.CrossEntropy(mlx.FromSlice(device, []float32{0, 0, 5, 0}, 2, 2), mlx.FromSlice(device, []int32{1, 0})))
	require.NoError(t, err)
	require.InDelta(t, (math.Ln2+math.Log1p(math.Exp(-5)))/2, loss, 1e-5)
}
