package qwen3next

import (
	"math/bits"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// chunk is how many positions of a prompt are computed at once: as the authors' code.
const chunk = 64

// rule is the input of the gated delta rule (Yang, Kautz and Hatamizadeh 2024, arXiv:2412.06464),
// all in float32: a state S [d_v, d_k] of each head forgets, and learns to answer k with v,
//
//	S ← e^g·S
//	S ← S + β·(v − S·k)·kᵀ
//	o = S·q
//
// from position to position.
type rule struct {
	q, k    *mlx.Array // [batch, head, pos, d_k]
	v       *mlx.Array // [batch, head, pos, d_v]
	g, beta *mlx.Array // [batch, head, pos], g at most 0
}

// run returns o [batch, head, pos, d_v] of all positions and the state behind the last one, from
// the state [batch, head, d_v, d_k] before the first.
func (r rule) run(state *mlx.Array, masks func(size int) *mlx.Array) (o, next *mlx.Array) {
	n := r.q.Dim(2)
	if n == 1 {
		return r.step(state)
	}
	size := min(chunk, 1<<bits.Len(uint(n-1))) // the power of two that holds n positions
	return r.padded(-n&(size-1)).chunks(state, size, masks(size), n)
}

// step is the rule of one position, as its equations.
func (r rule) step(state *mlx.Array) (o, next *mlx.Array) {
	state = mlx.Multiply(state, mlx.ExpandDims(mlx.Exp(r.g), 3)) // g: [batch, head, 1, 1]
	known := mlx.Matmul(r.k, mlx.Swapaxes(state, 2, 3))          // [batch, head, 1, d_v]
	learned := mlx.Multiply(mlx.Subtract(r.v, known), mlx.ExpandDims(r.beta, 3))
	state = mlx.Add(state, mlx.Multiply(mlx.Swapaxes(learned, 2, 3), r.k))
	return mlx.Matmul(r.q, mlx.Swapaxes(state, 2, 3)), state
}

// padded adds n positions that neither forget nor learn.
func (r rule) padded(n int) rule {
	if n == 0 {
		return r
	}
	pad := func(x *mlx.Array) *mlx.Array {
		widths := make([][2]int, x.Ndim())
		widths[2] = [2]int{0, n}
		return mlx.Pad(x, mlx.PadConstant, 0, widths...)
	}
	return rule{pad(r.q), pad(r.k), pad(r.v), pad(r.g), pad(r.beta)}
}

// chunks computes chunks of so many positions at once. Within a chunk, with G the sum of g up to a
// position, and D_ij = e^(g_(j+1) + … + g_i) for j ≤ i, else 0, what the positions learn follows
// from each other by a triangular system,
//
//	T = (1 + strictly lower(β·K·Kᵀ ⊙ D))⁻¹,   V' = T·(β·V) − T·(β·e^G·K)·Sᵀ
//	O = e^G·Q·Sᵀ + (Q·Kᵀ ⊙ D)·V'
//	S ← e^(G_last)·S + V'ᵀ·(D_last·K)
//
// and only the lines with S go from chunk to chunk. n of the positions are wanted.
func (r rule) chunks(state *mlx.Array, size int, masks *mlx.Array, n int) (o, next *mlx.Array) {
	cut := func(x *mlx.Array) *mlx.Array { return mlx.Unflatten(x, 2, -1, size) }
	q, k, v := cut(r.q), cut(r.k), cut(r.v)                                // [batch, head, chunk, pos, d]
	g, beta := mlx.ExpandDims(cut(r.g), 4), mlx.ExpandDims(cut(r.beta), 4) // [batch, head, chunk, pos, 1]
	sum, decay := mlx.Exp(mlx.Cumsum(g, 3)), model.Decays(g)               // e^G, D
	learning, kT := mlx.Multiply(k, beta), mlx.Swapaxes(k, 3, 4)

	t := inverse(mlx.Multiply(mlx.Matmul(learning, kT), decay), masks)
	values := mlx.Matmul(t, mlx.Multiply(v, beta))      // [batch, head, chunk, pos, d_v]
	known := mlx.Matmul(t, mlx.Multiply(learning, sum)) // [batch, head, chunk, pos, d_k]
	within := mlx.Multiply(mlx.Matmul(q, kT), decay)
	q = mlx.Multiply(q, sum)
	last := mlx.Between(size-1, size)
	k = mlx.Multiply(k, mlx.Swapaxes(mlx.Slice(decay, 3, last), 3, 4))
	kept := mlx.Slice(sum, 3, last) // [batch, head, chunk, 1, 1]

	var out []*mlx.Array
	for i := range q.Dim(2) {
		at := func(x *mlx.Array) *mlx.Array { return mlx.Squeeze(mlx.Slice(x, 2, mlx.Between(i, i+1)), 2) }
		sT := mlx.Swapaxes(state, 2, 3)
		learned := mlx.Subtract(at(values), mlx.Matmul(at(known), sT))
		out = append(out, mlx.Add(mlx.Matmul(at(q), sT), mlx.Matmul(at(within), learned)))
		state = mlx.Add(mlx.Multiply(state, at(kept)), mlx.Matmul(mlx.Swapaxes(learned, 2, 3), at(k)))
	}
	return mlx.Slice(mlx.Concatenate(2, out...), 2, mlx.Between(0, n)), state
}

// inverse returns (1 + L)⁻¹ for the strictly lower part L of matrices [..., n, n], n a power of two
// above 1. The inverses of the blocks on the diagonal, of size 1 and twice as large each time, give the next:
//
//	(A 0; B D)⁻¹ = (A⁻¹ 0; −D⁻¹·B·A⁻¹ D⁻¹)
//
// which is as exact as substitution row by row, and has a GPU's products only. masks are those of
// blockMasks.
func inverse(l, masks *mlx.Array) *mlx.Array {
	n := l.Dim(-1)
	t := mlx.Identity(l.Scope(), n, mlx.Float32)
	for level := range masks.Dim(0) {
		below := mlx.Multiply(l, mlx.Squeeze(mlx.Slice(masks, 0, mlx.Between(level, level+1)), 0)) // all B
		if level > 0 {
			below = mlx.Matmul(mlx.Matmul(t, below), t)
		}
		t = mlx.Subtract(t, below)
	}
	return t
}

// blockMasks returns [level, n, n] with 1 in the lower left quarter of each block of 2·2^level on
// the diagonal, else 0.
func blockMasks(s *mlx.Scope, n int) *mlx.Array {
	levels := bits.Len(uint(n)) - 1
	masks := make([]float32, levels*n*n)
	for level := range levels {
		for row := range n {
			for column := range n {
				if row>>(level+1) == column>>(level+1) && row>>level&1 == 1 && column>>level&1 == 0 {
					masks[(level*n+row)*n+column] = 1
				}
			}
		}
	}
	return mlx.FromSlice(s, masks, levels, n, n)
}
