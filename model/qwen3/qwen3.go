package qwen3

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
)

// New takes the weights that a config asks for. The caller runs the loader's Load.
func New(c *Config, l *model.Loader) (*model.Decoder, error) {
	rope, err := c.Rope.Rope(l, c.HeadDim)
	if err != nil {
		return nil, err
	}
	d := &model.Decoder{
		Embedding: l.KinEmbedding("", c.VocabSize, c.HiddenSize),
		Names:     model.KinNames(),
		Weights:   l.Weights(),
		Lacking:   []model.Site{model.PosEmbed},
		Sizes: model.Shape{
			Layers: c.NumHiddenLayers, DModel: c.HiddenSize, Heads: c.NumAttentionHeads, KVHeads: c.NumKeyValueHeads,
			DHead: c.HeadDim, DMLP: c.IntermediateSize, DVocab: c.VocabSize, Context: max(c.Rope.Reach(), c.MaxPositionEmbeddings),
		},
	}
	for i := range c.NumHiddenLayers {
		d.Blocks = append(d.Blocks, newBlock(c, l.Layer(i, model.KinLayers...), c.Windows[i], rope))
	}
	d.FinalGain = l.RMSNorm(model.KinFinalNorm("", c.HiddenSize), c.RMSNormEps)
	d.Head = l.KinHead("", c.TieWordEmbeddings, c.VocabSize, c.HiddenSize)
	return d, nil
}

func newBlock(c *Config, p model.Part, window int, rope *model.Rope) *block {
	q, kv := c.NumAttentionHeads*c.HeadDim, c.NumKeyValueHeads*c.HeadDim
	return &block{
		inputNorm: p.RMSNorm("attn_norm", []string{"input_layernorm"}, c.HiddenSize, c.RMSNormEps),
		attn: &attention{
			q:     p.Linear("q", []string{"self_attn.q_proj"}, q, c.HiddenSize, c.AttentionBias),
			k:     p.Linear("k", []string{"self_attn.k_proj"}, kv, c.HiddenSize, c.AttentionBias),
			v:     p.Linear("v", []string{"self_attn.v_proj"}, kv, c.HiddenSize, c.AttentionBias),
			o:     p.Linear("attn_out", []string{"self_attn.o_proj"}, c.HiddenSize, q, c.AttentionBias),
			qNorm: p.RMSNorm("q_norm", []string{"self_attn.q_norm"}, c.HeadDim, c.RMSNormEps),
			kNorm: p.RMSNorm("k_norm", []string{"self_attn.k_norm"}, c.HeadDim, c.RMSNormEps),
			rope:  rope,
			Attention: model.Attention{
				Heads: c.NumAttentionHeads, KVHeads: c.NumKeyValueHeads,
				Scale: 1 / math.Sqrt(float64(c.HeadDim)), Window: window,
			},
		},
		postAttnNorm: p.RMSNorm("mlp_norm", []string{"post_attention_layernorm"}, c.HiddenSize, c.RMSNormEps),
		mlp: &mlp{
			gate: p.Linear("mlp_pre", []string{"mlp.gate_proj"}, c.IntermediateSize, c.HiddenSize, false),
			up:   p.Linear("mlp_pre_linear", []string{"mlp.up_proj"}, c.IntermediateSize, c.HiddenSize, false),
			down: p.Linear("mlp_out", []string{"mlp.down_proj"}, c.HiddenSize, c.IntermediateSize, false),
		},
	}
}

type block struct {
	inputNorm    *nn.RMSNorm
	attn         *attention
	postAttnNorm *nn.RMSNorm
	mlp          *mlp
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + Attn(RMSNorm(x))
//	y = h + MLP(RMSNorm(h))
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.inputNorm.Forward(x))
	a := pass.At(model.AttnOut, layer, b.attn.forward(n, layer, pass))
	h := pass.At(model.ResidMid, layer, mlx.Add(x, a))
	n = pass.At(model.MLPNorm, layer, b.postAttnNorm.Forward(h))
	m := pass.At(model.MLPOut, layer, b.mlp.forward(n, layer, pass))
	return pass.At(model.ResidPost, layer, mlx.Add(h, m))
}

// attention is causal attention with grouped queries.
type attention struct {
	model.Attention
	q, k, v, o   *nn.Linear
	qNorm, kNorm *nn.RMSNorm // [d_head], of each head by itself
	rope         *model.Rope
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	q, k, v = x·W_Q, x·W_K, x·W_V
//	q, k = RMSNorm(q), RMSNorm(k),   turned by RoPE
//	z = softmax(q·kᵀ·d_head^−½ + causal)·v
//	out = z·W_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	q = pass.Rotate(model.RotQ, layer, a.qNorm.Forward(q), a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, a.kNorm.Forward(k), a.rope)
	return a.o.Forward(pass.Attend(q, k, v, layer, a.Attention))
}

// mlp is SwiGLU (Shazeer 2020, arXiv:2002.05202).
type mlp struct {
	gate, up, down *nn.Linear
}

// forward maps [batch, pos, d_model] to what the MLP adds to the stream:
//
//	out = (SiLU(x·W_gate) ⊙ x·W_up)·W_down
func (m *mlp) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	gate := pass.At(model.MLPPre, layer, m.gate.Forward(x)) // [batch, pos, d_mlp]
	up := pass.At(model.MLPPreLinear, layer, m.up.Forward(x))
	return m.down.Forward(pass.At(model.MLPPost, layer, mlx.Multiply(mlx.SiLU(gate), up)))
}
