package mlx_test

import (
	"fmt"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// empties make [0 2] or [2 0] out of arrays that have elements, or of such that have none.
var empties = map[string]func(s *mlx.Scope, x *mlx.Array) *mlx.Array{
	"slice":    func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Slice(x, 0, mlx.Between(2, 2)) },
	"backward": func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Slice(x, 0, mlx.Between(3, 1)) },
	"index":    func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Index(x, mlx.To(0)) },
	"every":    func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Index(x, mlx.Between(3, 1).By(2)) },
	"split":    func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.SplitAt(x, []int{0}, 0)[0] },
	"take":     func(s *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Take(x, mlx.Zeros(s, mlx.Int32, 0), 0) },
	"gather":   func(s *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Index(x, mlx.Zeros(s, mlx.Int32, 0)) },
	"broadcast": func(_ *mlx.Scope, x *mlx.Array) *mlx.Array {
		return mlx.BroadcastTo(mlx.Slice(x, 0, mlx.Between(0, 1)), 0, 2)
	},
	"tile":   func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Tile(x, 0, 1) },
	"repeat": func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Repeat(x, 0, 0) },
	"add": func(s *mlx.Scope, x *mlx.Array) *mlx.Array {
		return mlx.Add(mlx.Slice(x, 0, mlx.Between(0, 1)), mlx.Zeros(s, mlx.Float32, 0, 2))
	},
	"where": func(s *mlx.Scope, _ *mlx.Array) *mlx.Array {
		return mlx.Where(mlx.Ones(s, mlx.Bool, 1, 2), mlx.Zeros(s, mlx.Float32, 0, 2), mlx.Ones(s, mlx.Float32, 1))
	},
	"dynamic": func(s *mlx.Scope, x *mlx.Array) *mlx.Array {
		return mlx.SliceDynamic(x, mlx.FromSlice(s, []int32{0}), []int{0}, []int{0, 2})
	},
	"strided":  func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.AsStrided(x, []int{0, 2}, []int{1, 1}, 0) },
	"topk":     func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.TopK(x, 0, 0) },
	"diff":     func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Diff(x, 4, 0) },
	"diagonal": func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Diagonal(x, mlx.Diagonals{Offset: 7}) },
	"grad": func(s *mlx.Scope, _ *mlx.Array) *mlx.Array {
		return mlx.Grad(func(x []*mlx.Array) []*mlx.Array { return one(mlx.Sum(x[0])) })(mlx.Zeros(s, mlx.Float32, 0, 2))[0]
	},
	"vmap": func(_ *mlx.Scope, x *mlx.Array) *mlx.Array {
		return mlx.Transpose(mlx.Vmap(func(x []*mlx.Array) []*mlx.Array { return one(mlx.Slice(x[0], 0, mlx.Between(0, 0))) }, nil, nil)(one(x))[0])
	},
	"astype": func(_ *mlx.Scope, x *mlx.Array) *mlx.Array {
		return mlx.AsType(mlx.Slice(x, 0, mlx.Between(2, 2)), mlx.Complex64)
	},
	"stopped": func(_ *mlx.Scope, x *mlx.Array) *mlx.Array {
		return mlx.StopGradient(mlx.Slice(x, 0, mlx.Between(2, 2)))
	},
	"held":   func(s *mlx.Scope, x *mlx.Array) *mlx.Array { return s.Hold(mlx.Slice(x, 0, mlx.Between(2, 2))) },
	"turned": func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Transpose(mlx.Slice(x, 0, mlx.Between(2, 2))) },
}

// takers have kernels that divide by the length of an axis, or by the number of elements.
var takers = map[string]func(s *mlx.Scope, x *mlx.Array) *mlx.Array{
	"cumsum 0":     func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Cumsum(x, 0) },
	"cumsum 1":     func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Cumsum(x, -1, mlx.Cumulative{Exclusive: true}) },
	"cumprod":      func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Cumprod(x, mlx.Flat) },
	"logcumsumexp": func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Logcumsumexp(x, 0) },
	"sort 0":       func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Sort(x, 0) },
	"sort 1":       func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Sort(x, -1) },
	"argsort":      func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Argsort(x, 0) },
	"partition":    func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Partition(x, 0, -1) },
	"argpartition": func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Argpartition(x, 0, 0) },
	"softmax":      func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Softmax(x, -1) },
	"logsumexp":    func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.LogSumExp(x, -1) },
	"roll":         func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Roll(x, []int{1}) },
	"fft":          func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.FFT(x, 4, -1, mlx.Backward) },
	"rms_norm":     func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.RMSNorm(x, nil, 1e-5) },
	"layer_norm":   func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.LayerNorm(x, nil, nil, 1e-5) },
	"matmul":       func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Matmul(x, mlx.Transpose(x)) },
	"hadamard":     func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.HadamardTransform(x, 1) },
	"view":         func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.View(x, mlx.Int16) },
	"kron":         func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Kron(x, x) },
	"einsum":       func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Einsum("ij,ij->i", x, x) },
	"inv":          func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.Inv(mlx.Reshape(x, 0, 2, 2)) },
	"cross_entropy": func(s *mlx.Scope, x *mlx.Array) *mlx.Array {
		return mlx.CrossEntropy(x, mlx.Zeros(s, mlx.Int32, x.Dim(0)))
	},
	"categorical": func(s *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.RandomCategorical(mlx.RandomKey(s, 1), x, 1) },
	"scatter": func(s *mlx.Scope, x *mlx.Array) *mlx.Array {
		return mlx.IndexUpdate(x, mlx.Scalar(s, float32(1)), mlx.FromSlice(s, []int32{0}))
	},
	"masked_scatter": func(_ *mlx.Scope, x *mlx.Array) *mlx.Array { return mlx.MaskedScatter(x, mlx.Greater(x, x), x) },
	"along": func(s *mlx.Scope, x *mlx.Array) *mlx.Array {
		return mlx.TakeAlongAxis(x, mlx.Zeros(s, mlx.Int32, 0, 2), 0)
	},
	"attention": func(_ *mlx.Scope, x *mlx.Array) *mlx.Array {
		q := mlx.Reshape(x, 0, 2, 1, 8)
		return mlx.Attention(q, q, q, 1, false, nil)
	},
}

// MLX's kernels for arrays without elements end the process in many places. What is empty is
// known from its shape, whatever it was made of.
func TestEmptyResultsCanBeComputedWith(t *testing.T) {
	if !inChild(t) {
		return
	}
	s := scope(t)
	for made, empty := range empties {
		for taken, take := range takers {
			fmt.Println(made, taken)
			x := empty(s, mlx.Ones(s, mlx.Float32, 4, 2))
			if made != "diagonal" {
				require.NoError(t, mlx.Eval(x))
			}
			if err := mlx.Eval(take(s, empty(s, mlx.Ones(s, mlx.Float32, 4, 2)))); err != nil {
				var e *mlx.Error
				require.ErrorAs(t, err, &e, "%s of %s", taken, made)
			}
		}
	}
	// what Python has
	x := mlx.Slice(mlx.Ones(s, mlx.Float32, 4, 2), 0, mlx.Between(2, 2))
	require.Equal(t, "float32[0 2]", mlx.Cumsum(x, 0).String())
	require.Equal(t, "float32[0 3]", mlx.Matmul(x, mlx.Ones(s, mlx.Float32, 2, 3)).String())
	require.Equal(t, []float32{0, 0}, floats(t, mlx.Sum(x, 0)))
}

func TestCountsTakeNoMemoryBeforeTheyAreChecked(t *testing.T) {
	s := scope(t)
	one := mlx.Scalar(s, float32(1))
	require.ErrorIs(t, mlx.NumberOfElements(one, false, mlx.Int32, 0).Err(), mlx.ErrIndex)
	require.ErrorIs(t, mlx.NumberOfElements(mlx.Ones(s, mlx.Float32, 2, 3), false, mlx.Int32, 1, 1).Err(), mlx.ErrIndex)
	require.Equal(t, "float32[2147483646 0]", mlx.Tri(s, mlx.Grid{Rows: 1<<31 - 2, Cols: 0, Offset: 2}, mlx.Float32).String())
	before := mlx.PeakMemory()
	require.NoError(t, mlx.Eval(mlx.Tri(s, mlx.Grid{Rows: 1<<31 - 2, Cols: 0, Offset: 2}, mlx.Float32), mlx.Eye(s, mlx.Grid{Rows: 0, Cols: 1<<31 - 1}, mlx.Float32)))
	require.Less(t, mlx.PeakMemory(), before+1<<20)
}
