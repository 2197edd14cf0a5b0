package llama

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
)

// attention is causal attention with grouped queries: each key and value head
// serves heads/kvHeads query heads (Ainslie et al. 2023, arXiv:2305.13245).
type attention struct {
	q, k, v, o              *nn.Linear
	heads, kvHeads, headDim int
	scale                   float64 // d_head^−½
	rotary                  mlx.Rotary
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	q, k, v = x·W_Q, x·W_K, x·W_V,   q, k turned by RoPE
//	z = softmax(q·kᵀ·d_head^−½ + causal)·v
//	out = z·W_O
func (a *attention) forward(x *mlx.Array, layer int, tap *model.Tap) *mlx.Array {
	b, p := x.Dim(0), x.Dim(1)
	q := tap.At(model.Q, layer, mlx.Reshape(a.q.Forward(x), b, p, a.heads, a.headDim))
	k := tap.At(model.K, layer, mlx.Reshape(a.k.Forward(x), b, p, a.kvHeads, a.headDim))
	v := tap.At(model.V, layer, mlx.Reshape(a.v.Forward(x), b, p, a.kvHeads, a.headDim))

	q = a.turn(model.RotQ, layer, q, tap) // [batch, head, pos, d_head]
	k = a.turn(model.RotK, layer, k, tap) // [batch, kv_head, pos, d_head]
	v = heads(v)

	var z *mlx.Array
	if tap.Wants(model.AttnScores, layer) || tap.Wants(model.Pattern, layer) {
		z = a.explicit(q, k, v, layer, tap)
	} else {
		z = mlx.Attention(q, k, v, a.scale, true, nil)
	}
	z = tap.At(model.Z, layer, heads(z)) // [batch, pos, head, d_head]
	return a.o.Forward(mlx.Reshape(z, b, p, a.heads*a.headDim))
}

// turn applies RoPE to [batch, pos, head, d_head], shows the result to the tap in
// that shape, and returns it as [batch, head, pos, d_head].
func (a *attention) turn(site model.Site, layer int, x *mlx.Array, tap *model.Tap) *mlx.Array {
	r := mlx.RoPE(heads(x), a.rotary, 0)
	if !tap.Wants(site, layer) {
		return r
	}
	return heads(tap.At(site, layer, heads(r)))
}

// explicit forms the pattern that fused attention never has. The two differ in the
// last bits.
func (a *attention) explicit(q, k, v *mlx.Array, layer int, tap *model.Tap) *mlx.Array {
	b, p, group := q.Dim(0), q.Dim(2), a.heads/a.kvHeads
	q = mlx.Reshape(q, b, a.kvHeads, group, p, a.headDim)
	k, v = mlx.ExpandDims(k, 2), mlx.ExpandDims(v, 2) // [batch, kv_head, 1, pos, d_head]

	scores := mlx.Matmul(mlx.Scale(q, a.scale), mlx.Transpose(k, 0, 1, 2, 4, 3)) // [batch, kv_head, group, q, k]
	scores = mlx.Masked(mlx.Reshape(scores, b, a.heads, p, p), mlx.CausalMask(q.Scope(), p, p))
	scores = tap.At(model.AttnScores, layer, scores) // [batch, head, q, k]
	pattern := tap.At(model.Pattern, layer, mlx.Softmax(scores, -1))

	z := mlx.Matmul(mlx.Reshape(pattern, b, a.kvHeads, group, p, p), v) // [batch, kv_head, group, pos, d_head]
	return mlx.Reshape(z, b, a.heads, p, a.headDim)
}

// heads swaps the axes of positions and heads.
func heads(x *mlx.Array) *mlx.Array { return mlx.Transpose(x, 0, 2, 1, 3) }
