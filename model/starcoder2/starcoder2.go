package starcoder2

import (
	"maps"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// New takes the weights that a config asks for. The caller runs the loader's Load.
func New(c *Config, l *load.Loader) (*model.Transformer, error) {
	rope, err := c.Rope.Rotation(l, c.HeadDim)
	if err != nil {
		return nil, err
	}
	l.NoteActivation("hidden_act", c.HiddenAct, "gelu")
	c.Rope.NotePlain(l, 100_000, 1)
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block { return newBlock(c, p, layer, rope) })
	t.Modules[model.MLPPre] = "model.layers.%d.mlp.c_fc"
	delete(t.Modules, model.MLPPreLinear)
	maps.Copy(t.Lacks, load.Lacking(model.MLPPreLinear))
	return t, nil
}

func newBlock(c *Config, p load.Part, layer int, rope *model.Rope) *block {
	attn := &attention{
		Attention: c.Attention(layer),
		q:         p.Linear("q", c.QWidth(), c.HiddenSize, c.UseBias),
		k:         p.Linear("k", c.KVWidth(), c.HiddenSize, c.UseBias),
		v:         p.Linear("v", c.KVWidth(), c.HiddenSize, c.UseBias),
		rope:      rope,
	}
	attn.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), c.UseBias)
	return &block{
		attnNorm: p.LayerNorm("attn_norm", c.HiddenSize, c.NormEpsilon),
		attn:     attn,
		mlpNorm:  p.LayerNorm("mlp_norm", c.HiddenSize, c.NormEpsilon),
		mlp: &model.MLP{
			Up:   p.Linear("mlp_pre", c.IntermediateSize, c.HiddenSize, c.UseBias, "mlp.c_fc"),
			Down: p.Linear("mlp_out", c.HiddenSize, c.IntermediateSize, c.UseBias, "mlp.c_proj"),
			Act:  load.Activations[c.HiddenAct],
		},
	}
}

type block struct {
	attnNorm *nn.LayerNorm
	attn     *attention
	mlpNorm  *nn.LayerNorm
	mlp      *model.MLP
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + Attn(LayerNorm(x))
//	y = h + MLP(LayerNorm(h))
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.attnNorm.Forward(x))
	a := pass.At(model.AttnOut, layer, b.attn.forward(n, layer, pass))
	h := pass.At(model.ResidMid, layer, mlx.Add(x, a))
	n = pass.At(model.MLPNorm, layer, b.mlpNorm.Forward(h))
	m := pass.At(model.MLPOut, layer, b.mlp.Forward(n, layer, pass))
	return pass.At(model.ResidPost, layer, mlx.Add(h, m))
}

// attention is causal attention with grouped queries, over the last Window positions where
// there is a window.
type attention struct {
	model.Attention
	q, k, v *nn.Linear
	rope    *model.Rope
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	q, k, v = x·W_Q + b_Q, x·W_K + b_K, x·W_V + b_V,   q, k turned by RoPE
//	z = softmax(q·kᵀ·d_head^−½ + causal + window)·v
//	out = z·W_O + b_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}
