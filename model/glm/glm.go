package glm

import (
	"fmt"

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
	noteTurns(c, l)
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block { return newBlock(c, p, layer, rope) })
	l.Fused(t)
	if c.sandwich {
		l.PostNorms(t)
		t.Modules[model.AttnOut], t.Modules[model.MLPOut] = "model.layers.%d.post_self_attn_layernorm", "model.layers.%d.post_mlp_layernorm"
	}
	return t, nil
}

// noteTurns says where mlx-lm turns otherwise: it reads no scaling, and of glm no part of a head.
func noteTurns(c *Config, l *load.Loader) {
	if c.sandwich {
		c.Rope.NotePlain(l, c.Rope.Theta, c.Rope.Partial)
		return
	}
	if theta := c.Rope.PlainTheta(defaultTheta); theta != c.Rope.Theta || c.Rope.Partial != 1 || c.Rope.Kind() != "default" {
		l.Note(model.Note{Text: fmt.Sprintf("queries and keys turn by base %v, %v of each head, rope type %q, as in transformers; mlx-lm takes base %v and all of each head, without scaling",
			c.Rope.Theta, c.Rope.Partial, c.Rope.Kind(), theta)})
	}
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
	attn.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), false)
	b := &block{attnNorm: norm("attn_norm"), attn: attn, mlpNorm: norm("mlp_norm"), mlp: p.FusedMLP(&c.Standard, mlx.SiLU)}
	if c.sandwich {
		b.postAttnNorm, b.postMLPNorm = norm("post_attn_norm", "post_self_attn_layernorm"), norm("post_mlp_norm", "post_mlp_layernorm")
	}
	return b
}

type block struct {
	attnNorm, postAttnNorm *nn.RMSNorm // a post norm is nil: none
	attn                   *attention
	mlpNorm, postMLPNorm   *nn.RMSNorm
	mlp                    *model.FusedMLP
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	glm:   h = x + Attn(RMSNorm(x)),            y = h + MLP(RMSNorm(h))
//	glm4:  h = x + RMSNorm(Attn(RMSNorm(x))),   y = h + RMSNorm(MLP(RMSNorm(h)))
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	a := b.attn.forward(pass.At(model.AttnNorm, layer, b.attnNorm.Forward(x)), layer, pass)
	if b.postAttnNorm != nil {
		a = b.postAttnNorm.Forward(pass.At(model.AttnRaw, layer, a))
	}
	h := pass.At(model.ResidMid, layer, mlx.Add(x, pass.At(model.AttnOut, layer, a)))
	m := b.mlp.Forward(pass.At(model.MLPNorm, layer, b.mlpNorm.Forward(h)), layer, pass)
	if b.postMLPNorm != nil {
		m = b.postMLPNorm.Forward(pass.At(model.MLPRaw, layer, m))
	}
	return pass.At(model.ResidPost, layer, mlx.Add(h, pass.At(model.MLPOut, layer, m)))
}

// attention is causal attention with grouped queries.
type attention struct {
	model.Attention
	q, k, v *nn.Linear
	rope    *model.Rope
}

// forward maps [batch, pos, d_model] to the output matrix's [batch, pos, d_model]:
//
//	q, k, v = x·W_Q + b_Q, x·W_K + b_K, x·W_V + b_V,   a part of q, k turned by RoPE
//	z = softmax(q·kᵀ·d_head^−½ + causal)·v
//	out = z·W_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}
