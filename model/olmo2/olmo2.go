package olmo2

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
	sliding := rope
	if c.SlidingRope != nil {
		if sliding, err = c.SlidingRope.Rotation(l, c.HeadDim); err != nil {
			return nil, err
		}
	}
	for _, n := range c.notes {
		l.Note(n)
	}
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block {
		if c.Windows[layer] > 0 {
			return newBlock(c, p, layer, sliding)
		}
		return newBlock(c, p, layer, rope)
	})
	l.PostNorms(t)
	delete(t.Modules, model.AttnNorm)
	delete(t.Modules, model.MLPNorm)
	delete(t.Lacks, model.QNormed)
	delete(t.Lacks, model.KNormed)
	t.Lacks[model.AttnNorm], t.Lacks[model.MLPNorm] = "attention reads the stream without a norm", "the MLP reads the stream without a norm"
	t.Renamed = map[string]model.Site{
		"hook_attn_out": model.AttnRaw, "hook_mlp_out": model.MLPRaw, "ln1.hook_out": model.AttnOut, "ln2.hook_out": model.MLPOut,
	}
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
		rope:      rope,
	}
	attn.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), c.AttentionBias)
	return &block{
		attn:     attn,
		attnNorm: p.RMSNorm("post_attn_norm", c.HiddenSize, c.RMSNormEps, "post_attention_layernorm"),
		mlp:      p.GatedMLP(&c.Standard, c.MLPBias, mlx.SiLU),
		mlpNorm:  p.RMSNorm("post_mlp_norm", c.HiddenSize, c.RMSNormEps, "post_feedforward_layernorm"),
	}
}

type block struct {
	attn     *attention
	attnNorm *nn.RMSNorm
	mlp      *model.GatedMLP
	mlpNorm  *nn.RMSNorm
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + RMSNorm(Attn(x))
//	y = h + RMSNorm(MLP(h))
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	a := pass.At(model.AttnRaw, layer, b.attn.forward(x, layer, pass))
	a = pass.At(model.AttnOut, layer, b.attnNorm.Forward(a))
	h := pass.At(model.ResidMid, layer, mlx.Add(x, a))
	m := pass.At(model.MLPRaw, layer, b.mlp.Forward(h, layer, pass))
	m = pass.At(model.MLPOut, layer, b.mlpNorm.Forward(m))
	return pass.At(model.ResidPost, layer, mlx.Add(h, m))
}

// attention is causal attention with grouped queries, over the last Window positions where
// there is a window.
type attention struct {
	model.Attention
	q, k, v      *nn.Linear
	qNorm, kNorm *nn.RMSNorm // of all heads together
	rope         *model.Rope
}

// forward maps [batch, pos, d_model] to the output matrix's [batch, pos, d_model]:
//
//	q, k, v = x·W_Q, x·W_K, x·W_V
//	q, k = RMSNorm(q), RMSNorm(k) over all heads,   turned by RoPE
//	z = softmax(q·kᵀ·d_head^−½ + causal + window)·v
//	out = z·W_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	q = pass.At(model.QNormed, layer, model.Heads(a.qNorm.Forward(model.Flat(q)), a.Heads))
	k = pass.At(model.KNormed, layer, model.Heads(a.kNorm.Forward(model.Flat(k)), a.KVHeads))
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}
