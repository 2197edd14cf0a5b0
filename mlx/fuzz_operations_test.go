package mlx_test

import (
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
)

// operation computes results from operands, with its parameters off the tape.
type operation = func(s *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array

// operations are those that a program picks from.
var operations = slices.Concat(alikeOperations(), indexOperations, shapeOperations, elementOperations, productOperations,
	fusedOperations, fourierOperations, matrixOperations, randomOperations, creations, transformations)

// alikeOperations are those of which several have the same parameters.
func alikeOperations() []operation {
	var out []operation
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
	return out
}

// Operations on places in an array.
var indexOperations = []operation{
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
		return one(mlx.Slice(a, t.axis(), mlx.Between(t.number(), t.number())))
	},
	func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
		return one(mlx.SliceUpdate(a, b, t.axis(), t.number()))
	},
}

// Operations that change the shape, the order or the type of elements.
var shapeOperations = []operation{
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
		return one(mlx.Pad(a, []mlx.PadMode{mlx.PadConstant, mlx.PadEdge, mlx.PadReflect, mlx.PadSymmetric, "x"}[t.byte()%5], t.float(), t.pairs()...))
	},
	func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
		return one(mlx.AsStrided(a, t.numbers(), t.numbers(), t.number()))
	},
	func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
		return one(mlx.Diagonal(a, mlx.Diagonals{Offset: t.number(), Axis1: t.axis(), Axis2: t.axis()}))
	},
	func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
		return one(mlx.Trace(a, mlx.Diagonals{Offset: t.number(), Axis1: t.axis(), Axis2: t.axis()}))
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
}

// Operations on elements, beside those with no parameters.
var elementOperations = []operation{
	func(_ *mlx.Scope, _ *tape, a, b, _ *mlx.Array) []*mlx.Array { return two(mlx.Divmod(a, b)) },
	func(_ *mlx.Scope, _ *tape, a, b, c *mlx.Array) []*mlx.Array { return one(mlx.Where(a, b, c)) },
	func(_ *mlx.Scope, _ *tape, a, b, c *mlx.Array) []*mlx.Array { return one(mlx.Clip(a, b, c)) },
	func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
		return one(mlx.NanToNum(a, mlx.Replacements{NaN: t.float(), PosInf: t.float(), NegInf: t.float()}))
	},
	func(_ *mlx.Scope, t *tape, a, _, _ *mlx.Array) []*mlx.Array {
		return one(mlx.Var(a, t.number(), t.axes()...))
	},
	func(_ *mlx.Scope, t *tape, a, b, _ *mlx.Array) []*mlx.Array {
		return one(mlx.Searchsorted(a, b, mlx.Left))
	},
}

// Products, packed ones too.
var productOperations = []operation{
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
		return one(mlx.GatherMM(a, b, mlx.Picks{Left: c, Sorted: t.bool()}))
	},
	func(_ *mlx.Scope, _ *tape, a, b, c *mlx.Array) []*mlx.Array { return one(mlx.SegmentedMM(a, b, c)) },
	func(_ *mlx.Scope, t *tape, a, b, c *mlx.Array) []*mlx.Array {
		return one(mlx.BlockMaskedMM(a, b, 32, mlx.Masks{Out: c}))
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
}

// Norms, rotations and attention.
var fusedOperations = []operation{
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
}

// Fourier transforms.
var fourierOperations = []operation{
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
}

// Factors and norms of matrices.
var matrixOperations = []operation{
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
}

// Random numbers.
var randomOperations = []operation{
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
}

// Arrays that are made of numbers alone.
var creations = []operation{
	func(s *mlx.Scope, t *tape, _, _, _ *mlx.Array) []*mlx.Array {
		return one(mlx.Full(s, t.float(), t.dtype(), t.numbers()...))
	},
	func(s *mlx.Scope, t *tape, _, _, _ *mlx.Array) []*mlx.Array {
		return one(mlx.Arange(s, t.float(), t.float(), t.float(), t.dtype()))
	},
	func(s *mlx.Scope, t *tape, _, _, _ *mlx.Array) []*mlx.Array {
		return one(mlx.Eye(s, mlx.Grid{Rows: t.number(), Cols: t.number(), Offset: t.number()}, t.dtype()))
	},
	func(s *mlx.Scope, t *tape, _, _, _ *mlx.Array) []*mlx.Array {
		return one(mlx.Linspace(s, t.float(), t.float(), t.number(), t.bool(), t.dtype()))
	},
	func(s *mlx.Scope, t *tape, _, _, _ *mlx.Array) []*mlx.Array { return one(mlx.Blackman(s, t.number())) },
}

// Functions of functions.
var transformations = []operation{
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
}
