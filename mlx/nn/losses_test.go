package nn_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// lossFunc is a loss of a recorded case's operands.
type lossFunc = func(in []*mlx.Array, o nn.LossOptions) *mlx.Array

func at(axis int, o nn.LossOptions) nn.LossOptions {
	o.Axis = &axis
	return o
}

func weighted(w *mlx.Array, o nn.LossOptions) nn.LossOptions {
	o.Weights = w
	return o
}

// two and three take a loss of so many operands.
func two(f func(a, b *mlx.Array, how ...nn.LossOptions) *mlx.Array) lossFunc {
	return func(in []*mlx.Array, o nn.LossOptions) *mlx.Array { return f(in[0], in[1], o) }
}

var lossMakers = map[string]lossFunc{
	"cross_entropy": two(nn.CrossEntropy),
	"cross_entropy weights": func(in []*mlx.Array, o nn.LossOptions) *mlx.Array {
		return nn.CrossEntropy(in[0], in[1], weighted(in[2], o))
	},
	"cross_entropy smoothing": func(in []*mlx.Array, o nn.LossOptions) *mlx.Array {
		return nn.SmoothCrossEntropy(in[0], in[1], 0.3, o)
	},
	"cross_entropy probabilities": func(in []*mlx.Array, o nn.LossOptions) *mlx.Array {
		return nn.SmoothCrossEntropy(in[0], in[1], 0.1, o)
	},
	"cross_entropy axis": func(in []*mlx.Array, o nn.LossOptions) *mlx.Array {
		return nn.CrossEntropy(in[0], in[1], at(1, o))
	},
	"binary_cross_entropy": two(nn.BinaryCrossEntropy),
	"binary_cross_entropy weights": func(in []*mlx.Array, o nn.LossOptions) *mlx.Array {
		return nn.BinaryCrossEntropy(in[0], in[1], weighted(in[2], o))
	},
	"binary_cross_entropy of": func(in []*mlx.Array, o nn.LossOptions) *mlx.Array {
		return nn.BinaryCrossEntropyOf(mlx.Shift(mlx.Scale(in[0], 0.2), 0.5), in[1], o)
	},
	"nll": two(nn.NLL),
	"gaussian_nll": func(in []*mlx.Array, o nn.LossOptions) *mlx.Array {
		return nn.GaussianNLL(in[0], in[1], in[2], nn.GaussianOptions{LossOptions: o})
	},
	"gaussian_nll full": func(in []*mlx.Array, o nn.LossOptions) *mlx.Array {
		return nn.GaussianNLL(in[0], in[1], in[2], nn.GaussianOptions{LossOptions: o, Full: true, Eps: 0.5})
	},
	"kl_divergence":     two(nn.KLDivergence),
	"mse":               two(nn.MSE),
	"l1":                two(nn.L1),
	"smooth_l1":         func(in []*mlx.Array, o nn.LossOptions) *mlx.Array { return nn.SmoothL1(in[0], in[1], 0.7, o) },
	"huber":             func(in []*mlx.Array, o nn.LossOptions) *mlx.Array { return nn.Huber(in[0], in[1], 0.7, o) },
	"log_cosh":          two(nn.LogCosh),
	"hinge":             two(nn.Hinge),
	"cosine_similarity": two(nn.CosineSimilarity),
	"cosine_similarity axis": func(in []*mlx.Array, o nn.LossOptions) *mlx.Array {
		return nn.CosineSimilarity(in[0], in[1], at(0, o))
	},
	"margin_ranking": func(in []*mlx.Array, o nn.LossOptions) *mlx.Array {
		return nn.MarginRanking(in[0], in[1], in[2], 0.2, o)
	},
	"triplet": func(in []*mlx.Array, o nn.LossOptions) *mlx.Array {
		return nn.Triplet(in[0], in[1], in[2], nn.TripletOptions{LossOptions: o})
	},
	"triplet constants": func(in []*mlx.Array, o nn.LossOptions) *mlx.Array {
		return nn.Triplet(in[0], in[1], in[2], nn.TripletOptions{LossOptions: at(0, o), P: 3, Margin: 2})
	},
}

func TestLossesComputeWhatMLXNNRecorded(t *testing.T) {
	var cases []recorded
	load(t, "losses", &cases)
	require.Len(t, cases, 3*len(lossMakers))
	s := scope(t)
	for _, c := range cases {
		i := strings.LastIndexByte(c.Name, ' ')
		f, ok := lossMakers[c.Name[:i]]
		require.True(t, ok, c.Name)
		o := nn.LossOptions{Reduction: map[string]nn.Reduction{"none": nn.ReduceNone, "mean": nn.ReduceMean, "sum": nn.ReduceSum}[c.Name[i+1:]]}
		var in []*mlx.Array
		for _, x := range c.In {
			in = append(in, x.array(t, s))
		}
		agree(t, c.Name, c.Out[0], f(in, o))
		grads := mlx.Grad(func(a []*mlx.Array) []*mlx.Array { return []*mlx.Array{mlx.Sum(f(a, o))} })(in...)
		agree(t, c.Name+": gradient", c.Grads["0"], grads[0])
	}
	told(t)
}

func TestALossRefusesWhatDoesNotFit(t *testing.T) {
	s := scope(t)
	x, y := mlx.Ones(s, mlx.Float32, 2, 3), mlx.Ones(s, mlx.Float32, 3, 2)
	classes := mlx.Zeros(s, mlx.Int32, 2)
	for text, loss := range map[string]*mlx.Array{
		"mse: operands of shapes [2 3] and [3 2] (want: one shape)":                 nn.MSE(x, y),
		"cross_entropy: targets [3 2] for logits [2 3] along axis -1 (want: [2 3])": nn.CrossEntropy(x, y),
		"cross_entropy: axis 2 of logits [2 3]":                                     nn.CrossEntropy(x, classes, at(2, nn.LossOptions{})),
		"cross_entropy: label smoothing 1 (have: 0 up to, and without, 1)":          nn.SmoothCrossEntropy(x, classes, 1),
		"cross_entropy: weights of shape [2 3] for losses of [2]":                   nn.CrossEntropy(x, classes, nn.LossOptions{Weights: x}),
		"l1: there is no reduction 7 (have: ReduceMean, ReduceSum, ReduceNone)":     nn.L1(x, x, nn.LossOptions{Reduction: 7}),
		"mse: 2 options (have: one at most)":                                        nn.MSE(x, x, nn.LossOptions{}, nn.LossOptions{}),
	} {
		require.ErrorContains(t, loss.Err(), text)
	}
	require.ErrorIs(t, nn.MSE(x, y).Err(), mlx.ErrShape)
	require.Error(t, nn.MSE(nil, y).Err())
}

// Labels that come from Go data are checked before the graph is built, inside a gradient too.
func TestALabelBeyondTheClassesIsAnError(t *testing.T) {
	s := scope(t)
	x := mlx.Zeros(s, mlx.Float32, 2, 3)
	labels := mlx.FromSlice(s, []int32{0, 3})
	loss := func(a []*mlx.Array) []*mlx.Array { return []*mlx.Array{nn.CrossEntropy(a[0], a[1])} }
	for name, y := range map[string]*mlx.Array{
		"loss": nn.CrossEntropy(x, labels), "smooth": nn.SmoothCrossEntropy(x, labels, 0.1), "nll": nn.NLL(x, labels), "gradient": mlx.Grad(loss)(x, labels)[0],
		"axis 0": nn.CrossEntropy(mlx.Transpose(x), labels, nn.LossOptions{Axis: new(int)}),
	} {
		require.ErrorIs(t, y.Err(), mlx.ErrIndex, name)
		require.ErrorContains(t, y.Err(), "indices from 0 to 3 along axis", name)
	}
}
