package gemma2

import (
	"math"

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
	if !c.gguf { // llama.cpp's converter has added it
		l.PlusOne()
	}
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block { return newBlock(c, p, layer, rope) })
	t.EmbedScale = math.Sqrt(float64(c.HiddenSize))
	if t.SoftCap = load.OrNone(c.FinalLogitSoftcapping); t.SoftCap != 0 {
		delete(t.Modules, model.Logits) // the head's output is not capped
	}
	l.PostNorms(t)
	t.Modules[model.MLPNorm] = "model.layers.%d.pre_feedforward_layernorm"
	return t, nil
}

func newBlock(c *Config, p load.Part, layer int, rope *model.Rope) *block {
	norm := func(role string, module ...string) *nn.RMSNorm {
		return p.RMSNorm(role, c.HiddenSize, c.RMSNormEps, module...)
	}
	attn := &attention{
		Attention: c.Attention(layer),
		q:         p.Linear("q", c.QWidth(), c.HiddenSize, c.AttentionBias),
		k:         p.Linear("k", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		v:         p.Linear("v", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		rope:      rope,
	}
	attn.Scale, attn.SoftCap = 1/math.Sqrt(c.QueryPreAttnScalar), load.OrNone(c.AttnLogitSoftcapping)
	attn.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), c.AttentionBias)
	return &block{
		preAttnNorm:  norm("attn_norm"),
		attn:         attn,
		postAttnNorm: norm("post_attn_norm"),
		preMLPNorm:   norm("mlp_norm", "pre_feedforward_layernorm", "ffn_norm"),
		mlp:          p.GatedMLP(&c.Standard, false, mlx.GELUTanh),
		postMLPNorm:  norm("post_mlp_norm"),
	}
}

type block struct {
	preAttnNorm, postAttnNorm *nn.RMSNorm
	attn                      *attention
	preMLPNorm, postMLPNorm   *nn.RMSNorm
	mlp                       *model.GatedMLP
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + RMSNorm(Attn(RMSNorm(x)))
//	y = h + RMSNorm(MLP(RMSNorm(h)))
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.preAttnNorm.Forward(x))
	a := pass.At(model.AttnRaw, layer, b.attn.forward(n, layer, pass))
	a = pass.At(model.AttnOut, layer, b.postAttnNorm.Forward(a))
	h := pass.At(model.ResidMid, layer, mlx.Add(x, a))
	n = pass.At(model.MLPNorm, layer, b.preMLPNorm.Forward(h))
	m := pass.At(model.MLPRaw, layer, b.mlp.Forward(n, layer, pass))
	m = pass.At(model.MLPOut, layer, b.postMLPNorm.Forward(m))
	return pass.At(model.ResidPost, layer, mlx.Add(h, m))
}

// attention is causal attention with grouped queries and capped scores.
type attention struct {
	model.Attention
	q, k, v *nn.Linear
	rope    *model.Rope
}

// forward maps [batch, pos, d_model] to the output matrix's [batch, pos, d_model]:
//
//	q, k, v = x·W_Q, x·W_K, x·W_V,   q, k turned by RoPE
//	z = softmax(cap(q·kᵀ·query_pre_attn_scalar^−½) + causal + window)·v
//	out = z·W_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}
