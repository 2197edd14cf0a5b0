package model

import (
	"github.com/mlxlens/mlxlens/mlx"
)

// Pass is one forward pass on its way through the blocks: who sees it ([Tap]), and
// what was there before it ([Cache]). Both may be nil.
type Pass struct {
	*Tap
	Cache *Cache

	from   int                   // positions that came before
	scope  *mlx.Scope            // the tokens'
	masks  map[[3]int]*mlx.Array // by queries, keys and window: layers share them
	angles map[*Rope]angles      // likewise
}

func newPass(scope *mlx.Scope, cache *Cache, tap *Tap) *Pass {
	return &Pass{Tap: tap, Cache: cache, from: cache.Len(), scope: scope, masks: map[[3]int]*mlx.Array{}, angles: map[*Rope]angles{}}
}

// mask returns [pos, key] booleans as [mlx.CausalMask] does.
func (p *Pass) mask(pos, keys, window int) *mlx.Array {
	at := [3]int{pos, keys, window}
	if p.masks[at] == nil {
		p.masks[at] = mlx.CausalMask(p.scope, mlx.Causal{Queries: pos, Keys: keys, Window: window})
	}
	return p.masks[at]
}

// Rotate applies RoPE to [batch, pos, head, d_head], shows the result to the tap in
// that shape, and returns it as [batch, head, pos, d_head].
func (p *Pass) Rotate(site Site, layer int, x *mlx.Array, r *Rope) *mlx.Array {
	x = p.turn(Swap(x), r)
	if !p.Wants(site, layer) {
		return x
	}
	return Swap(p.At(site, layer, Swap(x)))
}

// turn applies RoPE to [batch, head, pos, d_head]. On a GPU that is one kernel; on a CPU
// MLX would compute the angles anew in every layer, for queries and for keys.
func (p *Pass) turn(x *mlx.Array, r *Rope) *mlx.Array {
	if x.Device() != mlx.CPU || x.Dtype() != mlx.Float32 || r.Traditional {
		return r.turn(x, p.from)
	}
	a, ok := p.angles[r]
	if !ok {
		a = r.angles(p.scope, p.from, x.Dim(2))
		p.angles[r] = a
	}
	return r.turnBy(x, a)
}
