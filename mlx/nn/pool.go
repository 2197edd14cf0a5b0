package nn

import (
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
)

// Pool says how windows lie on the axes between the first and the last. A slice holds a
// number for each of them, or one for all.
type Pool struct {
	Kernel  []int // lengths of a window
	Stride  []int // distances of windows, nil: Kernel
	Padding []int // how much is added before and behind, nil: 0
}

// MaxPool returns the largest element of each window, for as many axes as x has between the
// first and the last: mlx.nn's MaxPool1d, MaxPool2d and MaxPool3d. Padding is −∞.
type MaxPool struct{ Pool }

// NewMaxPool returns windows of one length that do not overlap.
func NewMaxPool(kernel ...int) *MaxPool { return &MaxPool{Pool{Kernel: kernel}} }

// Forward maps [batch, space..., features] to fewer places of the space.
func (p *MaxPool) Forward(x *mlx.Array) *mlx.Array {
	return p.pool("max_pool", x, math.Inf(-1), mlx.Max)
}

// AvgPool returns the mean of each window, for as many axes as x has between the first and the
// last: mlx.nn's AvgPool1d, AvgPool2d and AvgPool3d. Padding is 0, and counts.
type AvgPool struct{ Pool }

// NewAvgPool returns windows of one length that do not overlap.
func NewAvgPool(kernel ...int) *AvgPool { return &AvgPool{Pool{Kernel: kernel}} }

// Forward maps [batch, space..., features] to fewer places of the space.
func (p *AvgPool) Forward(x *mlx.Array) *mlx.Array { return p.pool("avg_pool", x, 0, mlx.Mean) }

// each spreads a list over n axes; nil stands for standard.
func each(list []int, n int, standard []int) ([]int, bool) {
	switch len(list) {
	case 0:
		return standard, true
	case 1:
		out := make([]int, n)
		for i := range out {
			out[i] = list[0]
		}
		return out, true
	}
	return list, len(list) == n
}

func (p *Pool) pool(op string, x *mlx.Array, fill float64, reduce func(*mlx.Array, ...int) *mlx.Array) *mlx.Array {
	if bad := wrong(x); bad != nil {
		return bad
	}
	n := max(x.Ndim()-2, 0)
	kernel, ok1 := each(p.Kernel, n, nil)
	stride, ok2 := each(p.Stride, n, kernel)
	padding, ok3 := each(p.Padding, n, make([]int, n))
	if n < 1 || !ok1 || !ok2 || !ok3 || len(kernel) != n {
		return failed(op, mlx.ErrShape, "x %v with kernel %v, stride %v, padding %v (want: a number for each axis of the space, or one for all)",
			x.Shape(), p.Kernel, p.Stride, p.Padding)
	}
	widths := make([][2]int, n+2)
	for i := range n {
		if kernel[i] < 1 || stride[i] < 1 || padding[i] < 0 || x.Dim(1+i)+2*padding[i] < kernel[i] {
			return failed(op, mlx.ErrShape, "a window of %d, stride %d and padding %d on axis %d of x %v", kernel[i], stride[i], padding[i], 1+i, x.Shape())
		}
		widths[1+i] = [2]int{padding[i], padding[i]}
	}
	if slices.Max(padding) > 0 {
		x = mlx.Pad(x, mlx.PadConstant, fill, widths...)
	}
	axes := make([]int, n)
	for i := range axes {
		axes[i] = 1 + n + i
	}
	return reduce(windows(x, kernel, stride), axes...)
}

// windows returns x seen as [batch, places..., kernel..., features], without a copy.
func windows(x *mlx.Array, kernel, stride []int) *mlx.Array {
	shape, n := x.Shape(), len(kernel)
	strides := make([]int, n+2)
	step := 1
	for i := n + 1; i >= 0; i-- {
		strides[i] = step
		step *= shape[i]
	}
	outShape, outStrides := []int{shape[0]}, []int{strides[0]}
	for i, k := range kernel {
		outShape = append(outShape, (shape[1+i]-k)/stride[i]+1)
		outStrides = append(outStrides, strides[1+i]*stride[i])
	}
	outShape = append(append(outShape, kernel...), shape[n+1])
	return mlx.AsStrided(x, outShape, append(outStrides, strides[1:]...), 0)
}
