package model

import (
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// Parts are those of a block whose derivative can be written down:
//
//	n = RMSNorm(x)
//	h = x + softmax(scale·R(n·W_Q)·R(n·W_K)ᵀ + mask)·(n·W_V)·W_O
//	n' = RMSNorm(h)
//	y = h + (Act(n'·W_gate) ⊙ n'·W_up)·W_down
//
// R being the rotation, if there is one, and biases having no part in it.
type Parts struct {
	AttnNorm, MLPNorm *nn.RMSNorm
	Q, K, V           *nn.Linear
	Attention         Attention
	Rope              *Rope // nil: nothing turns
	MLP               *GatedMLP
}

// Parted is a block that may have these parts.
type Parted interface {
	Parts() *Parts // nil: it is otherwise
}

// Parts returns a layer's, nil for one that is otherwise, and of a model that other processes hold parts of.
func (t *Transformer) Parts(layer int) *Parts {
	if b, ok := t.Blocks[layer].(Parted); ok && t.Held == nil {
		return b.Parts()
	}
	return nil
}

// Turns returns by what the rotation multiplies a head at each of n positions, [pos, d_head, d_head]: q
// turns to q·R. The tap says how long the sequence is. scope owns the result.
func (r *Rope) Turns(scope *mlx.Scope, tap *Tap, n, head int) *mlx.Array {
	lengths := []int{n}
	if tap != nil && tap.Lengths != nil {
		lengths = tap.Lengths[:1]
	}
	pass := newPass(mlx.Zeros(scope, mlx.Int32, head, n), nil, &Tap{Lengths: slices.Repeat(lengths, head)})
	units := mlx.Reshape(mlx.Identity(scope, head, mlx.Float32), head, 1, 1, head)
	turned := pass.turn(mlx.Contiguous(mlx.BroadcastTo(units, head, 1, n, head)), r) // [d_head, 1, pos, d_head]
	return mlx.Transpose(mlx.Squeeze(turned, 1), 1, 0, 2)
}
