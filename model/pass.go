package model

import (
	"github.com/mlxlens/mlxlens/mlx"
)

// Pass is one forward pass on its way through the blocks: who sees it ([Tap]), and
// what was there before it ([Cache]). Both may be nil.
type Pass struct {
	*Tap
	Cache *Cache

	scope  *mlx.Scope            // the tokens'
	masks  map[[3]int]*mlx.Array // by queries, keys and window: layers share them
	angles map[*Rope]angles      // likewise
}

func newPass(scope *mlx.Scope, cache *Cache, tap *Tap) *Pass {
	return &Pass{Tap: tap, Cache: cache, scope: scope, masks: map[[3]int]*mlx.Array{}, angles: map[*Rope]angles{}}
}

// mask returns [pos, key] booleans as [mlx.CausalMask] does.
func (p *Pass) mask(pos, keys, window int) *mlx.Array {
	at := [3]int{pos, keys, window}
	if p.masks[at] == nil {
		p.masks[at] = mlx.CausalMask(p.scope, pos, keys, window)
	}
	return p.masks[at]
}

// Heads cuts [batch, pos, n·d_head] into [batch, pos, head, d_head].
func Heads(x *mlx.Array, n int) *mlx.Array {
	return mlx.Reshape(x, x.Dim(0), x.Dim(1), n, -1)
}

// Rotate applies RoPE to [batch, pos, head, d_head], shows the result to the tap in
// that shape, and returns it as [batch, head, pos, d_head].
func (p *Pass) Rotate(site Site, layer int, x *mlx.Array, r *Rope) *mlx.Array {
	x = p.turn(swap(x), layer, r)
	if !p.Wants(site, layer) {
		return x
	}
	return swap(p.At(site, layer, swap(x)))
}

// turn applies RoPE to [batch, head, pos, d_head]. On a GPU that is one kernel; on a CPU
// MLX would compute the angles anew in every layer, for queries and for keys.
func (p *Pass) turn(x *mlx.Array, layer int, r *Rope) *mlx.Array {
	offset := p.Cache.seen(layer)
	if x.Device() != mlx.CPU || x.Dtype() != mlx.Float32 || r.Traditional {
		return r.turn(x, offset)
	}
	a, ok := p.angles[r]
	if !ok {
		a = r.angles(p.scope, offset, x.Dim(2))
		p.angles[r] = a
	}
	return r.turnBy(x, a)
}

// swap swaps the axes of positions and heads.
func swap(x *mlx.Array) *mlx.Array { return mlx.Transpose(x, 0, 2, 1, 3) }

// Attention says how a layer attends.
type Attention struct {
	Heads   int
	KVHeads int     // each serves Heads/KVHeads heads (Ainslie et al. 2023, arXiv:2305.13245)
	Scale   float64 // factor on q·kᵀ
	Window  int     // how many keys a query sees, its own included; 0: all before it
	SoftCap float64 // c·tanh(score/c) before the mask; 0: none
}

// Attend lets queries look at the keys of this pass and of the cache:
//
//	z = softmax(mask(cap(scale·q·kᵀ)))·v
//
// q: [batch, head, pos, d_head], k: [batch, kv_head, pos, d_head], v: [batch, pos,
// kv_head, d_head]; the result is [batch, pos, head·d_head].
func (p *Pass) Attend(q, k, v *mlx.Array, layer int, a Attention) *mlx.Array {
	b, n := q.Dim(0), q.Dim(2)
	explicit := a.SoftCap != 0 || p.Wants(AttnScores, layer) || p.Wants(Pattern, layer)
	k, v = p.Cache.add(layer, k, swap(v), a.Window, p.Wants(AttnScores, layer) || p.Wants(Pattern, layer))
	keys := k.Dim(2)

	var mask *mlx.Array
	if a.Window > 0 && n > 1 && keys > a.Window {
		mask = p.mask(n, keys, a.Window)
	}
	var z *mlx.Array // [batch, head, pos, d_head]
	if explicit {
		if mask == nil && n > 1 {
			mask = p.mask(n, keys, 0)
		}
		z = p.explicit(q, k, v, mask, layer, a)
	} else {
		z = mlx.Attention(q, k, v, a.Scale, n > 1 && mask == nil, mask)
	}
	z = p.At(Z, layer, swap(z)) // [batch, pos, head, d_head]
	return mlx.Reshape(z, b, n, -1)
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
	pattern := p.At(Pattern, layer, mlx.Softmax(scores, -1))

	z := mlx.Matmul(mlx.Reshape(pattern, b, a.KVHeads, group, n, keys), v) // [batch, kv_head, group, pos, d_head]
	return mlx.Reshape(z, b, a.Heads, n, d)
}
