package model

import (
	"github.com/mlxlens/mlxlens/mlx"
)

// Recur runs a recurrence over the positions of this pass, from where those before it left it:
//
//	out, s = step(s)
//
// A sequence begins with a float32 state of zeros of a shape. A layer has one such state.
func (p *Pass) Recur(layer int, scope *mlx.Scope, shape []int, step func(state *mlx.Array) (out, next *mlx.Array)) *mlx.Array {
	if p.Cache == nil {
		out, _ := step(mlx.Zeros(scope, mlx.Float32, shape...))
		return out
	}
	l := &p.Cache.layers[layer]
	if l.state == nil {
		l.state = mlx.On(p.Cache.device).Hold(mlx.Zeros(scope, mlx.Float32, shape...))
	}
	out, next := step(scope.Hold(l.state))
	p.Cache.keep(&l.state, next)
	return out
}

// Convolve is a causal convolution of each channel by itself, as a cross-correlation:
//
//	y_t = Σ_j w_j·x_(t+j)
//
// x: [batch, pos+width−1, channel], whose first rows are those of [Pass.Tail]; w: [channel, width]
// with an axis of 1 anywhere; y: [batch, pos, channel].
func Convolve(x, w *mlx.Array) *mlx.Array {
	channels := x.Dim(2)
	w = mlx.AsType(mlx.Reshape(x.Scope().Hold(w), channels, -1), x.Dtype())
	if x.Device() != mlx.CPU {
		return mlx.Conv1D(x, mlx.ExpandDims(w, 2), mlx.Conv{Groups: channels})
	}
	return sumOfShifts(x, w)
}

// sumOfShifts is Convolve for w [channel, width], in a third of the time that MLX's convolution
// takes on a CPU.
func sumOfShifts(x, w *mlx.Array) *mlx.Array {
	width := w.Dim(1)
	n := x.Dim(1) - width + 1
	var y *mlx.Array
	for j := range width {
		at := mlx.Multiply(mlx.Slice(x, 1, mlx.Between(j, j+n)), mlx.Squeeze(mlx.Slice(w, 1, mlx.Between(j, j+1)), 1))
		if y == nil {
			y = at
			continue
		}
		y = mlx.Add(y, at)
	}
	return y
}

// Tail puts the n rows that came before this pass in front of its own, so that a convolution
// sees them: x is [batch, pos, channel], the result [batch, n+pos, channel], and what comes
// before the sequence is 0. A layer has one such tail.
func (p *Pass) Tail(layer int, x *mlx.Array, n int) *mlx.Array {
	if n == 0 {
		return x
	}
	var before *mlx.Array
	if p.Cache != nil && p.Cache.layers[layer].tail != nil {
		before = x.Scope().Hold(p.Cache.layers[layer].tail)
	} else {
		before = mlx.Zeros(x.Scope(), x.Dtype(), x.Dim(0), n, x.Dim(2))
	}
	all := mlx.Concatenate(1, before, x)
	if p.Cache != nil {
		rows := all.Dim(1)
		p.Cache.keep(&p.Cache.layers[layer].tail, mlx.Contiguous(mlx.Slice(all, 1, mlx.Between(rows-n, rows))))
	}
	return all
}

// Decays returns what is left at each position of what came at another, [..., pos, pos], of the
// logarithms g [..., pos, 1] of what each position keeps:
//
//	D_ij = e^(g_(j+1) + … + g_i) for j ≤ i, else 0
//
// It adds up what lies between two positions, where the difference of two sums from the first one
// on would lose the small beside the large.
func Decays(g *mlx.Array) *mlx.Array {
	axis, n := g.Ndim()-2, g.Dim(-2)
	shape := g.Shape()
	shape[axis+1] = n
	return mlx.Tril(mlx.Exp(mlx.Cumsum(mlx.Tril(mlx.BroadcastTo(g, shape...), -1), axis)), 0)
}
