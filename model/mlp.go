package model

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// GatedMLP is the MLP of most transformers since 2020, with an activation of the
// architecture's: SwiGLU with SiLU, GeGLU with GELU (Shazeer 2020, arXiv:2002.05202).
type GatedMLP struct {
	Gate, Up, Down *nn.Linear
	Act            func(*mlx.Array) *mlx.Array
}

// Forward maps [batch, pos, d_model] to the down matrix's [batch, pos, d_model]:
//
//	out = (Act(x·W_gate) ⊙ x·W_up)·W_down
func (m *GatedMLP) Forward(x *mlx.Array, layer int, pass *Pass) *mlx.Array {
	gate := pass.At(MLPPre, layer, m.Gate.Forward(x)) // [batch, pos, d_mlp]
	up := pass.At(MLPPreLinear, layer, m.Up.Forward(x))
	return m.Down.Forward(pass.At(MLPPost, layer, mlx.Multiply(m.Act(gate), up)))
}

// FusedMLP is a gated MLP with one matrix for both branches.
type FusedMLP struct {
	GateUp *nn.Linear // [2·d_mlp, d_model]: the gate's rows, then those of the linear branch
	Down   *nn.Linear
	Act    func(*mlx.Array) *mlx.Array
}

// Forward maps [batch, pos, d_model] to the down matrix's [batch, pos, d_model]:
//
//	[g u] = x·W_gate_up
//	out = (Act(g) ⊙ u)·W_down
func (m *FusedMLP) Forward(x *mlx.Array, layer int, pass *Pass) *mlx.Array {
	both := mlx.Split(m.GateUp.Forward(x), 2, -1)
	gate := pass.At(MLPPre, layer, both[0]) // [batch, pos, d_mlp]
	up := pass.At(MLPPreLinear, layer, both[len(both)-1])
	return m.Down.Forward(pass.At(MLPPost, layer, mlx.Multiply(m.Act(gate), up)))
}

// MLP is the MLP with one hidden layer.
type MLP struct {
	Up, Down *nn.Linear
	Act      func(*mlx.Array) *mlx.Array
}

// Forward maps [batch, pos, d_model] to what the MLP adds to the stream:
//
//	out = Act(x·W_up + b_up)·W_down + b_down
func (m *MLP) Forward(x *mlx.Array, layer int, pass *Pass) *mlx.Array {
	pre := pass.At(MLPPre, layer, m.Up.Forward(x)) // [batch, pos, d_mlp]
	return m.Down.Forward(pass.At(MLPPost, layer, m.Act(pre)))
}
