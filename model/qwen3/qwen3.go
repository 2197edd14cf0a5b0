package qwen3

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// New takes the weights that a config asks for. The caller runs the loader's Load.
func New(c *Config, l *load.Loader) (*model.Transformer, error) {
	if c.sees {
		l.Wrapped()
	}
	rope, err := c.Rope.Rotation(l, c.HeadDim)
	if err != nil {
		return nil, err
	}
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block { return newBlock(c, p, layer, rope) })
	delete(t.Lacks, model.QNormed)
	delete(t.Lacks, model.KNormed)
	if c.mixture {
		c.Rope.NotePlain(l, c.Rope.Theta, 1)
		t.Sizes = c.Sizes(t.Sizes)
		l.HaveExperts(t, "model.layers.%d.mlp.gate", c.Sparse.Sparse)
	}
	return t, nil
}

func newBlock(c *Config, p load.Part, layer int, rope *model.Rope) *block {
	attn := &attention{
		Attention: c.Attention(layer),
		q:         p.Linear("q", c.QWidth(), c.HiddenSize, c.AttentionBias),
		k:         p.Linear("k", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		v:         p.Linear("v", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		qNorm:     p.RMSNorm("q_norm", c.HeadDim, c.RMSNormEps),
		kNorm:     p.RMSNorm("k_norm", c.HeadDim, c.RMSNormEps),
		rope:      rope,
	}
	attn.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), c.AttentionBias)
	return &block{
		attnNorm: p.RMSNorm("attn_norm", c.HiddenSize, c.RMSNormEps),
		attn:     attn,
		mlpNorm:  p.RMSNorm("mlp_norm", c.HiddenSize, c.RMSNormEps),
		mlp:      newMLP(c, p, layer),
	}
}

func newMLP(c *Config, p load.Part, layer int) model.FeedForward {
	if !c.mixture || !c.Sparse.Sparse(layer) {
		return p.GatedMLP(&c.Standard, false, mlx.SiLU)
	}
	m := &model.MoE{Router: &model.SoftmaxRouter{Gate: p.Gate(c.NumExperts, c.HiddenSize), K: c.NumExpertsPerTok, Renormalize: c.NormTopKProb}}
	if c.sees && p.HasTransposedExperts(c.NumExperts, c.MoEIntermediateSize, c.HiddenSize) { // as published; transformers 5 saves them otherwise
		m.Experts = p.TransposedExperts(c.NumExperts, c.MoEIntermediateSize, c.HiddenSize)
	} else {
		m.Experts = p.GatedExperts(c.NumExperts, c.MoEIntermediateSize, c.HiddenSize)
	}
	return m
}

type block struct {
	attnNorm *nn.RMSNorm
	attn     *attention
	mlpNorm  *nn.RMSNorm
	mlp      model.FeedForward
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + Attn(RMSNorm(x))
//	y = h + MLP(RMSNorm(h)), a mixture of experts in some layers of a mixture
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
	q, k, v      *nn.Linear
	qNorm, kNorm *nn.RMSNorm // [d_head], of each head by itself
	rope         *model.Rope
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	q, k, v = x·W_Q, x·W_K, x·W_V
//	q, k = RMSNorm(q), RMSNorm(k),   turned by RoPE
//	z = softmax(q·kᵀ·d_head^−½ + causal + window)·v
//	out = z·W_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	q = pass.At(model.QNormed, layer, a.qNorm.Forward(q))
	k = pass.At(model.KNormed, layer, a.kNorm.Forward(k))
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}
