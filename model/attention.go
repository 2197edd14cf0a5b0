package model

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// Heads cuts [batch, pos, n·d_head] into [batch, pos, head, d_head].
func Heads(x *mlx.Array, n int) *mlx.Array {
	return mlx.Reshape(x, x.Dim(0), x.Dim(1), n, -1)
}

// Flat puts the heads of [batch, pos, head, d_head] side by side: [batch, pos, head·d_head].
func Flat(x *mlx.Array) *mlx.Array { return mlx.Reshape(x, x.Dim(0), x.Dim(1), -1) }

// Swap swaps the axes of positions and heads.
func Swap(x *mlx.Array) *mlx.Array { return mlx.Transpose(x, 0, 2, 1, 3) }

// Attention says how a layer attends, and holds the matrix that ends it.
type Attention struct {
	Heads   int
	KVHeads int     // each serves Heads/KVHeads heads (Ainslie et al. 2023, arXiv:2305.13245)
	Scale   float64 // factor on q·kᵀ
	Window  int     // how many keys a query sees, its own included; 0: all before it
	Chunk   int     // a query sees the keys of its own chunk of so many positions; 0: there are no chunks
	SoftCap float64 // c·tanh(score/c) before the mask; 0: none
	Wide    bool    // in float32, whatever the model computes in: its scores are beyond 16 bits

	// Sinks are scores [head] of a key whose value is 0, so that a pattern's rows sum to less
	// than 1 (Xiao et al. 2023, arXiv:2309.17453); nil: none.
	Sinks *mlx.Array

	// Shared are later layers with the same window that look at this one's keys and values
	// ([Pass.AttendShared]).
	Shared []int

	Out *nn.Linear // W_O: [d_model, head·d_v]
}

// Attend lets queries look at the keys of this pass and of the cache:
//
//	z = softmax(mask(cap(scale·q·kᵀ)))·v
//	out = z·W_O + b_O
//
// q: [batch, head, pos, d_head], k: [batch, kv_head, pos, d_head], v: [batch, pos,
// kv_head, d_v]; the result is [batch, pos, d_model].
func (p *Pass) Attend(q, k, v *mlx.Array, layer int, a Attention) *mlx.Array {
	return p.Project(p.Look(q, k, v, layer, a), layer, a)
}

// Look is Attend up to z, [batch, pos, head, d_v], for attention that does something to it;
// [Pass.Project] follows.
func (p *Pass) Look(q, k, v *mlx.Array, layer int, a Attention) *mlx.Array {
	ordered := p.Wants(AttnScores, layer) || p.Wants(Pattern, layer)
	for _, other := range a.Shared {
		ordered = ordered || p.Wants(AttnScores, other) || p.Wants(Pattern, other)
	}
	if a.Chunk > 0 {
		k, v = p.Cache.addToChunk(layer, k, Swap(v), a.Chunk)
	} else {
		k, v = p.Cache.add(layer, k, Swap(v), a.Window, ordered)
	}
	if a.Shared != nil {
		p.seen[layer] = [2]*mlx.Array{p.scope.Hold(k), p.scope.Hold(v)}
	}
	return p.weigh(q, k, v, layer, a)
}

// AttendShared is Attend for a layer that has no keys and values of its own, and looks at those
// that an earlier layer saw.
func (p *Pass) AttendShared(q *mlx.Array, layer, of int, a Attention) *mlx.Array {
	s := q.Scope()
	return p.Project(p.weigh(q, s.Hold(p.seen[of][0]), s.Hold(p.seen[of][1]), layer, a), layer, a)
}

// weigh computes z from all keys and values that the queries may see, the newest last.
func (p *Pass) weigh(q, k, v *mlx.Array, layer int, a Attention) *mlx.Array {
	n, keys, dtype := q.Dim(2), k.Dim(2), v.Dtype()
	if a.Wide {
		q = mlx.AsType(q, mlx.Float32)
	}
	wanted := p.Wants(AttnScores, layer) || p.Wants(Pattern, layer)
	var mask *mlx.Array
	if n > 1 && (a.Window > 0 && keys > a.Window || a.Chunk > 0 && keys > a.Chunk) {
		mask = p.mask(mlx.Causal{Queries: n, Keys: keys, Window: a.Window, Chunk: a.Chunk})
	}
	var z *mlx.Array // [batch, head, pos, d_v]
	if wanted || a.SoftCap != 0 {
		if mask == nil && n > 1 {
			mask = p.mask(mlx.Causal{Queries: n, Keys: keys})
		}
		z = p.explicit(q, k, v, mask, layer, a)
	} else {
		var sinks []*mlx.Array
		if a.Sinks != nil {
			sinks = append(sinks, a.Sinks)
		}
		z = mlx.Attention(q, k, v, a.Scale, n > 1 && mask == nil, mask, sinks...)
	}
	if a.Wide {
		z = mlx.AsType(z, dtype)
	}
	return Swap(z)
}

// explicit forms the pattern that fused attention never has. The two differ in the
// last bits.
func (p *Pass) explicit(q, k, v, mask *mlx.Array, layer int, a Attention) *mlx.Array {
	b, n, keys, d := q.Dim(0), q.Dim(2), k.Dim(2), q.Dim(3)
	group := a.Heads / a.KVHeads
	q = mlx.Reshape(q, b, a.KVHeads, group, n, d)
	k, v = mlx.ExpandDims(k, 2), mlx.ExpandDims(v, 2) // [batch, kv_head, 1, key, d_head]

	scores := mlx.Matmul(mlx.Scale(q, a.Scale), mlx.Transpose(k, 0, 1, 2, 4, 3)) // [batch, kv_head, group, pos, key]
	scores = softCap(mlx.Reshape(scores, b, a.Heads, n, keys), a.SoftCap)
	if mask != nil {
		scores = mlx.Masked(scores, mask)
	}
	scores = p.At(AttnScores, layer, scores) // [batch, head, pos, key]
	if mask != nil && p.Wants(AttnScores, layer) {
		scores = mlx.Masked(scores, mask) // whatever a tap puts there, no query sees the future
	}
	pattern := softmaxWith(scores, a.Sinks)
	if mask != nil && p.Wants(AttnScores, layer) {
		pattern = mlx.Where(mask, pattern, mlx.ZerosLike(pattern)) // where a tap has left no score, softmax is even
	}
	pattern = p.At(Pattern, layer, pattern)
	if mask != nil && p.Wants(Pattern, layer) {
		pattern = mlx.Where(mask, pattern, mlx.ZerosLike(pattern))
	}

	z := mlx.Matmul(mlx.Reshape(pattern, b, a.KVHeads, group, n, keys), v) // [batch, kv_head, group, pos, d_v]
	return mlx.Reshape(z, b, a.Heads, n, -1)
}

// softmaxWith returns the softmax of scores [batch, head, pos, key] over the keys and one sink of
// each head, [head], without the sink's part; nil: no sink.
func softmaxWith(scores, sinks *mlx.Array) *mlx.Array {
	if sinks == nil {
		return mlx.Softmax(scores, -1)
	}
	shape := scores.Shape()
	sink := mlx.BroadcastTo(mlx.Reshape(mlx.AsType(scores.Scope().Hold(sinks), scores.Dtype()), 1, -1, 1, 1), shape[0], shape[1], shape[2], 1)
	return mlx.Slice(mlx.Softmax(mlx.Concatenate(3, scores, sink), -1), 3, mlx.Between(0, shape[3]))
}

// Project shows z [batch, pos, head, d_v] to the tap and maps it to the attention's output,
// [batch, pos, d_model].
func (p *Pass) Project(z *mlx.Array, layer int, a Attention) *mlx.Array {
	return p.output(p.At(Z, layer, z), layer, a.Out)
}

// output maps z [batch, pos, head, d_v] to z·W_O + b_O, [batch, pos, d_model]. Where
// head_out is wanted it is the sum over heads of z_h·W_O,h, which differs in the last bits
// from the product over all of them.
func (p *Pass) output(z *mlx.Array, layer int, out *nn.Linear) *mlx.Array {
	if !p.Wants(HeadOut, layer) {
		return out.Forward(Flat(z))
	}
	heads, d := z.Dim(2), z.Dim(3)
	w := out.Dense(z.Scope(), z.Dtype())                     // [d_model, head·d_v]
	w = mlx.Transpose(mlx.Reshape(w, -1, heads, d), 1, 2, 0) // [head, d_v, d_model]
	each := mlx.Matmul(Swap(z), mlx.ExpandDims(w, 0))        // [batch, head, pos, d_model]
	sum := mlx.Sum(p.At(HeadOut, layer, Swap(each)), 2)
	if out.Bias == nil {
		return sum
	}
	return mlx.Add(sum, out.Bias)
}
