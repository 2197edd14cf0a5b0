package deepseek

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// latentEps is ε of the norms of latents, which no config says.
const latentEps = 1e-6

// attention is multi-head latent attention (DeepSeek-AI 2024, arXiv:2405.04434, section 2.1). The
// cache holds keys and values as they are expanded.
type attention struct {
	model.Attention
	q            *nn.Linear // of the latent of queries, or of the stream
	qDown        *nn.Linear // nil: queries have no latent
	qNorm        *nn.RMSNorm
	kvDown       *nn.Linear // [d_latent + d_rope, d_model]
	kvNorm       *nn.RMSNorm
	expand       expansion
	latent, nope int // dimensions of the latent, and of a head that do not turn
	rope         *model.Rope
}

func newAttention(c *Config, l *load.Loader, p load.Part, layer int, rope *model.Rope) *attention {
	a := &attention{
		Attention: c.Attention(layer), latent: c.KVLoRARank, nope: c.QKNopeHeadDim, rope: rope,
		kvDown: p.Linear("kv_down", c.KVLoRARank+c.QKRopeHeadDim, c.HiddenSize, c.AttentionBias, "self_attn.kv_a_proj_with_mqa"),
		kvNorm: p.RMSNorm("kv_norm", c.KVLoRARank, latentEps, "self_attn.kv_a_layernorm"),
	}
	a.Scale = c.scale()
	if c.QLoRARank == nil {
		a.q = p.Linear("q", c.QWidth(), c.HiddenSize, false)
	} else {
		a.qDown = p.Linear("q_down", *c.QLoRARank, c.HiddenSize, c.AttentionBias, "self_attn.q_a_proj")
		a.qNorm = p.RMSNorm("q_latent_norm", *c.QLoRARank, latentEps, "self_attn.q_a_layernorm")
		a.q = p.Linear("q", c.QWidth(), *c.QLoRARank, false, "self_attn.q_b_proj")
	}
	a.expand = newExpansion(c, l, p)
	a.Out = p.Linear("attn_out", c.HiddenSize, c.NumAttentionHeads*c.VHeadDim, c.AttentionBias)
	return a
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	q = RMSNorm(x·W_DQ)·W_UQ
//	c, r = x·W_DKV,   k = [RMSNorm(c)·W_UK, r],   v = RMSNorm(c)·W_UV
//	q, k with their last dimensions turned by RoPE; r is the same in all heads
//	z = softmax(q·kᵀ·scale + causal)·v
//	out = z·W_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	ofQ := x
	if a.qDown != nil {
		ofQ = pass.Norm(a.qNorm, layer, a.qDown.Forward(x))
	}
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(ofQ), a.Heads))

	both := a.kvDown.Forward(x)
	still, v := a.expand.forward(pass.Norm(a.kvNorm, layer, mlx.Slice(both, 2, mlx.Between(0, a.latent))))
	turning := mlx.ExpandDims(mlx.Slice(both, 2, mlx.Between(a.latent, both.Dim(2))), 2) // [batch, pos, 1, d_rope]
	turning = mlx.BroadcastTo(turning, x.Dim(0), x.Dim(1), a.Heads, turning.Dim(3))
	k := pass.At(model.K, layer, mlx.Concatenate(3, still, turning))
	v = pass.At(model.V, layer, v)

	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}

// expansion makes the part of the keys that does not turn, and the values, of the latent
// [batch, pos, d_latent]: [batch, pos, head, d_nope] and [batch, pos, head, d_v].
type expansion interface {
	forward(latent *mlx.Array) (k, v *mlx.Array)
}

// fusedModule is Hugging Face's matrix of keys and values.
const fusedModule = "self_attn.kv_b_proj"

// newExpansion takes Hugging Face's one matrix, or mlx-lm's two stacks.
func newExpansion(c *Config, l *load.Loader, p load.Part) expansion {
	heads, nope := c.NumAttentionHeads, c.QKNopeHeadDim
	fused := p.Want("kv_up", []int{heads * (nope + c.VHeadDim), c.KVLoRARank}, fusedModule)
	k := p.Want("k_up", []int{heads, c.KVLoRARank, nope}, "self_attn.embed_q")
	if l.Has(fused) || !l.Has(k) {
		return &fusedExpansion{l.Linear(fused), heads, nope}
	}
	return &headExpansion{l.Linear(k), l.Linear(p.Want("v_up", []int{heads, c.VHeadDim, c.KVLoRARank}, "self_attn.unembed_out"))}
}

// fusedExpansion has a matrix [head·(d_nope + d_v), d_latent].
type fusedExpansion struct {
	up          *nn.Linear
	heads, nope int
}

func (e *fusedExpansion) forward(latent *mlx.Array) (k, v *mlx.Array) {
	both := model.Heads(e.up.Forward(latent), e.heads)
	return mlx.Slice(both, 3, mlx.Between(0, e.nope)), mlx.Slice(both, 3, mlx.Between(e.nope, both.Dim(3)))
}

// headExpansion has a matrix for each head: of keys [head, d_latent, d_nope], of values
// [head, d_v, d_latent].
type headExpansion struct{ k, v *nn.Linear }

func (e *headExpansion) forward(latent *mlx.Array) (k, v *mlx.Array) {
	scope, dtype := latent.Scope(), latent.Dtype()
	each := mlx.ExpandDims(latent, 1) // [batch, 1, pos, d_latent]
	k = mlx.Matmul(each, mlx.ExpandDims(e.k.Dense(scope, dtype), 0))
	v = mlx.Matmul(each, mlx.ExpandDims(mlx.Transpose(e.v.Dense(scope, dtype), 0, 2, 1), 0))
	return model.Swap(k), model.Swap(v)
}
