package gemma4

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

func newAttention(c *Config, p load.Part, layer int, rope *model.Rope) *attention {
	a := &attention{Attention: c.attention(layer), rope: rope, source: -1}
	d := c.headDim(layer)
	a.q = p.Linear("q", a.Heads*d, c.HiddenSize, c.AttentionBias)
	a.qNorm = p.RMSNorm("q_norm", d, c.RMSNormEps)
	a.Out = p.Linear("attn_out", c.HiddenSize, a.Heads*d, c.AttentionBias)
	if c.looksBack(layer) {
		a.source = c.source(layer)
		return a
	}
	a.k = p.Linear("k", a.KVHeads*d, c.HiddenSize, c.AttentionBias)
	a.kNorm = p.RMSNorm("k_norm", d, c.RMSNormEps)
	a.vNorm = &nn.RMSNorm{Eps: c.RMSNormEps}
	if c.Windows[layer] > 0 || !c.AttentionKEqV {
		a.v = p.Linear("v", a.KVHeads*d, c.HiddenSize, c.AttentionBias)
	}
	return a
}

// attention is causal attention with grouped queries, whose scores are not scaled.
type attention struct {
	model.Attention
	q, k, v      *nn.Linear  // v is nil where the keys are the values
	qNorm, kNorm *nn.RMSNorm // [d_head], of each head by itself
	vNorm        *nn.RMSNorm // without a gain
	rope         *model.Rope
	source       int // the layer whose keys and values these are; −1: its own
}

// forward maps [batch, pos, d_model] to the output matrix's [batch, pos, d_model]:
//
//	q, k, v = x·W_Q, x·W_K, x·W_V, or v = k
//	q, k, v = RMSNorm(q), RMSNorm(k), RMSNorm(v),   q, k turned by RoPE
//	z = softmax(q·kᵀ + causal + window)·v
//	out = z·W_O
//
// k and v are an earlier layer's where the layer has none.
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	if a.source >= 0 {
		q = pass.At(model.QNormed, layer, a.qNorm.Forward(q))
		return pass.AttendShared(pass.Rotate(model.RotQ, layer, q, a.rope), layer, a.source, a.Attention)
	}
	k := model.Heads(a.k.Forward(x), a.KVHeads)
	v := k
	if a.v != nil {
		v = model.Heads(a.v.Forward(x), a.KVHeads)
	}
	k = pass.At(model.K, layer, k)
	v = pass.At(model.V, layer, pass.Norm(a.vNorm, layer, v)) // as attention sums them
	q = pass.At(model.QNormed, layer, a.qNorm.Forward(q))
	k = pass.At(model.KNormed, layer, a.kNorm.Forward(k))
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}
