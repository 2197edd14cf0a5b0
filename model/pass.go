package model

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// Pass is one forward pass on its way through the blocks: who sees it ([Tap]), and
// what was there before it ([Cache]). Both may be nil.
type Pass struct {
	*Tap
	Cache *Cache

	Tokens *mlx.Array // [batch, pos] int32

	from   int                       // positions that came before
	scope  *mlx.Scope                // the tokens'
	masks  map[mlx.Causal]*mlx.Array // layers share them
	angles map[turning]angles        // likewise
	seen   map[int][2]*mlx.Array     // keys and values that other layers look at too, by their layer
	once   map[string][]*mlx.Array   // by name
}

// turning is a rotation, and what of a sequence's length it depends on.
type turning struct {
	rope    *Rope
	measure int
}

func newPass(tokens *mlx.Array, cache *Cache, tap *Tap) *Pass {
	return &Pass{
		Tap: tap, Cache: cache, Tokens: tokens, from: cache.Len(), scope: tokens.Scope(),
		masks: map[mlx.Causal]*mlx.Array{}, angles: map[turning]angles{}, seen: map[int][2]*mlx.Array{}, once: map[string][]*mlx.Array{},
	}
}

// From returns how many positions came before those of the pass.
func (p *Pass) From() int { return p.from }

// Once returns what compute made under a name when it was first asked for in the pass: arrays
// that blocks share, which outlive the block that asks first.
func (p *Pass) Once(name string, compute func() []*mlx.Array) []*mlx.Array {
	if _, ok := p.once[name]; !ok {
		made := compute()
		for i, a := range made {
			made[i] = p.scope.Hold(a)
		}
		p.once[name] = made
	}
	return p.once[name]
}

// Norm is a norm within a layer that no site stands before, of x [..., n].
func (p *Pass) Norm(norm *nn.RMSNorm, layer int, x *mlx.Array) *mlx.Array {
	x = p.Held(layer, x)
	if p.Tap == nil || !p.HoldScales {
		return norm.Forward(x)
	}
	wide := mlx.AsType(x, mlx.Float32)
	scale := mlx.StopGradient(mlx.Rsqrt(mlx.Shift(mlx.KeepDims(mlx.Mean, mlx.Square(wide), -1), norm.Eps)))
	y := mlx.AsType(mlx.Multiply(wide, scale), x.Dtype())
	if norm.Weight == nil {
		return y
	}
	return mlx.Multiply(y, norm.Weight)
}

// length returns how long the sequence of a row is, of which the pass computes n positions.
func (p *Pass) length(row, n int) int {
	if p.Tap == nil || row >= len(p.Lengths) {
		return p.from + n
	}
	return p.Lengths[row]
}

// mask returns [pos, key] booleans as [mlx.CausalMask] does.
func (p *Pass) mask(c mlx.Causal) *mlx.Array {
	if p.masks[c] == nil {
		p.masks[c] = mlx.CausalMask(p.scope, c)
	}
	return p.masks[c]
}

// Rotate applies RoPE to [batch, pos, head, d_head], shows the result to the tap in
// that shape, and returns it as [batch, head, pos, d_head]. Without r, in layers that have no
// positions, nothing turns and nothing is shown.
func (p *Pass) Rotate(site Site, layer int, x *mlx.Array, r *Rope) *mlx.Array {
	if r == nil {
		return Swap(x)
	}
	x = p.turn(Swap(x), r)
	if !p.Wants(site, layer) {
		return x
	}
	return Swap(p.At(site, layer, Swap(x)))
}

// turn applies RoPE to [batch, head, pos, d_head].
func (p *Pass) turn(x *mlx.Array, r *Rope) *mlx.Array {
	if head := x.Dim(3); r.Still > 0 {
		still, rest := mlx.Slice(x, 3, mlx.Between(0, r.Still)), mlx.Slice(x, 3, mlx.Between(r.Still, head))
		return mlx.Concatenate(3, still, p.turnRows(rest, r))
	}
	return p.turnRows(x, r)
}

// turnRows turns [batch, head, pos, d]. Rows whose sequences' lengths let them turn otherwise are
// turned one by one.
func (p *Pass) turnRows(x *mlx.Array, r *Rope) *mlx.Array {
	rows, n := x.Dim(0), x.Dim(2)
	first, alike := p.length(0, n), true
	for row := range rows {
		alike = alike && r.measure(p.length(row, n)) == r.measure(first)
	}
	if alike {
		return p.turnAlike(x, r, first)
	}
	turned := make([]*mlx.Array, rows)
	for row := range rows {
		turned[row] = p.turnAlike(mlx.Slice(x, 0, mlx.Between(row, row+1)), r, p.length(row, n))
	}
	return mlx.Concatenate(0, turned...)
}

// turnAlike turns rows whose sequences have so many positions. On a GPU that is one kernel; on
// a CPU MLX would compute the angles anew in every layer, for queries and for keys.
func (p *Pass) turnAlike(x *mlx.Array, r *Rope, sequence int) *mlx.Array {
	if x.Device() != mlx.CPU || x.Dtype() != mlx.Float32 || r.Traditional {
		return r.turn(x, p.from, sequence)
	}
	at := turning{r, r.measure(sequence)}
	a, ok := p.angles[at]
	if !ok {
		a = r.angles(p.scope, p.from, x.Dim(2), sequence)
		p.angles[at] = a
	}
	return r.turnBy(x, a)
}
