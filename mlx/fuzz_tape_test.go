package mlx_test

import (
	"math"

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
		return mlx.AsType(mlx.NanToNum(x, mlx.Replacements{PosInf: 100, NegInf: -100}), mlx.Int32)
	case 1:
		ints := make([]int32, n)
		for i := range ints {
			ints[i] = int32(t.number())
		}
		return mlx.FromSlice(s, ints, shape...)
	case 2:
		return mlx.AsType(mlx.NanToNum(x, mlx.Replacements{PosInf: 100, NegInf: -100}), t.dtype())
	}
	return x
}

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
