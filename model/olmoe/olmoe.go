package olmoe

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
	if c.ClipQKV != nil {
		l.Note(model.Note{Text: "queries, keys and values are bounded by clip_qkv, as in transformers; mlx-lm does not read it"})
	}
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block { return newBlock(c, p, layer, rope) })
	delete(t.Lacks, model.QNormed)
	delete(t.Lacks, model.KNormed)
	t.Sizes = c.Sizes(t.Sizes)
	l.HaveExperts(t, "model.layers.%d.mlp.gate", c.Sparse.Sparse)
	return t, nil
}

func newBlock(c *Config, p load.Part, layer int, rope *model.Rope) *block {
	attn := &attention{
		Attention: c.Attention(layer),
		q:         p.Linear("q", c.QWidth(), c.HiddenSize, c.AttentionBias),
		k:         p.Linear("k", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		v:         p.Linear("v", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		qNorm:     p.RMSNorm("q_norm", c.QWidth(), c.RMSNormEps),
		kNorm:     p.RMSNorm("k_norm", c.KVWidth(), c.RMSNormEps),
		clip:      load.OrNone(c.ClipQKV),
		rope:      rope,
	}
	attn.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), c.AttentionBias)
	return &block{
		attnNorm: p.RMSNorm("attn_norm", c.HiddenSize, c.RMSNormEps),
		attn:     attn,
		mlpNorm:  p.RMSNorm("mlp_norm", c.HiddenSize, c.RMSNormEps),
		experts: &model.MoE{
			Router:  &model.SoftmaxRouter{Gate: p.Gate(c.NumExperts, c.HiddenSize), K: c.NumExpertsPerTok, Renormalize: c.NormTopKProb},
			Experts: p.GatedExperts(c.NumExperts, c.MoEIntermediateSize, c.HiddenSize),
		},
	}
}

type block struct {
	attnNorm *nn.RMSNorm
	attn     *attention
	mlpNorm  *nn.RMSNorm
	experts  *model.MoE
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + Attn(RMSNorm(x))
//	y = h + Experts(RMSNorm(h))
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.attnNorm.Forward(x))
	a := pass.At(model.AttnOut, layer, b.attn.forward(n, layer, pass))
	h := pass.At(model.ResidMid, layer, mlx.Add(x, a))
	n = pass.At(model.MLPNorm, layer, b.mlpNorm.Forward(h))
	m := pass.At(model.MLPOut, layer, b.experts.Forward(n, layer, pass))
	return pass.At(model.ResidPost, layer, mlx.Add(h, m))
}

// attention is causal attention with grouped queries.
type attention struct {
	model.Attention
	q, k, v      *nn.Linear
	qNorm, kNorm *nn.RMSNorm // of all heads together
	clip         float64     // 0: none
	rope         *model.Rope
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	q, k, v = clip(RMSNorm(x·W_Q)), clip(RMSNorm(x·W_K)), clip(x·W_V),   q, k turned by RoPE
//	z = softmax(q·kᵀ·d_head^−½ + causal)·v
//	out = z·W_O
//
// with norms over all heads; q_normed and k_normed are not yet clipped.
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.clipped(a.v.Forward(x)), a.KVHeads))
	q = pass.At(model.QNormed, layer, model.Heads(a.qNorm.Forward(model.Flat(q)), a.Heads))
	k = pass.At(model.KNormed, layer, model.Heads(a.kNorm.Forward(model.Flat(k)), a.KVHeads))
	q = pass.Rotate(model.RotQ, layer, a.clipped(q), a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, a.clipped(k), a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}

// clipped bounds each number of x.
func (a *attention) clipped(x *mlx.Array) *mlx.Array {
	if a.clip == 0 {
		return x
	}
	bound := mlx.Full(x.Scope(), a.clip, x.Dtype())
	return mlx.Clip(x, mlx.Negative(bound), bound)
}
