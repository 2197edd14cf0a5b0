package mamba2

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// drawn makes an input of n positions, of 2 sequences and 3 groups of 2 heads, and a state before it.
func drawn(t *testing.T, n int, strength float64) (r Scan, state *mlx.Array) {
	require.NoError(t, mlx.Load())
	s := mlx.NewScope(mlx.CPU)
	t.Cleanup(s.Close)
	at := uint64(17)
	random := func(shape ...int) *mlx.Array {
		at++
		return mlx.RandomUniform(mlx.RandomKey(s, at), mlx.Scalar(s, float32(-0.5)), mlx.Scalar(s, float32(0.5)), mlx.Float32, shape...)
	}
	a := mlx.Scale(mlx.Exp(mlx.Scale(random(2, 3, 2, n), strength)), -0.05)
	return Scan{X: random(2, 3, 2, n, 6), B: random(2, 3, 1, n, 8), C: random(2, 3, 1, n, 8), A: a}, random(2, 3, 2, 6, 8)
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

// inPieces runs pieces of those lengths one after the other.
func (r Scan) inPieces(state *mlx.Array, run func(Scan, *mlx.Array) (y, next *mlx.Array), lengths ...int) (y, next *mlx.Array) {
	var out []*mlx.Array
	at := 0
	for _, n := range lengths {
		y, state = run(r.part(at, at+n), state)
		out, at = append(out, y), at+n
	}
	return mlx.Concatenate(3, out...), state
}

func TestChunksAreTheStateSpacePositionByPosition(t *testing.T) {
	for _, n := range []int{1, 2, 7, 63, 64, 65, 130} {
		for _, strength := range []float64{1, 16} { // of the last a head forgets all at some positions, and little at others
			r, before := drawn(t, n, strength)
			ones := make([]int, n)
			for i := range ones {
				ones[i] = 1
			}
			y, state := r.inPieces(before, Scan.step, ones...)
			chunked, after := r.Run(before)
			require1e5(t, y, chunked, fmt.Sprint(n, " positions"))
			require1e5(t, state, after, fmt.Sprint("state of ", n))
		}
	}
}

func TestPiecesOfTheStateSpaceAreTheWhole(t *testing.T) {
	r, before := drawn(t, 201, 1)
	y, state := r.Run(before)
	for _, lengths := range [][]int{{1, 7, 64, 65, 64}, {64, 64, 64, 9}, {65, 136}, {200, 1}} {
		pieces, after := r.inPieces(before, Scan.Run, lengths...)
		require1e5(t, y, pieces, fmt.Sprint(lengths))
		require1e5(t, state, after, fmt.Sprint(lengths))
	}
}
