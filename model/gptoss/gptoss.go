package gptoss

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
	c.note(l)
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block { return newBlock(c, l, p, layer, rope) })
	t.Sizes = c.Sizes(t.Sizes)
	l.HaveExperts(t, "model.layers.%d.mlp.router", c.Sparse.Sparse)
	return t, nil
}

// note says what mlx-lm computes otherwise.
func (c *Config) note(l *load.Loader) {
	if c.SwiGLUAlpha != 1.702 || c.SwiGLULimit != 7 {
		l.Note(model.Note{Text: "the experts' activation has swiglu_alpha and swiglu_limit, as in transformers; mlx-lm has 1.702 and 7 for all"})
	}
	if !c.AttentionBias {
		l.Note(model.Note{Text: "attention_bias is false and there are no biases, as in transformers; mlx-lm wants them"})
	}
}

func newBlock(c *Config, l *load.Loader, p load.Part, layer int, rope *model.Rope) *block {
	attn := &attention{
		Attention: c.Attention(layer),
		q:         p.Linear("q", c.QWidth(), c.HiddenSize, c.AttentionBias),
		k:         p.Linear("k", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		v:         p.Linear("v", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		rope:      rope,
	}
	attn.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), c.AttentionBias)
	p.Array("sinks", []int{c.NumAttentionHeads}, &attn.Sinks, "self_attn.sinks", "attn_sinks.weight")
	return &block{
		attnNorm: p.RMSNorm("attn_norm", c.HiddenSize, c.RMSNormEps),
		attn:     attn,
		mlpNorm:  p.RMSNorm("mlp_norm", c.HiddenSize, c.RMSNormEps, "post_attention_layernorm", "post_attention_norm"),
		experts:  newExperts(c, l, p),
	}
}

// newExperts takes a layer's experts. Hugging Face's files have gate and up row by row in one
// tensor: as MXFP4, or plain and transposed.
func newExperts(c *Config, l *load.Loader, p load.Part) *model.MoE {
	router := p.Want("router", []int{c.NumExperts, c.HiddenSize}, "mlp.router", "ffn_gate_inp")
	router.Bias = true
	take := func(role string, rows load.Portion, out, in int) *model.ExpertLinear {
		w := p.Experts(role, c.NumExperts, out, in).Below("mlp.switch_mlp.", "mlp.experts.")
		w.Bias = true
		for i := range w.Fused {
			w.Fused[i].Rows, w.Fused[i].Transposed = rows, true
		}
		return l.Experts(w)
	}
	return &model.MoE{
		Router: &model.SoftmaxRouter{Gate: l.Linear(router), K: c.NumExpertsPerTok, Renormalize: true},
		Experts: model.Experts{
			Gate: take("expert_gate", load.Portion{At: 0, Of: 2, Interleaved: true}, c.MoEIntermediateSize, c.HiddenSize),
			Up:   take("expert_up", load.Portion{At: 1, Of: 2, Interleaved: true}, c.MoEIntermediateSize, c.HiddenSize),
			Down: take("expert_down", load.Portion{}, c.HiddenSize, c.MoEIntermediateSize),
			Act:  c.swiglu,
		},
	}
}

// swiglu is the SwiGLU of gpt-oss, whose sigmoid is steeper and whose branches are clipped:
//
//	g·σ(α·g)⊙(u + 1),   g = min(gate, limit),   u = clip(up, −limit, limit)
func (c *Config) swiglu(gate, up *mlx.Array) *mlx.Array {
	limit := mlx.AsType(mlx.Scalar(gate.Scope(), float32(c.SwiGLULimit)), gate.Dtype())
	g := mlx.Minimum(gate, limit)
	u := mlx.Clip(up, mlx.Negative(limit), limit)
	return mlx.Multiply(mlx.Multiply(g, mlx.Sigmoid(mlx.Scale(g, c.SwiGLUAlpha))), mlx.Shift(u, 1))
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

// attention is causal attention with grouped queries and a sink for each head.
type attention struct {
	model.Attention
	q, k, v *nn.Linear
	rope    *model.Rope
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	q, k, v = x·W_Q + b_Q, x·W_K + b_K, x·W_V + b_V,   q, k turned by RoPE
//	z = softmax([q·kᵀ·d_head^−½ + causal + window, sink])·[v, 0]
//	out = z·W_O + b_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}
