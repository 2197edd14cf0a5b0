package mlx_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// takingArrays are the exported functions with arrays among their parameters.
func takingArrays() map[string]any {
	out := map[string]any{"Data": mlx.Data[float32], "Item": mlx.Item[float32], "Borrow": mlx.Borrow[float32],
		"KeepDims": mlx.KeepDims[func(*mlx.Array, ...int) *mlx.Array]}
	for _, f := range []any{
		mlx.Abs, mlx.Add, mlx.Addmm, mlx.All, mlx.Allclose, mlx.Any, mlx.Arccos, mlx.Arccosh, mlx.Arcsin, mlx.Arcsinh, mlx.Arctan, mlx.Arctan2, mlx.Arctanh, mlx.Argmax,
		mlx.Argmin, mlx.Argpartition, mlx.Argsort, mlx.ArrayEqual, mlx.AsStrided, mlx.AsType, mlx.AsyncEval, mlx.Atleast1D, mlx.Atleast2D, mlx.Atleast3D, mlx.Attention,
		mlx.BitwiseAnd, mlx.BitwiseInvert, mlx.BitwiseOr, mlx.BitwiseXor, mlx.BlockMaskedMM, mlx.BroadcastArrays, mlx.BroadcastTo, mlx.Ceil, mlx.Cholesky, mlx.CholeskyInv,
		mlx.Clip, mlx.Concatenate, mlx.Conjugate, mlx.Contiguous, mlx.Conv1D, mlx.Conv2D, mlx.Conv3D, mlx.ConvGeneral, mlx.ConvTranspose1D, mlx.ConvTranspose2D,
		mlx.ConvTranspose3D, mlx.Copy, mlx.Cos, mlx.Cosh, mlx.CountNonzero, mlx.Cross, mlx.CrossEntropy, mlx.Cummax, mlx.Cummin, mlx.Cumprod, mlx.Cumsum, mlx.Degrees,
		mlx.Depends, mlx.Dequantize, mlx.Det, mlx.Diag, mlx.Diagonal, mlx.Diff, mlx.Divide, mlx.Divmod, mlx.Eig, mlx.Eigh, mlx.Eigvals, mlx.Eigvalsh, mlx.Einsum, mlx.Equal,
		mlx.Erf, mlx.Erfinv, mlx.Eval, mlx.Exp, mlx.ExpandDims, mlx.Expm1, mlx.ExportFunction, mlx.ExportFunctionKwargs, mlx.ExportToDOT, mlx.FFT, mlx.FFT2, mlx.FFTN,
		mlx.FFTShift, mlx.Flatten, mlx.Flip, mlx.Floor, mlx.FloorDivide, mlx.FromFP8, mlx.FullLike, mlx.GELU, mlx.GELUTanh, mlx.Gather, mlx.GatherMM, mlx.GatherQMM,
		mlx.GatherQQMM, mlx.Greater, mlx.GreaterEqual, mlx.HadamardTransform, mlx.IFFT, mlx.IFFT2, mlx.IFFTN, mlx.IFFTShift, mlx.IRFFT, mlx.IRFFT2, mlx.IRFFTN, mlx.Imag,
		mlx.Index, mlx.IndexAdd, mlx.IndexMaximum, mlx.IndexMinimum, mlx.IndexMultiply, mlx.IndexUpdate, mlx.Inner, mlx.Inv, mlx.Isclose, mlx.Isfinite, mlx.Isinf, mlx.Isnan,
		mlx.Isneginf, mlx.Isposinf, mlx.JVP, mlx.Kron, mlx.LU, mlx.LUFactor, mlx.LayerNorm, mlx.LeftShift, mlx.Less, mlx.LessEqual, mlx.Log, mlx.Log10,
		mlx.Log1p, mlx.Log2, mlx.LogSumExp, mlx.Logaddexp, mlx.Logcumsumexp, mlx.LogicalAnd, mlx.LogicalNot, mlx.LogicalOr, mlx.LogicalXor, mlx.Masked, mlx.MaskedScatter,
		mlx.Matmul, mlx.MatmulT, mlx.Max, mlx.Maximum, mlx.Mean, mlx.Median, mlx.Meshgrid, mlx.Min, mlx.Minimum, mlx.Moveaxis, mlx.Multiply, mlx.NanToNum, mlx.Negative,
		mlx.Norm, mlx.NormMatrix, mlx.NormOrd, mlx.NotEqual, mlx.NumberOfElements, mlx.OnesLike, mlx.Outer, mlx.Pad, mlx.Partition, mlx.Pinv, mlx.Positive, mlx.Power,
		mlx.PrintGraph, mlx.Prod, mlx.PutAlongAxis, mlx.QQMM, mlx.QR, mlx.Quantize, mlx.QuantizedMatmul, mlx.RFFT, mlx.RFFT2, mlx.RFFTN, mlx.RMSNorm, mlx.Radians,
		mlx.RandomBernoulli, mlx.RandomBits, mlx.RandomCategorical, mlx.RandomCategoricalN, mlx.RandomCategoricalShape, mlx.RandomGumbel, mlx.RandomLaplace,
		mlx.RandomMultivariateNormal, mlx.RandomNormal, mlx.RandomNormalBroadcast, mlx.RandomPermutation, mlx.RandomPermutationArange, mlx.RandomRandint, mlx.RandomSplit,
		mlx.RandomTruncatedNormal, mlx.RandomUniform, mlx.ReLU, mlx.Real, mlx.Reciprocal, mlx.Remainder, mlx.Repeat, mlx.Reshape, mlx.RightShift, mlx.RoPE, mlx.RoPEDynamic,
		mlx.Roll, mlx.Round, mlx.Rsqrt, mlx.SVD, mlx.SaveNpy, mlx.SaveSafetensors, mlx.Scale[int], mlx.Scatter, mlx.ScatterAdd, mlx.ScatterAddAxis, mlx.ScatterMax, mlx.ScatterMin,
		mlx.ScatterProd, mlx.Searchsorted, mlx.SegmentedMM, mlx.Shift[int], mlx.SiLU, mlx.Sigmoid, mlx.Sign, mlx.Sin, mlx.SingularValues, mlx.Sinh, mlx.Slice, mlx.SliceDynamic,
		mlx.SliceUpdate, mlx.SliceUpdateDynamic, mlx.Slogdet, mlx.Softmax, mlx.Solve, mlx.SolveTriangular, mlx.Sort, mlx.Split, mlx.SplitAt, mlx.Sqrt, mlx.Square, mlx.Squeeze,
		mlx.Stack, mlx.Std, mlx.StopGradient, mlx.Subtract, mlx.Sum, mlx.Swapaxes, mlx.Take, mlx.TakeAlongAxis, mlx.Tan, mlx.Tanh, mlx.Tensordot, mlx.Tile, mlx.ToFP8,
		mlx.TopK, mlx.Trace, mlx.Transpose, mlx.TriInv, mlx.Tril, mlx.Triu, mlx.Trunc, mlx.Unflatten, mlx.Unstack, mlx.VJP, mlx.Var, mlx.Vecdot, mlx.View, mlx.Weak[int], mlx.Where,
		mlx.Within, mlx.WriteNpy, mlx.WriteSafetensors, mlx.ZerosLike,
	} {
		name := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
		name, _, _ = strings.Cut(name, "[") // of a generic function
		out[name[strings.LastIndex(name, ".")+1:]] = f
	}
	return out
}

func TestTableOfFunctionsTakingArraysIsComplete(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	table := takingArrays()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() {
				continue
			}
			arrays := false
			ast.Inspect(f.Type.Params, func(n ast.Node) bool {
				id, ok := n.(*ast.Ident)
				arrays = arrays || ok && id.Name == "Array"
				_, function := n.(*ast.FuncType)
				return !function
			})
			_, listed := table[f.Name.Name]
			assert.Equal(t, arrays, listed, f.Name.Name)
		}
	}
}

// optional are the parameters, from 0, that may be nil, of functions that have some.
var optional = map[string][]int{
	"Clip": {1, 2}, "RMSNorm": {1}, "LayerNorm": {1, 2}, "Dequantize": {2}, "QuantizedMatmul": {3}, "GatherMM": {2, 3}, "GatherQMM": {3, 4, 5},
	"BlockMaskedMM": {3, 4, 5}, "Attention": {6}, "RandomNormalBroadcast": {1, 2}, "QQMM": {2, 4}, "GatherQQMM": {2, 3, 4, 6},
}

// typeOfArray and typeOfArrays are the types of parameters that hold arrays.
var typeOfArray, typeOfArrays = reflect.TypeFor[*mlx.Array](), reflect.TypeFor[[]*mlx.Array]()

// standIn are arguments for parameters of which the zero value is of no use.
var standIn = map[reflect.Type]reflect.Value{
	reflect.TypeFor[mlx.Dtype]():                                  reflect.ValueOf(mlx.Float32),
	reflect.TypeFor[io.Writer]():                                  reflect.ValueOf(io.Discard),
	reflect.TypeFor[mlx.Func]():                                   reflect.ValueOf(func(a []*mlx.Array) []*mlx.Array { return a }),
	reflect.TypeFor[func(x *mlx.Array) *mlx.Array]():              reflect.ValueOf(mlx.Exp),
	reflect.TypeFor[func(x *mlx.Array, axes ...int) *mlx.Array](): reflect.ValueOf(mlx.Sum),
	reflect.TypeFor[func([]float32) error]():                      reflect.ValueOf(func([]float32) error { return nil }),
}

// argument returns a as an argument of the type of.
func argument(of reflect.Type, a *mlx.Array) reflect.Value {
	if of == typeOfArrays {
		return reflect.ValueOf([]*mlx.Array{a})
	}
	return reflect.ValueOf(a)
}

// callWith calls f with a for its parameter at, and returns its results, or only the error if it
// returns one.
func callWith(s *mlx.Scope, f reflect.Value, at int, a *mlx.Array) []reflect.Value {
	args := make([]reflect.Value, f.Type().NumIn())
	for i := range args {
		of := f.Type().In(i)
		switch sub, ok := standIn[of]; {
		case i == at:
			args[i] = argument(of, a)
		case of == typeOfArray || of == typeOfArrays:
			args[i] = argument(of, mlx.Ones(s, mlx.Float32, 4, 4))
		case ok:
			args[i] = sub
		default:
			args[i] = reflect.Zero(of)
		}
	}
	call := f.Call
	if f.Type().IsVariadic() {
		call = f.CallSlice
	}
	out := call(args)
	if out[len(out)-1].Type() == reflect.TypeFor[error]() {
		out = out[len(out)-1:]
	}
	return out
}

func TestNilFailedAndFreedOperandsAreErrors(t *testing.T) {
	s := scope(t)
	freed := mlx.Ones(s, mlx.Float32, 4, 4)
	freed.Free()
	bad := map[string]*mlx.Array{"nil": nil, "a failed": mlx.Reshape(mlx.Ones(s, mlx.Float32, 4, 4), 3), "a freed": freed, "a zero": {}}
	for name, f := range takingArrays() {
		v := reflect.ValueOf(f)
		for at := range v.Type().NumIn() {
			if of := v.Type().In(at); of != typeOfArray && of != typeOfArrays {
				continue
			}
			for what, a := range bad {
				if a == nil && slices.Contains(optional[name], at) {
					continue
				}
				require.NotPanics(t, func() {
					for _, r := range callWith(s, v, at, a) {
						require.Error(t, errorOf(r), "%s with %s operand %d", name, what, at)
					}
				}, "%s with %s operand %d", name, what, at)
			}
		}
	}
	require.Error(t, mlx.Grad(cube)(nil)[0].Err())
	require.Nil(t, mlx.BroadcastArrays())
	require.Error(t, mlx.Concatenate(0).Err())
	(*mlx.Array)(nil).Free()
}

// errorOf is the error that a result is or carries.
func errorOf(r reflect.Value) error {
	switch x := r.Interface().(type) {
	case *mlx.Array:
		return mlx.Eval(x)
	case []*mlx.Array:
		return mlx.Eval(x...)
	case error:
		return x
	}
	return nil
}
