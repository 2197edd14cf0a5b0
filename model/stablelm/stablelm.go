package stablelm

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
	l.NoteActivation("hidden_act", c.HiddenAct, "silu")
	c.Rope.NotePlain(l, c.Rope.Theta, c.Rope.Partial)
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block { return newBlock(c, p, layer, rope) })
	if c.UseParallelResidual {
		delete(t.Modules, model.MLPNorm)
		maps.Copy(t.Lacks, load.Lacking(model.ResidMid, model.MLPNorm))
	}
	if c.QKLayerNorm {
		t.Modules[model.QNormed], t.Modules[model.KNormed] = "model.layers.%d.self_attn.q_layernorm", "model.layers.%d.self_attn.k_layernorm"
		delete(t.Lacks, model.QNormed)
		delete(t.Lacks, model.KNormed)
	}
	return t, nil
}

func newBlock(c *Config, p load.Part, layer int, rope *model.Rope) *block {
	attn := &attention{
		Attention: c.Attention(layer),
		q:         p.Linear("q", c.QWidth(), c.HiddenSize, c.UseQKVBias),
		k:         p.Linear("k", c.KVWidth(), c.HiddenSize, c.UseQKVBias),
		v:         p.Linear("v", c.KVWidth(), c.HiddenSize, c.UseQKVBias),
		rope:      rope,
	}
	attn.Wide = true // as in mlx-lm
	attn.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), false)
	if c.QKLayerNorm {
		attn.qNorm = newHeadNorms(c, p, "q_norm", "self_attn.q_layernorm", c.NumAttentionHeads)
		attn.kNorm = newHeadNorms(c, p, "k_norm", "self_attn.k_layernorm", c.NumKeyValueHeads)
	}
	b := &block{
		attnNorm: p.LayerNorm("attn_norm", c.HiddenSize, c.LayerNormEps),
		attn:     attn,
		mlp:      p.GatedMLP(&c.Standard, false, load.Activations[c.HiddenAct]),
	}
	if !c.UseParallelResidual {
		b.mlpNorm = p.LayerNorm("mlp_norm", c.HiddenSize, c.LayerNormEps)
	}
	return b
}

type block struct {
	attnNorm *nn.LayerNorm
	attn     *attention
	mlpNorm  *nn.LayerNorm // nil: attention and MLP in parallel, behind one norm
	mlp      *model.GatedMLP
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	sequential:  h = x + Attn(LayerNorm₁(x)),   y = h + MLP(LayerNorm₂(h))
//	parallel:    n = LayerNorm(x),              y = x + Attn(n) + MLP(n)
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.attnNorm.Forward(x))
	h := mlx.Add(x, pass.At(model.AttnOut, layer, b.attn.forward(n, layer, pass)))
	if b.mlpNorm != nil {
		h = pass.At(model.ResidMid, layer, h)
		n = pass.At(model.MLPNorm, layer, b.mlpNorm.Forward(h))
	}
	m := pass.At(model.MLPOut, layer, b.mlp.Forward(n, layer, pass))
	return pass.At(model.ResidPost, layer, mlx.Add(h, m))
}

// attention is causal attention with grouped queries.
type attention struct {
	model.Attention
	q, k, v      *nn.Linear
	qNorm, kNorm *headNorms // nil: none
	rope         *model.Rope
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	q, k, v = x·W_Q + b_Q, x·W_K + b_K, x·W_V + b_V
//	q, k = LayerNorm(q), LayerNorm(k) where there are such,   a part of them turned by RoPE
//	z = softmax(q·kᵀ·d_head^−½ + causal)·v
//	out = z·W_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	if a.qNorm != nil {
		q = pass.At(model.QNormed, layer, a.qNorm.forward(q))
		k = pass.At(model.KNormed, layer, a.kNorm.forward(k))
	}
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}

// headNorms are layer norms without a bias, one for each head.
type headNorms struct {
	gain *mlx.Array // [head, d_head]
	eps  float64
}

func newHeadNorms(c *Config, p load.Part, role, module string, heads int) *headNorms {
	n := &headNorms{eps: c.LayerNormEps}
	p.HeadGains(role, heads, c.HeadDim, &n.gain, module+".norms.%d")
	return n
}

// forward maps [batch, pos, head, d_head] to gain_head ⊙ (x − mean x)/√(var x + eps), mean and
// variance over d_head.
func (n *headNorms) forward(x *mlx.Array) *mlx.Array {
	return mlx.Multiply(mlx.LayerNorm(x, nil, nil, n.eps), n.gain)
}
