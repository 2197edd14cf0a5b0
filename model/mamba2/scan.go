// Package mamba2 is the state space of Mamba-2 (Dao and Gu 2024, arXiv:2405.21060).
package mamba2

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// chunk is how many positions of a prompt are computed at once.
const chunk = 64

// Scan is the input of the state space, all in float32: a state S [d_head, d_state] of each head
// forgets, and takes in x along b,
//
//	S ← e^a·S + x·bᵀ
//	y = S·c
//
// from position to position, where x and a are the paper's x and A times the step Δ. The heads of a
// group have the same b and c.
type Scan struct {
	X    *mlx.Array // [batch, group, head, pos, d_head]
	B, C *mlx.Array // [batch, group, 1, pos, d_state]
	A    *mlx.Array // [batch, group, head, pos], at most 0
}

// Run returns y [batch, group, head, pos, d_head] of all positions and the state behind the last one,
// from the state [batch, group, head, d_head, d_state] before the first.
func (r Scan) Run(state *mlx.Array) (y, next *mlx.Array) {
	n := r.X.Dim(3)
	if n == 1 {
		return r.step(state)
	}
	var out []*mlx.Array
	for at := 0; at < n; at += chunk {
		y, state = r.part(at, min(at+chunk, n)).together(state)
		out = append(out, y)
	}
	return mlx.Concatenate(3, out...), state
}

// part returns the positions from to to.
func (r Scan) part(from, to int) Scan {
	cut := func(x *mlx.Array) *mlx.Array { return mlx.Slice(x, 3, mlx.Between(from, to)) }
	return Scan{X: cut(r.X), B: cut(r.B), C: cut(r.C), A: cut(r.A)}
}

// step is the state space of one position, as its equations.
func (r Scan) step(state *mlx.Array) (y, next *mlx.Array) {
	state = mlx.Multiply(state, mlx.ExpandDims(mlx.Exp(r.A), 4)) // a: [batch, group, head, 1, 1]
	state = mlx.Add(state, mlx.Multiply(mlx.Swapaxes(r.X, 3, 4), r.B))
	return mlx.Matmul(r.C, mlx.Swapaxes(state, 3, 4)), state
}

// together computes positions at once, with D of [model.Decays]:
//
//	Y = (C·Bᵀ ⊙ D)·X + e^(Σa)·C·Sᵀ
//	S ← e^(Σa, the last)·S + Xᵀ·(D_last·B)
func (r Scan) together(state *mlx.Array) (y, next *mlx.Array) {
	n := r.X.Dim(3)
	a := mlx.ExpandDims(r.A, 4)
	sum, decay := mlx.Exp(mlx.Cumsum(a, 3)), model.Decays(a)
	last := mlx.Between(n-1, n)
	within := mlx.Multiply(mlx.Matmul(r.C, mlx.Swapaxes(r.B, 3, 4)), decay)
	before := mlx.Matmul(mlx.Multiply(r.C, sum), mlx.Swapaxes(state, 3, 4))
	b := mlx.Multiply(r.B, mlx.Swapaxes(mlx.Slice(decay, 3, last), 3, 4))
	next = mlx.Add(mlx.Multiply(state, mlx.Slice(sum, 3, last)), mlx.Matmul(mlx.Swapaxes(r.X, 3, 4), b))
	return mlx.Add(mlx.Matmul(within, r.X), before), next
}
