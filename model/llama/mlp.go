package llama

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
)

// mlp is SwiGLU (Shazeer 2020, arXiv:2002.05202).
type mlp struct {
	gate, up, down *nn.Linear
}

// forward maps [batch, pos, d_model] to what the MLP adds to the stream:
//
//	out = (SiLU(x·W_gate) ⊙ x·W_up)·W_down
func (m *mlp) forward(x *mlx.Array, layer int, tap *model.Tap) *mlx.Array {
	gate := tap.At(model.MLPPre, layer, m.gate.Forward(x)) // [batch, pos, d_mlp]
	up := tap.At(model.MLPPreLinear, layer, m.up.Forward(x))
	return m.down.Forward(tap.At(model.MLPPost, layer, mlx.Multiply(mlx.SiLU(gate), up)))
}
