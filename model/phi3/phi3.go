package phi3

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// New takes the weights that a config asks for. The caller runs the loader's Load.
func New(c *Config, l *load.Loader) (*model.Transformer, error) {
	if err := l.LongRope(c.Rope, c.HeadDim); err != nil {
		return nil, err
	}
	rope, err := c.Rope.Rotation(l, c.HeadDim)
	if err != nil {
		return nil, err
	}
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block { return newBlock(c, p, layer, rope) })
	l.Fused(t)
	return t, nil
}

func newBlock(c *Config, p load.Part, layer int, rope *model.Rope) *block {
	attn := &attention{
		Attention: c.Attention(layer),
		qkv:       p.Linear("qkv", c.QWidth()+2*c.KVWidth(), c.HiddenSize, false, "self_attn.qkv_proj", "attn_qkv"),
		rope:      rope,
	}
	attn.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), false)
	return &block{
		attnNorm: p.RMSNorm("attn_norm", c.HiddenSize, c.RMSNormEps),
		attn:     attn,
		mlpNorm:  p.RMSNorm("mlp_norm", c.HiddenSize, c.RMSNormEps),
		mlp:      p.FusedMLP(&c.Standard, mlx.SiLU),
	}
}

type block struct {
	attnNorm *nn.RMSNorm
	attn     *attention
	mlpNorm  *nn.RMSNorm
	mlp      *model.FusedMLP
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + Attn(RMSNorm(x))
//	y = h + MLP(RMSNorm(h))
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.attnNorm.Forward(x))
	a := pass.At(model.AttnOut, layer, b.attn.forward(n, layer, pass))
	h := pass.At(model.ResidMid, layer, mlx.Add(x, a))
	n = pass.At(model.MLPNorm, layer, b.mlpNorm.Forward(h))
	m := pass.At(model.MLPOut, layer, b.mlp.Forward(n, layer, pass))
	return pass.At(model.ResidPost, layer, mlx.Add(h, m))
}

// attention is causal attention with grouped queries.
type attention struct {
	model.Attention
	qkv  *nn.Linear
	rope *model.Rope
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	[q k v] = x·W_QKV,   q, k turned by RoPE
//	z = softmax(q·kᵀ·d_head^−½ + causal + window)·v
//	out = z·W_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	qkv := model.Heads(a.qkv.Forward(x), a.Heads+2*a.KVHeads) // [batch, pos, head+2·kv_head, d_head]
	q := pass.At(model.Q, layer, mlx.Slice(qkv, 2, mlx.Between(0, a.Heads)))
	k := pass.At(model.K, layer, mlx.Slice(qkv, 2, mlx.Between(a.Heads, a.Heads+a.KVHeads)))
	v := pass.At(model.V, layer, mlx.Slice(qkv, 2, mlx.Between(a.Heads+a.KVHeads, a.Heads+2*a.KVHeads)))
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}
