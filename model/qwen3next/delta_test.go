package qwen3next

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// drawn makes an input of the rule of n positions, of 2 sequences and 3 heads.
func drawn(s *mlx.Scope, n int, strength float64) rule {
	const b, h, dk, dv = 2, 3, 8, 6
	at := uint64(17)
	random := func(shape ...int) *mlx.Array {
		at++
		return mlx.RandomUniform(mlx.RandomKey(s, at), mlx.Scalar(s, float32(-1)), mlx.Scalar(s, float32(1)), mlx.Float32, shape...)
	}
	unit := func(x *mlx.Array) *mlx.Array { return mlx.Scale(mlx.RMSNorm(x, nil, 1e-6), 1/math.Sqrt(dk)) }
	return rule{
		q: unit(random(b, h, n, dk)), k: unit(random(b, h, n, dk)), v: random(b, h, n, dv),
		g: mlx.Scale(mlx.Exp(mlx.Scale(random(b, h, n), strength)), -0.05), beta: mlx.Sigmoid(mlx.Scale(random(b, h, n), 4)),
	}
}

// part returns the positions from to to.
func (r rule) part(from, to int) rule {
	cut := func(x *mlx.Array) *mlx.Array { return mlx.Slice(x, 2, mlx.Between(from, to)) }
	return rule{cut(r.q), cut(r.k), cut(r.v), cut(r.g), cut(r.beta)}
}

// oneByOne is the rule as its equations say it.
func (r rule) oneByOne(state *mlx.Array) (o, next *mlx.Array) {
	var out []*mlx.Array
	for i := range r.q.Dim(2) {
		var one *mlx.Array
		one, state = r.part(i, i+1).step(state)
		out = append(out, one)
	}
	return mlx.Concatenate(2, out...), state
}

func require1e5(t *testing.T, want, got *mlx.Array, what string) {
	t.Helper()
	a, err := mlx.Data[float32](want)
	require.NoError(t, err)
	b, err := mlx.Data[float32](got)
	require.NoError(t, err)
	require.Equal(t, want.Shape(), got.Shape())
	require.InDeltaSlice(t, a, b, 1e-5, what)
}

func testScope(t *testing.T) *mlx.Scope {
	require.NoError(t, mlx.Load())
	s := mlx.NewScope(mlx.CPU)
	t.Cleanup(s.Close)
	return s
}

func TestChunksAreTheRulePositionByPosition(t *testing.T) {
	s := testScope(t)
	masks := func(n int) *mlx.Array { return blockMasks(s, n) }
	for _, n := range []int{1, 2, 3, 7, 63, 64, 65, 130} {
		for _, strength := range []float64{1, 8} { // of the last a head forgets all at some positions, and little at others
			r := drawn(s, n, strength)
			before := mlx.Scale(mlx.RandomNormal(mlx.RandomKey(s, 5), 0, 1, mlx.Float32, 2, 3, 6, 8), 0.5)
			o, state := r.oneByOne(before)
			chunked, after := r.run(before, masks)
			require1e5(t, o, chunked, fmt.Sprint(n, " positions"))
			require1e5(t, state, after, fmt.Sprint("state of ", n))
		}
	}
}

func TestPiecesOfTheRuleAreTheWhole(t *testing.T) {
	s := testScope(t)
	masks := func(n int) *mlx.Array { return blockMasks(s, n) }
	r := drawn(s, 201, 1)
	zero := mlx.Zeros(s, mlx.Float32, 2, 3, 6, 8)
	o, state := r.run(zero, masks)
	for _, cuts := range [][]int{{1, 7, 64, 65, 64}, {64, 64, 64, 9}, {65, 136}, {200, 1}} {
		var pieces []*mlx.Array
		at, now := 0, zero
		for _, n := range cuts {
			var piece *mlx.Array
			piece, now = r.part(at, at+n).run(now, masks)
			pieces, at = append(pieces, piece), at+n
		}
		require.Equal(t, 201, at)
		require1e5(t, o, mlx.Concatenate(2, pieces...), fmt.Sprint(cuts))
		require1e5(t, state, now, fmt.Sprint(cuts))
	}
}

// A prompt of one token again and again has equal keys, of which a series of powers of the system
// would be lost in rounding.
func TestEqualKeysThatAreLearnedInFullAreExact(t *testing.T) {
	s := testScope(t)
	r := drawn(s, 64, 1)
	r.k = mlx.BroadcastTo(mlx.Slice(r.k, 2, mlx.Between(0, 1)), r.k.Shape()...)
	r.g, r.beta = mlx.ZerosLike(r.g), mlx.OnesLike(r.beta)
	zero := mlx.Zeros(s, mlx.Float32, 2, 3, 6, 8)
	o, state := r.oneByOne(zero)
	chunked, after := r.run(zero, func(n int) *mlx.Array { return blockMasks(s, n) })
	require1e5(t, o, chunked, "o")
	require1e5(t, state, after, "state")
}

func TestGradientsThroughChunksAreThoseThroughPositions(t *testing.T) {
	s := testScope(t)
	const n = 70
	r := drawn(s, n, 1)
	before := mlx.Scale(mlx.RandomNormal(mlx.RandomKey(s, 5), 0, 1, mlx.Float32, 2, 3, 6, 8), 0.5)
	weights := mlx.RandomNormal(mlx.RandomKey(s, 6), 0, 1, mlx.Float32, 2, 3, n, 6)
	gradients := func(run func(r rule, state *mlx.Array) (o, next *mlx.Array)) []*mlx.Array {
		_, g := mlx.ValueAndGrad(func(x []*mlx.Array) []*mlx.Array {
			o, next := run(rule{x[0], x[1], x[2], x[3], x[4]}, x[5])
			return []*mlx.Array{mlx.Add(mlx.Sum(mlx.Multiply(o, weights)), mlx.Sum(mlx.Square(next)))}
		}, 0, 1, 2, 3, 4, 5)(r.q, r.k, r.v, r.g, r.beta, before)
		return g
	}
	want := gradients(func(r rule, state *mlx.Array) (o, next *mlx.Array) { return r.oneByOne(state) })
	got := gradients(func(r rule, state *mlx.Array) (o, next *mlx.Array) {
		return r.run(state, func(size int) *mlx.Array { return blockMasks(state.Scope(), size) })
	})
	for i := range want {
		a, err := mlx.Data[float32](want[i])
		require.NoError(t, err)
		b, err := mlx.Data[float32](got[i])
		require.NoError(t, err)
		require.InDeltaSlice(t, a, b, 1e-4, "input %d", i)
	}
}
