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
