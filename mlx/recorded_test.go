package mlx_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// params are the parameters of a recorded case.
type params map[string]json.RawMessage

func param[T any](p params, name string) T {
	var v T
	if raw, ok := p[name]; ok {
		if err := json.Unmarshal(raw, &v); err != nil {
			panic(fmt.Sprintf("parameter %s is %s: %v", name, raw, err))
		}
	}
	return v
}

func (p params) null(name string) bool       { return p[name] == nil || string(p[name]) == "null" }
func (p params) int(name string) int         { return param[int](p, name) }
func (p params) ints(name string) []int      { return param[[]int](p, name) }
func (p params) float(name string) float64   { return param[float64](p, name) }
func (p params) bool(name string) bool       { return param[bool](p, name) }
func (p params) string(name string) string   { return param[string](p, name) }
func (p params) dtype() mlx.Dtype            { return dtypeNamed(p.string("dtype")) }
func (p params) key(s *mlx.Scope) *mlx.Array { return mlx.RandomKey(s, param[uint64](p, "seed")) }
func (p params) triangle() (t mlx.Triangle)  { return mlx.Triangle(p.bool("upper")) }
func (p params) conv() mlx.Conv {
	return mlx.Conv{Stride: p.ints("stride"), Padding: p.ints("padding"), Dilation: p.ints("dilation"), OutputPadding: p.ints("output_padding"), Groups: p.int("groups")}
}
func (p params) quantization() mlx.Quantization {
	return mlx.Quantization{GroupSize: p.int("group"), Bits: p.int("bits"), Mode: p.string("mode")}
}

// axis is a number, or null for all elements as one.
func (p params) axis() int {
	if p.null("axis") {
		return mlx.Flat
	}
	return p.int("axis")
}

func dtypeNamed(name string) mlx.Dtype {
	for d := mlx.Bool; d <= mlx.Complex64; d++ {
		if d.String() == name {
			return d
		}
	}
	panic("no data type " + name)
}

type call func(s *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array

func unaryCall(f func(*mlx.Array) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return one(f(in[0])) }
}

func binaryCall(f func(a, b *mlx.Array) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return one(f(in[0], in[1])) }
}

func axesCall(f func(*mlx.Array, ...int) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array { return one(f(in[0], p.ints("axes")...)) }
}

func axisCall(f func(*mlx.Array, int) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array { return one(f(in[0], p.axis())) }
}

func rankCall(name string, f func(*mlx.Array, int, int) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(f(in[0], p.int(name), p.axis()))
	}
}

func cumulativeCall(f func(*mlx.Array, int, ...mlx.Cumulative) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(f(in[0], p.axis(), mlx.Cumulative{Reverse: p.bool("reverse"), Exclusive: !p.bool("inclusive")}))
	}
}

func kCall(f func(*mlx.Array, int) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array { return one(f(in[0], p.int("k"))) }
}

func pairCall(f func(*mlx.Array, int, int) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(f(in[0], p.int("i"), p.int("j")))
	}
}

func convCall(f func(x, w *mlx.Array, c mlx.Conv) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array { return one(f(in[0], in[1], p.conv())) }
}

func triangleCall(f func(*mlx.Array, mlx.Triangle) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array { return one(f(in[0], p.triangle())) }
}

func fftCall(f func(*mlx.Array, int, int, mlx.FFTNorm) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		n := p.int("n")
		if !p.null("n") && n == 0 {
			n = -1 // mlx.core's 0 is a length, and an error
		}
		return one(f(in[0], n, p.int("axis"), mlx.FFTNorm(p.int("norm"))))
	}
}

func fftNCall(f func(*mlx.Array, []int, []int, mlx.FFTNorm) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(f(in[0], p.ints("n"), p.ints("axes"), mlx.FFTNorm(p.int("norm"))))
	}
}

func windowCall(f func(*mlx.Scope, int) *mlx.Array) call {
	return func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array { return one(f(s, p.int("m"))) }
}

func shapeCall(f func(*mlx.Scope, mlx.Dtype, ...int) *mlx.Array) call {
	return func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(f(s, p.dtype(), p.ints("shape")...))
	}
}

func diagonalsCall(f func(x *mlx.Array, offset, axis1, axis2 int) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(f(in[0], p.int("offset"), p.int("axis1"), p.int("axis2")))
	}
}

// two is the results of a function that returns a pair.
func two(a, b *mlx.Array) []*mlx.Array { return []*mlx.Array{a, b} }

func three(a, b, c *mlx.Array) []*mlx.Array {
	if c == nil {
		return two(a, b)
	}
	return []*mlx.Array{a, b, c}
}

func kindOfTotal(p params, f func(x *mlx.Array, ddof int, axes ...int) *mlx.Array, x *mlx.Array) []*mlx.Array {
	return one(f(x, p.int("ddof"), p.ints("axes")...))
}

// indexers reads an index as the recorder writes it: "1:3" a range, "@0" the first array.
func indexers(p params, arrays []*mlx.Array) []mlx.Indexer {
	var out []mlx.Indexer
	for _, raw := range param[[]json.RawMessage](p, "index") {
		var i int
		if json.Unmarshal(raw, &i) == nil {
			out = append(out, mlx.At(i))
			continue
		}
		var word string
		if err := json.Unmarshal(raw, &word); err != nil {
			panic(err)
		}
		out = append(out, indexer(word, arrays))
	}
	return out
}

func indexer(word string, arrays []*mlx.Array) mlx.Indexer {
	switch {
	case word == "...":
		return mlx.Ellipsis
	case word == "new":
		return mlx.NewAxis
	case word == ":":
		return mlx.Whole
	case word[0] == '@':
		i, _ := strconv.Atoi(word[1:])
		return arrays[i]
	}
	var parts [3]string
	for i, k := 0, 0; i < len(word); i++ {
		if word[i] == ':' {
			k++
		} else {
			parts[k] += word[i : i+1]
		}
	}
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	var r mlx.Range
	switch {
	case parts[0] != "" && parts[1] != "":
		r = mlx.Between(number(parts[0]), number(parts[1]))
	case parts[0] != "":
		r = mlx.From(number(parts[0]))
	case parts[1] != "":
		r = mlx.To(number(parts[1]))
	default:
		r = mlx.Every(1)
	}
	if parts[2] != "" {
		r = r.By(number(parts[2]))
	}
	return r
}

func pointers(p params, name string) float64 {
	if p.null(name) {
		return math.Inf(1)
	}
	return p.float(name)
}

// recorded maps the operations of the record, by their names in mlx.core, to ours.
var recorded = map[string]call{
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

	"add": binaryCall(mlx.Add), "subtract": binaryCall(mlx.Subtract), "multiply": binaryCall(mlx.Multiply), "divide": binaryCall(mlx.Divide), "power": binaryCall(mlx.Power),
	"maximum": binaryCall(mlx.Maximum), "minimum": binaryCall(mlx.Minimum), "logaddexp": binaryCall(mlx.Logaddexp), "arctan2": binaryCall(mlx.Arctan2),
	"floor_divide": binaryCall(mlx.FloorDivide), "remainder": binaryCall(mlx.Remainder), "equal": binaryCall(mlx.Equal), "not_equal": binaryCall(mlx.NotEqual),
	"less": binaryCall(mlx.Less), "less_equal": binaryCall(mlx.LessEqual), "greater": binaryCall(mlx.Greater), "greater_equal": binaryCall(mlx.GreaterEqual),
	"logical_and": binaryCall(mlx.LogicalAnd), "logical_or": binaryCall(mlx.LogicalOr), "logical_xor": binaryCall(mlx.LogicalXor),
	"bitwise_and": binaryCall(mlx.BitwiseAnd), "bitwise_or": binaryCall(mlx.BitwiseOr), "bitwise_xor": binaryCall(mlx.BitwiseXor),
	"left_shift": binaryCall(mlx.LeftShift), "right_shift": binaryCall(mlx.RightShift),
	"divmod": func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return two(mlx.Divmod(in[0], in[1])) },
	"isclose": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Isclose(in[0], in[1], p.float("rtol"), p.float("atol"), p.bool("nan")))
	},
	"allclose": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Allclose(in[0], in[1], p.float("rtol"), p.float("atol"), p.bool("nan")))
	},
	"array_equal": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.ArrayEqual(in[0], in[1], p.bool("nan")))
	},
	"where": func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return one(mlx.Where(in[0], in[1], in[2])) },
	"clip":  func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return one(mlx.Clip(in[0], in[1], in[2])) },
	"nan_to_num": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.NanToNum(in[0], p.float("nan"), pointers(p, "posinf"), pointers(p, "neginf")))
	},

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
		return one(mlx.BlockMaskedMM(in[0], in[1], p.int("block"), in[2], in[3], in[4]))
	},
	"gather_mm": func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.GatherMM(in[0], in[1], in[2], in[3], p.bool("sorted")))
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
		return one(mlx.GatherQMM(in[0], in[1], in[2], in[3], in[4], in[5], true, p.quantization(), false))
	},

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

	"zeros": shapeCall(mlx.Zeros), "ones": shapeCall(mlx.Ones),
	"full": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Full(s, p.float("x"), p.dtype(), p.ints("shape")...))
	},
	"eye": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Eye(s, p.int("n"), p.int("m"), p.int("k"), p.dtype()))
	},
	"tri": func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(mlx.Tri(s, p.int("n"), p.int("m"), p.int("k"), p.dtype()))
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

// stored is an array of the record.
type stored struct {
	Dtype string `json:"dtype"`
	Shape []int  `json:"shape"`
	Data  string `json:"data"`
}

func (r stored) bytes(t *testing.T) []byte {
	raw, err := base64.StdEncoding.DecodeString(r.Data)
	require.NoError(t, err)
	return raw
}

type recordedCase struct {
	Op     string    `json:"op"`
	In     []*stored `json:"in"`
	Params params    `json:"params"`
	Out    []stored  `json:"out"`
}

func recordedCases(t *testing.T) []recordedCase {
	t.Helper()
	file, err := os.Open("testdata/ops.jsonl.gz")
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(nil, 1<<20)
	var out []recordedCase
	for lines.Scan() {
		var c recordedCase
		require.NoError(t, json.Unmarshal(lines.Bytes(), &c))
		out = append(out, c)
	}
	require.NoError(t, lines.Err())
	return out
}

// elements reads bytes as numbers, two for a complex one.
func elements(d mlx.Dtype, raw []byte) []float64 {
	read := func(xs any, n int, at func(i int) float64) []float64 {
		if _, err := binary.Decode(raw, binary.NativeEndian, xs); err != nil {
			panic(err)
		}
		out := make([]float64, n)
		for i := range out {
			out[i] = at(i)
		}
		return out
	}
	n := len(raw) / d.Size()
	switch d {
	case mlx.Bool, mlx.Uint8:
		return read([]uint8{}, n, func(i int) float64 { return float64(raw[i]) })
	case mlx.Int8:
		return read([]uint8{}, n, func(i int) float64 { return float64(int8(raw[i])) })
	case mlx.Uint16:
		xs := make([]uint16, n)
		return read(xs, n, func(i int) float64 { return float64(xs[i]) })
	case mlx.Int16:
		xs := make([]int16, n)
		return read(xs, n, func(i int) float64 { return float64(xs[i]) })
	case mlx.Float16:
		xs := make([]mlx.Half, n)
		return read(xs, n, func(i int) float64 { return float64(xs[i].Float32()) })
	case mlx.BFloat16:
		xs := make([]mlx.Brain, n)
		return read(xs, n, func(i int) float64 { return float64(xs[i].Float32()) })
	case mlx.Uint32:
		xs := make([]uint32, n)
		return read(xs, n, func(i int) float64 { return float64(xs[i]) })
	case mlx.Int32:
		xs := make([]int32, n)
		return read(xs, n, func(i int) float64 { return float64(xs[i]) })
	case mlx.Uint64:
		xs := make([]uint64, n)
		return read(xs, n, func(i int) float64 { return float64(xs[i]) })
	case mlx.Int64:
		xs := make([]int64, n)
		return read(xs, n, func(i int) float64 { return float64(xs[i]) })
	case mlx.Float64:
		xs := make([]float64, n)
		return read(xs, n, func(i int) float64 { return xs[i] })
	}
	if d == mlx.Complex64 {
		n *= 2
	}
	xs := make([]float32, n)
	return read(xs, n, func(i int) float64 { return float64(xs[i]) })
}

// raw returns an array's bytes.
func raw(a *mlx.Array) ([]byte, error) {
	switch a.Dtype() {
	case mlx.Bool:
		xs, err := mlx.Data[bool](a)
		return encoded(xs), err
	case mlx.Uint8:
		return mlx.Data[uint8](a)
	case mlx.Int8:
		xs, err := mlx.Data[int8](a)
		return encoded(xs), err
	case mlx.Uint16:
		xs, err := mlx.Data[uint16](a)
		return encoded(xs), err
	case mlx.Int16:
		xs, err := mlx.Data[int16](a)
		return encoded(xs), err
	case mlx.Float16:
		xs, err := mlx.Data[mlx.Half](a)
		return encoded(xs), err
	case mlx.BFloat16:
		xs, err := mlx.Data[mlx.Brain](a)
		return encoded(xs), err
	case mlx.Uint32:
		xs, err := mlx.Data[uint32](a)
		return encoded(xs), err
	case mlx.Int32:
		xs, err := mlx.Data[int32](a)
		return encoded(xs), err
	case mlx.Uint64:
		xs, err := mlx.Data[uint64](a)
		return encoded(xs), err
	case mlx.Int64:
		xs, err := mlx.Data[int64](a)
		return encoded(xs), err
	case mlx.Float32:
		xs, err := mlx.Data[float32](a)
		return encoded(xs), err
	case mlx.Float64:
		xs, err := mlx.Data[float64](a)
		return encoded(xs), err
	}
	xs, err := mlx.Data[complex64](a)
	return encoded(xs), err
}

func encoded(xs any) []byte {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.NativeEndian, xs); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// Two builds of MLX 0.32.2 compute the same, but for the BLAS and LAPACK that each has and
// for the processor's instructions: sums may be added up in another order. The difference is
// of a few roundings of the type, relative to the largest element of the result.
func roundings(d mlx.Dtype) float64 {
	switch d {
	case mlx.Float16:
		return 4 * 0x1p-11
	case mlx.BFloat16:
		return 4 * 0x1p-8
	}
	return 32 * 0x1p-24
}

// looser are operations whose results magnify roundings, with the factor.
var looser = map[string]float64{
	"linalg.det": 128, "linalg.slogdet": 128, "linalg.inv": 16, "linalg.svd": 16, "singular_values": 16, "linalg.qr": 16, "linalg.eigh": 16, "linalg.eigvalsh": 16, "linalg.pinv": 64, "linalg.eig": 16, "linalg.eigvals": 16, "linalg.cholesky_inv": 16, "linalg.tri_inv": 16, "linalg.solve": 16, "linalg.solve_triangular": 16,
	"random.multivariate_normal": 16,
}

// refused are cases that mlx.core computes and we refuse, with the reason.
func refused(c recordedCase) string {
	negative := func(names ...string) bool {
		for _, name := range names {
			if c.Params.int(name) < 0 {
				return true
			}
		}
		return false
	}
	switch c.Op {
	case "segmented_mm":
		if c.In[0].Shape[1] != c.In[1].Shape[0] {
			return "the summed axes differ, and mlx.core sums what the shorter one has not"
		}
	case "tri":
		if negative("n", "m") {
			return "a negative length, which mlx.core takes for 0"
		}
	case "hanning", "hamming", "blackman", "bartlett":
		if negative("m") {
			return "a negative length, which mlx.core takes for 0"
		}
	}
	return ""
}

func TestOperationsComputeWhatMLXCoreRecorded(t *testing.T) {
	cases := recordedCases(t)
	seen := map[string]int{}
	for i, c := range cases {
		f, ok := recorded[c.Op]
		require.True(t, ok, "the record has operation %s, which no function here is named for", c.Op)
		seen[c.Op]++
		t.Run(fmt.Sprintf("%s/%d", c.Op, i), func(t *testing.T) { c.check(t, f) })
	}
	for op := range recorded {
		if seen[op] < 2 {
			t.Errorf("%s has %d recorded cases", op, seen[op])
		}
	}
}

func (c recordedCase) check(t *testing.T, f call) {
	s := scope(t)
	in := make([]*mlx.Array, len(c.In))
	for i, r := range c.In {
		if r != nil {
			in[i] = fromBytes(s, dtypeNamed(r.Dtype), r.bytes(t), r.Shape)
		}
	}
	out := f(s, in, c.Params)
	if why := refused(c); c.Out == nil || why != "" {
		require.Error(t, mlx.Eval(out...), "%s with %v on %v: mlx.core raises an error, or: %s", c.Op, c.Params, in, why)
		return
	}
	require.Len(t, out, len(c.Out))
	for i, want := range c.Out {
		got, err := raw(out[i])
		require.NoError(t, err, "%s with %s on %v", c.Op, c.Params, in)
		d := dtypeNamed(want.Dtype)
		require.Equal(t, fmt.Sprintf("%s%v", d, want.Shape), out[i].String(), "%s with %s on %v", c.Op, c.Params, in)
		if c.Op == "linalg.eig" && i == 1 {
			continue // vectors have a free factor: TestFactorsGiveTheMatrixBack
		}
		compare(t, c, d, elements(d, want.bytes(t)), elements(d, got))
	}
}

// fromBytes keeps what is known of indices that come as Go data.
func fromBytes(s *mlx.Scope, d mlx.Dtype, raw []byte, shape []int) *mlx.Array {
	if d != mlx.Int32 {
		return mlx.FromBytes(s, raw, d, shape...)
	}
	xs := make([]int32, len(raw)/4)
	if _, err := binary.Decode(raw, binary.NativeEndian, xs); err != nil {
		panic(err)
	}
	return mlx.FromSlice(s, xs, append([]int{}, shape...)...)
}

func compare(t *testing.T, c recordedCase, d mlx.Dtype, want, got []float64) {
	t.Helper()
	largest := 0.0
	for _, x := range want {
		if !math.IsInf(x, 0) && x == x {
			largest = max(largest, math.Abs(x))
		}
	}
	tolerance := 0.0
	if d.IsFloat() || d == mlx.Complex64 {
		tolerance = roundings(d) * max(looser[c.Op], 1) * largest
	}
	require.Len(t, got, len(want))
	for i := range want {
		equal := got[i] == want[i] || got[i] != got[i] && want[i] != want[i] || math.Abs(got[i]-want[i]) <= tolerance
		require.True(t, equal, "%s with %s on %v: element %d is %v, and mlx.core has %v", c.Op, c.Params, c.In, i, got[i], want[i])
	}
}
