package mlx_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
)

// tape is the source of a program's numbers: bytes, then zeros.
type tape struct{ left []byte }

func (t *tape) byte() int {
	if len(t.left) == 0 {
		return 0
	}
	b := t.left[0]
	t.left = t.left[1:]
	return int(b)
}

// axis is mostly an axis, at times out of range, Flat or far away.
func (t *tape) axis() int {
	switch b := t.byte(); {
	case b < 200:
		return b%8 - 4
	case b < 230:
		return mlx.Flat
	default:
		return []int{math.MaxInt, math.MinInt + 1, 1 << 32, -1 << 33, 1 << 31}[b%5]
	}
}

func (t *tape) axes() []int {
	out := make([]int, t.byte()%4)
	for i := range out {
		out[i] = t.axis()
	}
	return out
}

// number is mostly small, at times huge or negative.
func (t *tape) number() int {
	switch b := t.byte(); {
	case b < 220:
		return b % 7
	case b < 240:
		return -(b % 5)
	default:
		return []int{1 << 20, 1 << 31, math.MaxInt32, math.MaxInt, math.MinInt, 1 << 40}[b%6]
	}
}

func (t *tape) numbers() []int {
	out := make([]int, t.byte()%5)
	for i := range out {
		out[i] = t.number()
	}
	return out
}

func (t *tape) pairs() [][2]int {
	out := make([][2]int, t.byte()%4)
	for i := range out {
		out[i] = [2]int{t.number(), t.number()}
	}
	return out
}

func (t *tape) float() float64 {
	return []float64{0, 1, -1, 0.5, math.NaN(), math.Inf(1), math.Inf(-1), 1e30, -1e-30, 3}[t.byte()%10]
}

func (t *tape) bool() bool { return t.byte()%2 == 1 }

func (t *tape) dtype() mlx.Dtype {
	if b := t.byte(); b > 240 {
		return mlx.Dtype(b)
	} else {
		return mlx.Dtype(b % 14)
	}
}

// array makes an array of up to four short axes, some of them empty.
func (t *tape) array(s *mlx.Scope) *mlx.Array {
	shape := make([]int, t.byte()%5)
	n := 1
	for i := range shape {
		shape[i] = []int{1, 2, 3, 4, 0, 5, 8}[t.byte()%7]
		n *= shape[i]
	}
	xs := make([]float32, n)
	for i := range xs {
		xs[i] = float32(t.float()) * float32(i%5)
	}
	x := mlx.FromSlice(s, xs, shape...)
	switch t.byte() % 6 {
	case 0:
		return mlx.AsType(mlx.NanToNum(x, 0, 100, -100), mlx.Int32)
	case 1:
		ints := make([]int32, n)
		for i := range ints {
			ints[i] = int32(t.number())
		}
		return mlx.FromSlice(s, ints, shape...)
	case 2:
		return mlx.AsType(mlx.NanToNum(x, 0, 100, -100), t.dtype())
	}
	return x
}

// operations are those that a program picks from, each with its parameters off the tape.
var operations = func() []func(s *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array {
	type f = func(s *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array
	var out []f
	for _, g := range []func(*mlx.Array) *mlx.Array{
		mlx.Abs, mlx.Negative, mlx.Exp, mlx.Log, mlx.Sqrt, mlx.Rsqrt, mlx.Sin, mlx.Tan, mlx.Arccos, mlx.Arctanh, mlx.Erf, mlx.Erfinv, mlx.Sigmoid, mlx.Floor, mlx.Sign, mlx.Isnan, mlx.LogicalNot,
		mlx.BitwiseInvert, mlx.Real, mlx.Imag, mlx.Conjugate, mlx.Reciprocal, mlx.Square, mlx.Trunc, mlx.Copy, mlx.Contiguous, mlx.Atleast1D, mlx.Atleast2D, mlx.Atleast3D, mlx.ToFP8,
		mlx.SiLU, mlx.GELU, mlx.ReLU, mlx.StopGradient, mlx.Det, mlx.SingularValues,
	} {
		out = append(out, func(_ *mlx.Scope, _ *tape, a, _, _ *mlx.Array) []*mlx.Array { return one(g(a)) })
	}
	for _, g := range []func(a, b *mlx.Array) *mlx.Array{
		mlx.Add, mlx.Subtract, mlx.Multiply, mlx.Divide, mlx.Power, mlx.Maximum, mlx.Minimum, mlx.Logaddexp, mlx.Arctan2, mlx.FloorDivide, mlx.Remainder, mlx.Equal, mlx.Less, mlx.LogicalAnd, mlx.LogicalXor,
		mlx.BitwiseAnd, mlx.BitwiseXor, mlx.LeftShift, mlx.RightShift, mlx.Matmul, mlx.MatmulT, mlx.Outer, mlx.Inner, mlx.Kron, mlx.CrossEntropy, mlx.Solve,
	} {
		out = append(out, func(_ *mlx.Scope, _ *tape, a, b, _ *mlx.Array) []*mlx.Array { return one(g(a, b)) })
	}
	for _, g := range []func(*mlx.Array, ...int) *mlx.Array{
		mlx.Sum, mlx.Prod, mlx.Mean, mlx.Max, mlx.Min, mlx.All, mlx.Any, mlx.LogSumExp, mlx.Median, mlx.CountNonzero, mlx.Softmax, mlx.Transpose, mlx.ExpandDims, mlx.Squeeze, mlx.Flip, mlx.FFTShift, mlx.Norm,
	} {
		out = append(out, func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array { return one(g(a, t.axes()...)) })
	}
	for _, g := range []func(*mlx.Array, int) *mlx.Array{mlx.Argmax, mlx.Argmin, mlx.Sort, mlx.Argsort, mlx.Tril, mlx.Triu, mlx.Diag, mlx.Round} {
		out = append(out, func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array { return one(g(a, t.axis())) })
	}
	for _, g := range []func(*mlx.Array, int, int) *mlx.Array{mlx.Partition, mlx.Argpartition, mlx.TopK, mlx.Diff, mlx.Repeat, mlx.Swapaxes, mlx.Moveaxis, mlx.Flatten} {
		out = append(out, func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array { return one(g(a, t.number(), t.axis())) })
	}
	for _, g := range []func(*mlx.Array, int, ...mlx.Cumulative) *mlx.Array{mlx.Cumsum, mlx.Cumprod, mlx.Cummax, mlx.Cummin, mlx.Logcumsumexp} {
		out = append(out, func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(g(a, t.axis(), mlx.Cumulative{Reverse: t.bool(), Exclusive: t.bool()}))
		})
	}
	for _, g := range []func(x, w *mlx.Array, c mlx.Conv) *mlx.Array{mlx.Conv1D, mlx.Conv2D, mlx.Conv3D, mlx.ConvGeneral, mlx.ConvTranspose1D, mlx.ConvTranspose2D, mlx.ConvTranspose3D} {
		out = append(out, func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
			return one(g(a, b, mlx.Conv{Stride: t.numbers(), Padding: t.numbers(), Dilation: t.numbers(), Groups: t.number()}))
		})
	}
	for _, g := range []func(x, u *mlx.Array, index ...mlx.Indexer) *mlx.Array{mlx.IndexUpdate, mlx.IndexAdd, mlx.IndexMultiply, mlx.IndexMaximum, mlx.IndexMinimum} {
		out = append(out, func(_ *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array { return one(g(a, b, t.index(c)...)) })
	}
	return append(out,
		func(_ *mlx.Scope, t *tape, a, _, c *mlx.Array) []*mlx.Array { return one(mlx.Index(a, t.index(c)...)) },
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array { return one(mlx.Take(a, b, t.axis())) },
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
			return one(mlx.TakeAlongAxis(a, b, t.axis()))
		},
		func(_ *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array {
			return one(mlx.PutAlongAxis(a, b, c, t.axis()))
		},
		func(_ *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array {
			return one(mlx.ScatterAddAxis(a, b, c, t.axis()))
		},
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Gather(a, []*mlx.Array{b}, []int{t.number()}, t.numbers()))
		},
		func(_ *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array {
			return one(mlx.Scatter(a, []*mlx.Array{b}, c, []int{t.number()}))
		},
		func(_ *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array {
			return one(mlx.ScatterMax(a, []*mlx.Array{b, b}, c, []int{t.number(), t.number()}))
		},
		func(_ *mlx.Scope, _ *tape, a, b, c *mlx.Array) []*mlx.Array { return one(mlx.MaskedScatter(a, b, c)) },
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
			return one(mlx.SliceDynamic(a, b, t.numbers(), t.numbers()))
		},
		func(_ *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array {
			return one(mlx.SliceUpdateDynamic(a, b, c, t.numbers()...))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Slice(a, t.axis(), t.number(), t.number()))
		},
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
			return one(mlx.SliceUpdate(a, b, t.axis(), t.number()))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Reshape(a, t.numbers()...))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Unflatten(a, t.axis(), t.numbers()...))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.BroadcastTo(a, t.numbers()...))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array { return one(mlx.Tile(a, t.numbers()...)) },
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Roll(a, t.numbers(), t.axes()...))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Pad(a, []mlx.PadMode{mlx.PadConstant, mlx.PadEdge, "x"}[t.byte()%3], t.float(), t.pairs()...))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.AsStrided(a, t.numbers(), t.numbers(), t.number()))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Diagonal(a, t.number(), t.axis(), t.axis()))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Trace(a, t.number(), t.axis(), t.axis()))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array { return one(mlx.AsType(a, t.dtype())) },
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array { return one(mlx.View(a, t.dtype())) },
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array { return one(mlx.FromFP8(a, t.dtype())) },
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return mlx.Split(a, t.number(), t.axis())
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return mlx.SplitAt(a, t.numbers(), t.axis())
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array { return mlx.Unstack(a, t.axis()) },
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Concatenate(t.axis(), a, b, a))
		},
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array { return one(mlx.Stack(t.axis(), a, b)) },
		func(_ *mlx.Scope, _ *tape, a, b, c *mlx.Array) []*mlx.Array { return mlx.BroadcastArrays(a, b, c) },
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
			return mlx.Meshgrid(mlx.IJ, t.bool(), a, b)
		},
		func(_ *mlx.Scope, _ *tape, a, b, _ *mlx.Array) []*mlx.Array { return two(mlx.Divmod(a, b)) },
		func(_ *mlx.Scope, _ *tape, a, b, c *mlx.Array) []*mlx.Array { return one(mlx.Where(a, b, c)) },
		func(_ *mlx.Scope, _ *tape, a, b, c *mlx.Array) []*mlx.Array { return one(mlx.Clip(a, b, c)) },
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.NanToNum(a, t.float(), t.float(), t.float()))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Var(a, t.number(), t.axes()...))
		},
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Searchsorted(a, b, mlx.Left))
		},
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Tensordot(a, b, t.pairs()...))
		},
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Einsum([]string{"ij,jk->ik", "ii", "...i,...i", "i,j->ij", "ij->ji", "a,,b", "->", "ij,jk->il"}[t.byte()%8], a, b))
		},
		func(_ *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array {
			return one(mlx.Addmm(a, b, c, t.float(), t.float()))
		},
		func(_ *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array {
			return one(mlx.GatherMM(a, b, c, nil, t.bool()))
		},
		func(_ *mlx.Scope, _ *tape, a, b, c *mlx.Array) []*mlx.Array { return one(mlx.SegmentedMM(a, b, c)) },
		func(_ *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array {
			return one(mlx.BlockMaskedMM(a, b, 32, c, nil, nil))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.HadamardTransform(a, t.float()))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return three(mlx.Quantize(a, t.quantization()))
		},
		func(_ *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array {
			return one(mlx.Dequantize(a, b, c, t.quantization(), t.dtype()))
		},
		func(_ *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array {
			return one(mlx.QuantizedMatmul(a, b, c, c, t.quantization()))
		},
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array { return one(mlx.RMSNorm(a, b, t.float())) },
		func(_ *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array {
			return one(mlx.LayerNorm(a, b, c, t.float()))
		},
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
			return one(mlx.RoPE(a, mlx.Rotary{Dims: t.number(), Traditional: t.bool(), Base: t.float(), Scale: t.float()}, t.number()))
		},
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
			return one(mlx.RoPE(a, mlx.Rotary{Dims: t.number(), Scale: 1, Freqs: b}, t.number()))
		},
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
			return one(mlx.RoPEDynamic(a, mlx.Rotary{Dims: t.number(), Base: 10000, Scale: 1}, b))
		},
		func(_ *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array {
			return one(mlx.Attention(a, b, c, t.float(), t.bool(), nil))
		},
		func(_ *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array {
			return one(mlx.Attention(a, b, b, t.float(), false, c))
		},
		func(_ *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array {
			return one(mlx.Attention(a, b, b, t.float(), false, nil, c))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.FFT(a, t.number(), t.axis(), mlx.FFTNorm(t.byte()%4)))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.RFFT(a, t.number(), t.axis(), mlx.Ortho))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.IRFFT(a, t.number(), t.axis(), mlx.Ortho))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.IFFTN(a, t.numbers(), t.axes(), mlx.Forward))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.IRFFT2(a, t.numbers(), t.axes(), mlx.Forward))
		},
		func(_ *mlx.Scope, _ *tape, a, _, _ *mlx.Array) []*mlx.Array { return two(mlx.QR(a)) },
		func(_ *mlx.Scope, _ *tape, a, _, _ *mlx.Array) []*mlx.Array { return three(mlx.SVD(a)) },
		func(_ *mlx.Scope, _ *tape, a, _, _ *mlx.Array) []*mlx.Array { return three(mlx.LU(a)) },
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return two(mlx.Eigh(a, mlx.Triangle(t.bool())))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Cholesky(a, mlx.Triangle(t.bool())))
		},
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
			return one(mlx.SolveTriangular(a, b, mlx.Triangle(t.bool())))
		},
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array { return one(mlx.Cross(a, b, t.axis())) },
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.NormOrd(a, t.float(), t.axes()...))
		},
		func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.NormMatrix(a, mlx.Nuclear, t.axes()...))
		},
		func(s *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
			return one(mlx.RandomUniform(mlx.RandomKey(s, 1), a, b, t.dtype(), t.numbers()...))
		},
		func(s *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.RandomNormal(a, 0, 1, t.dtype(), t.numbers()...))
		},
		func(s *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.RandomCategoricalN(mlx.RandomKey(s, 2), a, t.axis(), t.number()))
		},
		func(s *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.RandomCategoricalShape(mlx.RandomKey(s, 2), a, t.axis(), t.numbers()...))
		},
		func(s *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.RandomPermutation(mlx.RandomKey(s, 3), a, t.axis()))
		},
		func(s *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
			return one(mlx.RandomMultivariateNormal(mlx.RandomKey(s, 3), a, b, t.numbers()...))
		},
		func(s *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.RandomRandint(mlx.RandomKey(s, 3), t.number(), t.number(), t.dtype(), t.numbers()...))
		},
		func(s *mlx.Scope, t *tape, _, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Full(s, t.float(), t.dtype(), t.numbers()...))
		},
		func(s *mlx.Scope, t *tape, _, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Arange(s, t.float(), t.float(), t.float(), t.dtype()))
		},
		func(s *mlx.Scope, t *tape, _, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Eye(s, t.number(), t.number(), t.number(), t.dtype()))
		},
		func(s *mlx.Scope, t *tape, _, _, _ *mlx.Array) []*mlx.Array {
			return one(mlx.Linspace(s, t.float(), t.float(), t.number(), t.bool(), t.dtype()))
		},
		func(s *mlx.Scope, t *tape, _, _, _ *mlx.Array) []*mlx.Array { return one(mlx.Blackman(s, t.number())) },
		func(_ *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array {
			i, n := t.byte(), t.byte()
			return mlx.Grad(func(in []*mlx.Array) []*mlx.Array {
				return one(mlx.Sum(mlx.Multiply(mlx.Softmax(in[0], i%3-1), mlx.Transpose(in[n%2]))))
			})(a, b)
		},
		func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
			f := func(in []*mlx.Array) []*mlx.Array { return one(mlx.Add(mlx.Sort(in[0], -1), in[1])) }
			return mlx.Vmap(f, []int{t.axis(), t.axis()}, []int{t.axis()})([]*mlx.Array{a, b})
		},
	)
}()

func (t *tape) quantization() mlx.Quantization {
	return mlx.Quantization{GroupSize: []int{16, 32, 64, 0, -1}[t.byte()%5], Bits: t.number(), Mode: []string{"affine", "mxfp4", "nvfp4", "%s%n"}[t.byte()%4]}
}

func (t *tape) index(array *mlx.Array) []mlx.Indexer {
	out := make([]mlx.Indexer, t.byte()%5)
	for i := range out {
		switch t.byte() % 8 {
		case 0:
			out[i] = mlx.At(t.number())
		case 1:
			out[i] = mlx.Between(t.number(), t.number()).By(t.number())
		case 2:
			out[i] = mlx.From(t.number()).By(-t.number())
		case 3:
			out[i] = mlx.Ellipsis
		case 4:
			out[i] = mlx.NewAxis
		case 5:
			out[i] = array
		case 6:
			out[i] = mlx.Every(t.number())
		default:
			out[i] = mlx.Whole
		}
	}
	return out
}

// program runs operations on three arrays; each result may become an operand.
func program(t *testing.T, code []byte) {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	tp := &tape{left: code}
	regs := [3]*mlx.Array{tp.array(s), tp.array(s), tp.array(s)}
	for step := 0; step < 4 && len(tp.left) > 0; step++ {
		f := operations[(tp.byte()<<8|tp.byte())%len(operations)]
		out := f(s, tp, regs[0], regs[1], regs[2])
		for _, a := range out {
			if a == nil {
				continue // a mode without biases
			}
			if a.Size() > 1<<20 {
				continue // allowed, and too long for here
			}
			if err := mlx.Eval(a); err != nil {
				var e *mlx.Error
				if !errors.As(err, &e) || e.Op == "" || e.Text == "" {
					t.Fatalf("%v is no *mlx.Error with an operation", err)
				}
				continue
			}
			if _, err := a.Format(); err != nil {
				t.Fatal(err)
			}
			regs[step%3] = a
		}
	}
}

func FuzzOps(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		code := make([]byte, 20+rng.IntN(100))
		for i := range code {
			code[i] = byte(rng.Uint32())
		}
		f.Add(code)
	}
	f.Fuzz(program)
}

func FuzzReadNpy(f *testing.F) {
	for _, file := range damagedNpy() {
		f.Add(file)
	}
	f.Add(npyFile("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }\n", 16))
	f.Fuzz(func(t *testing.T, file []byte) {
		s := mlx.NewScope(mlx.CPU)
		defer s.Close()
		checkFile(t, mlx.Eval(mlx.ReadNpy(s, bytes.NewReader(file))))
	})
}

func FuzzReadSafetensors(f *testing.F) {
	for _, file := range damagedSafetensors() {
		if len(file) < 1<<12 {
			f.Add(file)
		}
	}
	f.Add(safetensors(`{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}`, 16))
	f.Fuzz(func(t *testing.T, file []byte) {
		s := mlx.NewScope(mlx.CPU)
		defer s.Close()
		arrays, _, err := mlx.ReadSafetensors(s, bytes.NewReader(file))
		checkFile(t, err)
		for _, a := range arrays {
			checkFile(t, mlx.Eval(a))
		}
	})
}

func FuzzLoadGGUF(f *testing.F) {
	s := mlx.NewScope(mlx.CPU)
	path := filepath.Join(f.TempDir(), "seed.gguf")
	err := mlx.SaveGGUF(path, &mlx.GGUF{
		Arrays:   map[string]*mlx.Array{"a.weight": mlx.Ones(s, mlx.Float32, 2, 32), "b": mlx.Ones(s, mlx.Float16, 3)},
		Metadata: map[string]any{"general.name": "x", "tokens": []string{"a", "bc"}, "n": mlx.Scalar(s, uint32(7)), "xs": mlx.FromSlice(s, []float32{1, 2})},
	})
	if err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	for _, typ := range []uint32{0, 1, 2, 3, 4, 5, 8, 10, 12, 14, 24, 26, 28, 30, 31, 34, 39, 99, math.MaxUint32} {
		f.Add(ggufOf(typ, 2, 256))
		f.Add(ggufOf(typ, 256))
		f.Add(ggufOf(typ))
	}
	for _, dims := range [][]uint64{{0}, {1 << 32, 1 << 32}, {1 << 31, 1 << 31, 4}, {1 << 62}, {1 << 30, 1 << 30, 16}, {2, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1}} {
		f.Add(ggufOf(0, dims...))
		f.Add(ggufOf(2, dims...))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		path := filepath.Join(t.TempDir(), "x.gguf")
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		s := mlx.NewScope(mlx.CPU)
		defer s.Close()
		g, err := mlx.LoadGGUF(s, path)
		checkFile(t, err)
		if err == nil {
			for _, a := range g.Arrays {
				checkFile(t, mlx.Eval(a))
			}
		}
	})
}

// ggufOf is a file with one tensor of a type and dimensions, and data for 512 floats.
func ggufOf(typ uint32, dims ...uint64) []byte {
	le := binary.LittleEndian
	out := append([]byte("GGUF"), 3, 0, 0, 0)
	out = le.AppendUint64(le.AppendUint64(out, 1), 0)
	out = append(le.AppendUint64(out, 8), "a.weight"...)
	out = le.AppendUint32(out, uint32(len(dims)))
	for _, d := range dims {
		out = le.AppendUint64(out, d)
	}
	out = le.AppendUint64(le.AppendUint32(out, typ), 0)
	for len(out)%32 != 0 {
		out = append(out, 0)
	}
	return append(out, bytes.Repeat([]byte{1}, 2048)...)
}

func checkFile(t *testing.T, err error) {
	t.Helper()
	var e *mlx.Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("%v is no *mlx.Error", err)
	}
}
