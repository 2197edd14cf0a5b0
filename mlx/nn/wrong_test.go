package nn_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// No layer and no loss ends the program for a wrong operand: its error, or one of its own, is
// the result's.
func TestWrongOperandsAreErrors(t *testing.T) {
	s := scope(t)
	failed := mlx.Add(mlx.Ones(s, mlx.Float32, 2), mlx.Ones(s, mlx.Float32, 3))
	freed := mlx.Ones(s, mlx.Float32, 2, 2)
	freed.Free()
	for name, x := range map[string]*mlx.Array{"nil": nil, "failed": failed, "freed": freed} {
		for layer, make := range makers() {
			if layer == "identity" {
				continue
			}
			k := nn.NewKeys(s, 1)
			for _, y := range make(k).forward([]*mlx.Array{x, x, x, x, x}) {
				require.Error(t, mlx.Eval(y), "%s of %s", layer, name)
			}
		}
		for loss, f := range lossMakers {
			require.Error(t, mlx.Eval(f([]*mlx.Array{x, x, x}, nn.LossOptions{})), "%s of %s", loss, name)
		}
		up := &nn.Upsample{Factors: []float64{2}}
		require.Error(t, mlx.Eval(up.Forward(x)))
	}
}

// A freed array has no shape: what is wrong with it is that it was freed.
func TestUsesOfAFreedArraySaySo(t *testing.T) {
	s := scope(t)
	x := func(shape ...int) *mlx.Array { return mlx.Ones(s, mlx.Float32, shape...) }
	freed := x(2, 2)
	freed.Free()
	out, _ := nn.NewLSTM(nn.NewKeys(s, 1), 7, 2, true).Forward(freed, nil, nil)
	for _, y := range []*mlx.Array{out, nn.MSE(freed, x(3)), nn.Huber(x(3), freed, 1)} {
		require.ErrorIs(t, y.Err(), mlx.ErrFreed)
	}
	l := nn.NewLinear(nn.NewKeys(s, 1), 2, 2, false)
	m := nn.NewModel(l)
	require.ErrorContains(t, m.Assign(nn.Params{"weight": freed}), "failed: weight: mlx: positive: operand 1 was freed")
	adam := nn.NewOptimizer(nn.NewAdam(), nn.Constant(.1))
	for _, p := range []nn.Params{{"w": freed}, {"w": x(2, 2)}} {
		_, err := adam.Apply(p, nn.Params{"w": freed})
		require.ErrorContains(t, err, "failed: w: mlx: positive: operand 1 was freed")
	}
	_, err := adam.Apply(nn.Params{"w": freed}, nn.Params{"w": x(2, 2)})
	require.ErrorContains(t, err, "was freed")
	l.Weight = freed
	require.Contains(t, m.Trainable(), "weight")
	loss, _ := m.ValueAndGrad(func(b []*mlx.Array) *mlx.Array { return nn.MSE(l.Forward(b[0]), b[0]) })(x(2, 2))
	require.ErrorIs(t, loss.Err(), mlx.ErrFreed)
	l.Weight = mlx.Scalar(s, float32(1))
	require.Contains(t, m.Trainable(), "weight")
}

func TestWrongShapesAreErrorsThatSayWhatIsWanted(t *testing.T) {
	s := scope(t)
	k := nn.NewKeys(s, 1)
	x := func(shape ...int) *mlx.Array { return mlx.Ones(s, mlx.Float32, shape...) }
	batchNorm := nn.NewBatchNorm(k, 4)
	for text, y := range map[string]*mlx.Array{
		"group_norm: x [2 5] in 2 groups":                           nn.NewGroupNorm(k, 2, 4).Forward(x(2, 5)),
		"instance_norm: x [2 4]":                                    nn.NewInstanceNorm(k, 4, false).Forward(x(2, 4)),
		"batch_norm: x [1 2 3 4 4] (want: two to four axes)":        batchNorm.Forward(x(1, 2, 3, 4, 4)),
		"batch_norm: x [1 4] has one value for each feature":        batchNorm.Forward(x(1, 4)),
		"dropout2d: x [2 4] (want: 3 or 4 axes)":                    (&nn.Dropout2D{Dropout: nn.Dropout{P: 0.5, Keys: k}}).Forward(x(2, 4)),
		"dropout: a probability of 1":                               (&nn.Dropout{P: 1, Keys: k}).Forward(x(2)),
		"there are no keys to draw random numbers with":             (&nn.Dropout{P: 0.5}).Forward(x(2)),
		"max_pool: x [2 4] with kernel [2]":                         nn.NewMaxPool(2).Forward(x(2, 4)),
		"avg_pool: a window of 5, stride 5 and padding 0 on axis 1": nn.NewAvgPool(5).Forward(x(1, 4, 2)),
		"upsample: x [2 4] with factors [2]":                        nn.NewUpsample(2).Forward(x(2, 4)),
		"upsample: a factor of 0.1 for an axis of 4":                nn.NewUpsample(0.1).Forward(x(1, 4, 1)),
		`upsample: there is no mode "best"`:                         (&nn.Upsample{Factors: []float64{2}, Mode: "best"}).Forward(x(1, 4, 1)),
		`upsample: antialiasing in mode "nearest"`:                  (&nn.Upsample{Factors: []float64{2}, Mode: nn.Nearest, Antialias: true}).Forward(x(1, 4, 1)),
		"conv: 5 channels in 2 groups (want: a multiple)":           nn.NewConv(k, 5, 4, []int{3}, true, mlx.Conv{Groups: 2}).Forward(x(1, 4, 5)),
		"conv: weight [2 2] (want: one to three axes":               (&nn.Conv{Weight: x(2, 2)}).Forward(x(1, 4, 2)),
		"recurrent: x [4] (want: [... pos in]":                      nn.NewRNN(k, 4, 3, true).Forward(x(4), nil),
		"multi_head_attention: [2 3 4] in 3 heads":                  nn.NewMultiHeadAttention(k, 3, nn.AttentionDims{Model: 4}).Forward(x(2, 3, 4), x(2, 3, 4), x(2, 3, 4), nil),
		"alibi: scores [2 3] from position 0":                       nn.ALiBi{}.Forward(x(2, 3), 0, nil),
		"sinusoidal_positional_encoding: 5 dimensions":              nn.NewSinusoidalPositionalEncoding(s, 5).Forward(x(2)),
		"additive_causal_mask: a mask of int32":                     nn.AdditiveCausalMask(s, 3, mlx.Int32),
		"init_identity: shape [2 3] (want: a square matrix)":        nn.InitIdentity(mlx.Float32)(k, 2, 3),
		"init_he_normal: shape [2] (want: two axes or more)":        nn.InitHeNormal(nn.FanIn, 1, mlx.Float32)(k, 2),
		"init_orthogonal: shape [2] (want: a matrix)":               nn.InitOrthogonal(1, mlx.Float32)(k, 2),
		"init_sparse: shape [2 2], sparsity 2":                      nn.InitSparse(2, 0, 1, mlx.Float32)(k, 2, 2),
		"bilinear: weight [2] and x [3]":                            (&nn.Bilinear{Weight: x(2)}).Forward(x(3), x(3)),
	} {
		require.ErrorContains(t, y.Err(), text)
	}
	_, norm := nn.ClipGradNorm(nn.Params{"a": x(2)}, -1)
	require.ErrorContains(t, norm.Err(), "a norm of at most -1")
}

// A view whose rows do not lie in a row in memory.
func TestPoolsOfATransposedArray(t *testing.T) {
	s := scope(t)
	x := mlx.Transpose(drawn(s, "x", 0, 1, mlx.Float32, 2, 3, 6, 4), 0, 2, 3, 1)
	same := mlx.Contiguous(x)
	for _, p := range []nn.Layer{nn.NewMaxPool(2), &nn.AvgPool{Pool: odd}} {
		require.Equal(t, values(t, p.Forward(same)), values(t, p.Forward(x)))
	}
}

// The least number of the type, and nothing that is not a number.
func TestAnAdditiveCausalMaskHidesWhatComesAfter(t *testing.T) {
	s := scope(t)
	for d, least := range map[mlx.Dtype]float32{mlx.Float32: -0x1.fffffep127, mlx.Float16: -65504, mlx.BFloat16: -0x1.fep127} {
		m := nn.AdditiveCausalMask(s, 3, d)
		require.Equal(t, d, m.Dtype())
		require.Equal(t, []float32{0, least, least, 0, 0, least, 0, 0, 0}, values(t, m))
	}
}
