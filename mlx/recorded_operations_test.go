package mlx_test

import (
	"strconv"

	"github.com/mlxlens/mlxlens/mlx"
)

// recorded maps the operations of the record, by their names in mlx.core, to ours.
var recorded = union(unaryCalls, binaryCalls, reductionCalls, shapeCalls, indexCalls, productCalls,
	packedCalls, fusedCalls, linalgCalls, fourierCalls, creationCalls, randomCalls)

func union(parts ...map[string]call) map[string]call {
	out := map[string]call{}
	for _, part := range parts {
		for name, f := range part {
			if out[name] != nil {
				panic(name + " is in two parts")
			}
			out[name] = f
		}
	}
	return out
}

var unaryCalls = map[string]call{
	"abs": unaryCall(mlx.Abs), "negative": unaryCall(mlx.Negative), "exp": unaryCall(mlx.Exp), "expm1": unaryCall(mlx.Expm1),
	"log": unaryCall(mlx.Log), "log1p": unaryCall(mlx.Log1p), "log2": unaryCall(mlx.Log2), "log10": unaryCall(mlx.Log10),
	"sqrt": unaryCall(mlx.Sqrt), "rsqrt": unaryCall(mlx.Rsqrt), "square": unaryCall(mlx.Square), "reciprocal": unaryCall(mlx.Reciprocal),
	"sin": unaryCall(mlx.Sin), "cos": unaryCall(mlx.Cos), "tan": unaryCall(mlx.Tan), "sinh": unaryCall(mlx.Sinh), "cosh": unaryCall(mlx.Cosh),
	"tanh": unaryCall(mlx.Tanh), "arcsin": unaryCall(mlx.Arcsin), "arccos": unaryCall(mlx.Arccos), "arctan": unaryCall(mlx.Arctan),
	"arcsinh": unaryCall(mlx.Arcsinh), "arccosh": unaryCall(mlx.Arccosh), "arctanh": unaryCall(mlx.Arctanh),
	"sigmoid": unaryCall(mlx.Sigmoid), "erf": unaryCall(mlx.Erf), "erfinv": unaryCall(mlx.Erfinv), "floor": unaryCall(mlx.Floor), "ceil": unaryCall(mlx.Ceil),
	"sign": unaryCall(mlx.Sign), "degrees": unaryCall(mlx.Degrees), "radians": unaryCall(mlx.Radians), "isnan": unaryCall(mlx.Isnan), "isinf": unaryCall(mlx.Isinf),
	"isfinite": unaryCall(mlx.Isfinite), "isposinf": unaryCall(mlx.Isposinf), "isneginf": unaryCall(mlx.Isneginf), "logical_not": unaryCall(mlx.LogicalNot),
	"stop_gradient": unaryCall(mlx.StopGradient), "real": unaryCall(mlx.Real), "imag": unaryCall(mlx.Imag), "conjugate": unaryCall(mlx.Conjugate),
	"trunc": unaryCall(mlx.Trunc), "positive": unaryCall(mlx.Positive), "contiguous": unaryCall(mlx.Contiguous), "bitwise_invert": unaryCall(mlx.BitwiseInvert),
	"zeros_like": func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return one(mlx.ZerosLike(in[0])) },
	"ones_like":  func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return one(mlx.OnesLike(in[0])) },
	"atleast_1d": unaryCall(mlx.Atleast1D), "atleast_2d": unaryCall(mlx.Atleast2D), "atleast_3d": unaryCall(mlx.Atleast3D), "to_fp8": unaryCall(mlx.ToFP8),
	"from_fp8": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array { return one(mlx.FromFP8(in[0], p.dtype())) },
	"astype":   func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array { return one(mlx.AsType(in[0], p.dtype())) },
	"view":     func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array { return one(mlx.View(in[0], p.dtype())) },
	"round": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Round(in[0], p.int("decimals")))
	},
}

var binaryCalls = map[string]call{
	"add": binaryCall(mlx.Add), "subtract": binaryCall(mlx.Subtract), "multiply": binaryCall(mlx.Multiply), "divide": binaryCall(mlx.Divide), "power": binaryCall(mlx.Power),
	"maximum": binaryCall(mlx.Maximum), "minimum": binaryCall(mlx.Minimum), "logaddexp": binaryCall(mlx.Logaddexp), "arctan2": binaryCall(mlx.Arctan2),
	"floor_divide": binaryCall(mlx.FloorDivide), "remainder": binaryCall(mlx.Remainder), "equal": binaryCall(mlx.Equal), "not_equal": binaryCall(mlx.NotEqual),
	"less": binaryCall(mlx.Less), "less_equal": binaryCall(mlx.LessEqual), "greater": binaryCall(mlx.Greater), "greater_equal": binaryCall(mlx.GreaterEqual),
	"logical_and": binaryCall(mlx.LogicalAnd), "logical_or": binaryCall(mlx.LogicalOr), "logical_xor": binaryCall(mlx.LogicalXor),
	"bitwise_and": binaryCall(mlx.BitwiseAnd), "bitwise_or": binaryCall(mlx.BitwiseOr), "bitwise_xor": binaryCall(mlx.BitwiseXor),
	"left_shift": binaryCall(mlx.LeftShift), "right_shift": binaryCall(mlx.RightShift),
	"divmod": func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return two(mlx.Divmod(in[0], in[1])) },
	"isclose": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Isclose(in[0], in[1], mlx.Tolerance{Relative: p.float("rtol"), Absolute: p.float("atol"), EqualNaN: p.bool("nan")}))
	},
	"allclose": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Allclose(in[0], in[1], mlx.Tolerance{Relative: p.float("rtol"), Absolute: p.float("atol"), EqualNaN: p.bool("nan")}))
	},
	"array_equal": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.ArrayEqual(in[0], in[1], p.bool("nan")))
	},
	"where": func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return one(mlx.Where(in[0], in[1], in[2])) },
	"clip":  func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return one(mlx.Clip(in[0], in[1], in[2])) },
	"nan_to_num": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.NanToNum(in[0], mlx.Replacements{NaN: p.float("nan"), PosInf: floatOrInf(p, "posinf"), NegInf: floatOrInf(p, "neginf")}))
	},
}

var reductionCalls = map[string]call{
	"sum": axesCall(mlx.Sum), "prod": axesCall(mlx.Prod), "mean": axesCall(mlx.Mean), "max": axesCall(mlx.Max), "min": axesCall(mlx.Min), "all": axesCall(mlx.All), "any": axesCall(mlx.Any),
	"logsumexp": axesCall(mlx.LogSumExp), "median": axesCall(mlx.Median), "softmax": axesCall(mlx.Softmax), "count_nonzero": axesCall(mlx.CountNonzero),
	"var":    func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array { return kindOfTotal(p, mlx.Var, in[0]) },
	"std":    func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array { return kindOfTotal(p, mlx.Std, in[0]) },
	"argmax": axisCall(mlx.Argmax), "argmin": axisCall(mlx.Argmin), "sort": axisCall(mlx.Sort), "argsort": axisCall(mlx.Argsort),
	"partition": rankCall("kth", mlx.Partition), "argpartition": rankCall("kth", mlx.Argpartition), "topk": rankCall("k", mlx.TopK),
	"cumsum": cumulativeCall(mlx.Cumsum), "cumprod": cumulativeCall(mlx.Cumprod), "cummax": cumulativeCall(mlx.Cummax), "cummin": cumulativeCall(mlx.Cummin), "logcumsumexp": cumulativeCall(mlx.Logcumsumexp),
	"searchsorted": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Searchsorted(in[0], in[1], mlx.Side(p.string("side"))))
	},
	"diff": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Diff(in[0], p.int("n"), p.int("axis")))
	},
}

var shapeCalls = map[string]call{
	"reshape": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Reshape(in[0], p.ints("shape")...))
	},
	"flatten": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Flatten(in[0], p.int("start"), p.int("end")))
	},
	"unflatten": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Unflatten(in[0], p.int("axis"), p.ints("shape")...))
	},
	"transpose": axesCall(mlx.Transpose), "expand_dims": axesCall(mlx.ExpandDims), "squeeze": axesCall(mlx.Squeeze), "flip": axesCall(mlx.Flip),
	"swapaxes": pairCall(mlx.Swapaxes), "moveaxis": pairCall(mlx.Moveaxis),
	"broadcast_to": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.BroadcastTo(in[0], p.ints("shape")...))
	},
	"concatenate": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Concatenate(p.int("axis"), in...))
	},
	"stack": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Stack(p.int("axis"), in...))
	},
	"split": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return mlx.Split(in[0], p.int("n"), p.int("axis"))
	},
	"split_at": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return mlx.SplitAt(in[0], p.ints("at"), p.int("axis"))
	},
	"unstack": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array { return mlx.Unstack(in[0], p.int("axis")) },
	"repeat": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Repeat(in[0], p.int("n"), p.axis()))
	},
	"tile": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Tile(in[0], p.ints("reps")...))
	},
	"roll": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Roll(in[0], p.ints("shift"), p.ints("axes")...))
	},
	"pad": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Pad(in[0], mlx.PadMode(p.string("mode")), 0, param[[][2]int](p, "widths")...))
	},
	"as_strided": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.AsStrided(in[0], p.ints("shape"), p.ints("strides"), p.int("offset")))
	},
	"diag": kCall(mlx.Diag), "tril": kCall(mlx.Tril), "triu": kCall(mlx.Triu), "diagonal": diagonalsCall(mlx.Diagonal), "trace": diagonalsCall(mlx.Trace),
	"broadcast_arrays": func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return mlx.BroadcastArrays(in...) },
	"meshgrid": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return mlx.Meshgrid(mlx.Indexing(p.string("order")), p.bool("sparse"), in...)
	},
}

var indexCalls = map[string]call{
	"take": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Take(in[0], in[1], p.axis()))
	},
	"take_along_axis": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.TakeAlongAxis(in[0], in[1], p.axis()))
	},
	"put_along_axis": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.PutAlongAxis(in[0], in[1], in[2], p.axis()))
	},
	"scatter_add_axis": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.ScatterAddAxis(in[0], in[1], in[2], p.axis()))
	},
	"index": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Index(in[0], indexers(p, in[1:])...))
	},
	"index_update": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		f := map[string]func(x, u *mlx.Array, index ...mlx.Indexer) *mlx.Array{
			"set": mlx.IndexUpdate, "add": mlx.IndexAdd, "multiply": mlx.IndexMultiply, "maximum": mlx.IndexMaximum, "minimum": mlx.IndexMinimum,
		}[p.string("how")]
		return one(f(in[0], in[1], indexers(p, in[2:])...))
	},
	"slice": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.SliceDynamic(in[0], in[1], p.ints("axes"), p.ints("size")))
	},
	"slice_update": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.SliceUpdateDynamic(in[0], in[1], in[2], p.ints("axes")...))
	},
	"masked_scatter": func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array {
		return one(mlx.MaskedScatter(in[0], in[1], in[2]))
	},
}

var productCalls = map[string]call{
	"matmul": binaryCall(mlx.Matmul), "outer": binaryCall(mlx.Outer), "kron": binaryCall(mlx.Kron), "inner": binaryCall(mlx.Inner),
	"addmm": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Addmm(in[0], in[1], in[2], p.float("alpha"), p.float("beta")))
	},
	"vecdot": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Vecdot(in[0], in[1], p.int("axis")))
	},
	"tensordot": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		axes := param[[2][]int](p, "axes")
		pairs := make([][2]int, max(len(axes[0]), len(axes[1])))
		for i := range pairs {
			pairs[i] = [2]int{99, 99} // a missing partner is no axis
			if i < len(axes[0]) && i < len(axes[1]) {
				pairs[i] = [2]int{axes[0][i], axes[1][i]}
			}
		}
		return one(mlx.Tensordot(in[0], in[1], pairs...))
	},
	"einsum": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Einsum(p.string("subscripts"), in...))
	},
	"block_masked_mm": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.BlockMaskedMM(in[0], in[1], p.int("block"), mlx.Masks{Out: in[2], Left: in[3], Right: in[4]}))
	},
	"gather_mm": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.GatherMM(in[0], in[1], mlx.Picks{Left: in[2], Right: in[3], Sorted: p.bool("sorted")}))
	},
	"segmented_mm": func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array {
		return one(mlx.SegmentedMM(in[0], in[1], in[2]))
	},
	"hadamard_transform": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.HadamardTransform(in[0], p.float("scale")))
	},
	"conv1d": convCall(mlx.Conv1D), "conv2d": convCall(mlx.Conv2D), "conv3d": convCall(mlx.Conv3D),
	"conv_transpose1d": convCall(mlx.ConvTranspose1D), "conv_transpose2d": convCall(mlx.ConvTranspose2D), "conv_transpose3d": convCall(mlx.ConvTranspose3D),
	"conv_general": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.ConvGeneral(in[0], in[1], mlx.Conv{Stride: p.ints("stride"), Padding: p.ints("low"), PaddingBehind: p.ints("high"), Dilation: p.ints("dilation"),
			InputDilation: p.ints("input_dilation"), Groups: p.int("groups"), Flip: p.bool("flip")}))
	},
}

var packedCalls = map[string]call{
	"quantize": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return three(mlx.Quantize(in[0], p.quantization()))
	},
	"dequantize": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Dequantize(in[0], in[1], in[2], p.quantization(), mlx.Float32))
	},
	"quantized_matmul": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.QuantizedMatmul(in[0], in[1], in[2], in[3], p.quantization()))
	},
	"gather_qmm": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.GatherQMM(in[0], in[1], in[2], in[3], true, p.quantization(), mlx.Picks{Left: in[4], Right: in[5]}))
	},
}

var fusedCalls = map[string]call{
	"fast.rms_norm": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.RMSNorm(in[0], in[1], p.float("eps")))
	},
	"fast.layer_norm": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.LayerNorm(in[0], in[1], in[2], p.float("eps")))
	},
	"fast.rope": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.RoPE(in[0], mlx.Rotary{Dims: p.int("dims"), Traditional: p.bool("traditional"), Base: p.float("base"), Scale: p.float("scale"), Freqs: in[1]}, p.int("offset")))
	},
	"rope_dynamic": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.RoPEDynamic(in[0], mlx.Rotary{Dims: p.int("dims"), Traditional: p.bool("traditional"), Base: p.float("base"), Scale: p.float("scale")}, in[1]))
	},
	"fast.scaled_dot_product_attention": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		var sinks []*mlx.Array
		if in[4] != nil {
			sinks = in[4:]
		}
		return one(mlx.Attention(in[0], in[1], in[2], p.float("scale"), p.bool("causal"), in[3], sinks...))
	},
	"fast.cross_entropy": binaryCall(mlx.CrossEntropy),
}

var linalgCalls = map[string]call{
	"linalg.inv": unaryCall(mlx.Inv), "linalg.eigvals": unaryCall(mlx.Eigvals), "linalg.det": unaryCall(mlx.Det), "linalg.pinv": unaryCall(mlx.Pinv), "singular_values": unaryCall(mlx.SingularValues),
	"linalg.qr":        func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return two(mlx.QR(in[0])) },
	"linalg.eig":       func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return two(mlx.Eig(in[0])) },
	"linalg.lu":        func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return three(mlx.LU(in[0])) },
	"linalg.svd":       func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return three(mlx.SVD(in[0])) },
	"linalg.lu_factor": func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return two(mlx.LUFactor(in[0])) },
	"linalg.slogdet":   func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return two(mlx.Slogdet(in[0])) },
	"linalg.cholesky":  triangleCall(mlx.Cholesky), "linalg.cholesky_inv": triangleCall(mlx.CholeskyInv), "linalg.tri_inv": triangleCall(mlx.TriInv), "linalg.eigvalsh": triangleCall(mlx.Eigvalsh),
	"linalg.eigh":  func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array { return two(mlx.Eigh(in[0], p.triangle())) },
	"linalg.solve": binaryCall(mlx.Solve),
	"linalg.solve_triangular": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.SolveTriangular(in[0], in[1], p.triangle()))
	},
	"linalg.cross": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Cross(in[0], in[1], p.int("axis")))
	},
	"linalg.norm": axesCall(mlx.Norm),
	"norm_ord": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		ord, err := strconv.ParseFloat(p.string("ord"), 64)
		if err != nil {
			panic(err)
		}
		return one(mlx.NormOrd(in[0], ord, p.ints("axes")...))
	},
	"norm_matrix": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.NormMatrix(in[0], mlx.MatrixNorm(p.string("name")), p.ints("axes")...))
	},
}

var fourierCalls = map[string]call{
	"fft.fft": fftCall(mlx.FFT), "fft.ifft": fftCall(mlx.IFFT), "fft.rfft": fftCall(mlx.RFFT), "fft.irfft": fftCall(mlx.IRFFT),
	"fft.fft2": fftNCall(mlx.FFT2), "fft.ifft2": fftNCall(mlx.IFFT2), "fft.rfft2": fftNCall(mlx.RFFT2), "fft.irfft2": fftNCall(mlx.IRFFT2),
	"fft.fftn": fftNCall(mlx.FFTN), "fft.ifftn": fftNCall(mlx.IFFTN), "fft.rfftn": fftNCall(mlx.RFFTN), "fft.irfftn": fftNCall(mlx.IRFFTN),
	"fft.fftshift": axesCall(mlx.FFTShift), "fft.ifftshift": axesCall(mlx.IFFTShift),
	"fft.fftfreq": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.FFTFreq(s, p.int("n"), p.float("d")))
	},
	"fft.rfftfreq": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.RFFTFreq(s, p.int("n"), p.float("d")))
	},
}

var creationCalls = map[string]call{
	"zeros": shapeCall(mlx.Zeros), "ones": shapeCall(mlx.Ones),
	"full": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Full(s, p.float("x"), p.dtype(), p.ints("shape")...))
	},
	"eye": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Eye(s, mlx.Grid{Rows: p.int("n"), Cols: p.int("m"), Offset: p.int("k")}, p.dtype()))
	},
	"tri": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Tri(s, mlx.Grid{Rows: p.int("n"), Cols: p.int("m"), Offset: p.int("k")}, p.dtype()))
	},
	"identity": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Identity(s, p.int("n"), p.dtype()))
	},
	"full_like": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.FullLike(in[0], in[1], p.dtype()))
	},
	"arange": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Arange(s, p.float("start"), p.float("stop"), p.float("step"), p.dtype()))
	},
	"linspace": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Linspace(s, p.float("start"), p.float("stop"), p.int("num"), p.bool("endpoint"), p.dtype()))
	},
	"hanning": windowCall(mlx.Hanning), "hamming": windowCall(mlx.Hamming), "blackman": windowCall(mlx.Blackman), "bartlett": windowCall(mlx.Bartlett),
}

var randomCalls = map[string]call{
	"random.key": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array { return one(p.key(s)) },
	"random.split": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Stack(0, mlx.RandomSplit(p.key(s), p.int("num"))...))
	},
	"random.uniform": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.RandomUniform(p.key(s), mlx.Scalar(s, float32(p.float("low"))), mlx.Scalar(s, float32(p.float("high"))), p.dtype(), p.ints("shape")...))
	},
	"random.normal": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.RandomNormal(p.key(s), p.float("loc"), p.float("scale"), p.dtype(), p.ints("shape")...))
	},
	"random.gumbel": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.RandomGumbel(p.key(s), p.dtype(), p.ints("shape")...))
	},
	"random.laplace": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.RandomLaplace(p.key(s), p.float("loc"), p.float("scale"), p.dtype(), p.ints("shape")...))
	},
	"random.truncated_normal": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.RandomTruncatedNormal(p.key(s), mlx.Scalar(s, float32(p.float("low"))), mlx.Scalar(s, float32(p.float("high"))), p.dtype(), p.ints("shape")...))
	},
	"random.randint": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.RandomRandint(p.key(s), p.int("low"), p.int("high"), p.dtype(), p.ints("shape")...))
	},
	"random.bernoulli": func(s *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.RandomBernoulli(p.key(s), in[0], p.ints("shape")...))
	},
	"random.categorical": func(s *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.RandomCategorical(p.key(s), in[0], p.int("axis")))
	},
	"categorical_n": func(s *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.RandomCategoricalN(p.key(s), in[0], p.int("axis"), p.int("n")))
	},
	"categorical_shape": func(s *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.RandomCategoricalShape(p.key(s), in[0], p.int("axis"), p.ints("shape")...))
	},
	"random.permutation": func(s *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.RandomPermutation(p.key(s), in[0], p.int("axis")))
	},
	"permutation_arange": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.RandomPermutationArange(p.key(s), p.int("n")))
	},
	"random.multivariate_normal": func(s *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.RandomMultivariateNormal(p.key(s), in[0], in[1], p.ints("shape")...))
	},
}
