package granite

import (
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
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block { return newBlock(c, p, layer, rope) })
	t.EmbedScale, t.LogitScale = c.EmbeddingMultiplier, 1/c.LogitsScaling
	l.Multiplied(t)
	delete(t.Modules, model.Embed) // outputs before their multipliers
	delete(t.Modules, model.Logits)
	return t, nil
}

func newBlock(c *Config, p load.Part, layer int, rope *model.Rope) *block {
	attn := &attention{
		Attention: c.Attention(layer),
		q:         p.Linear("q", c.QWidth(), c.HiddenSize, c.AttentionBias),
		k:         p.Linear("k", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		v:         p.Linear("v", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		rope:      rope,
	}
	attn.Scale = c.AttentionMultiplier
	attn.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), c.AttentionBias)
	return &block{
		attnNorm:   p.RMSNorm("attn_norm", c.HiddenSize, c.RMSNormEps),
		attn:       attn,
		mlpNorm:    p.RMSNorm("mlp_norm", c.HiddenSize, c.RMSNormEps),
		mlp:        p.GatedMLP(&c.Standard, c.MLPBias, mlx.SiLU),
		multiplier: c.ResidualMultiplier,
	}
}

type block struct {
	attnNorm   *nn.RMSNorm
	attn       *attention
	mlpNorm    *nn.RMSNorm
	mlp        *model.GatedMLP
	multiplier float64 // m
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + m·Attn(RMSNorm(x))
//	y = h + m·MLP(RMSNorm(h))
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.attnNorm.Forward(x))
	a := pass.At(model.AttnRaw, layer, b.attn.forward(n, layer, pass))
	a = pass.At(model.AttnOut, layer, mlx.Scale(a, b.multiplier))
	h := pass.At(model.ResidMid, layer, mlx.Add(x, a))
	n = pass.At(model.MLPNorm, layer, b.mlpNorm.Forward(h))
	m := pass.At(model.MLPRaw, layer, b.mlp.Forward(n, layer, pass))
	m = pass.At(model.MLPOut, layer, mlx.Scale(m, b.multiplier))
	return pass.At(model.ResidPost, layer, mlx.Add(h, m))
}

// attention is causal attention with grouped queries.
type attention struct {
	model.Attention
	q, k, v *nn.Linear
	rope    *model.Rope
}

// forward maps [batch, pos, d_model] to the output matrix's [batch, pos, d_model]:
//
//	q, k, v = x·W_Q, x·W_K, x·W_V,   q, k turned by RoPE
//	z = softmax(q·kᵀ·attention_multiplier + causal)·v
//	out = z·W_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}
