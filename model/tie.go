package model

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx"
)

// tieWidth is how far below the greatest logit another counts as equal, as a part of its size,
// or of 1 where it is smaller: some tens of roundings of float32. Products of different shapes
// give equal rows of the head logits that differ by so much, and which is the greater then
// depends on how many positions are computed at once.
const tieWidth = 1.0 / (1 << 18)

// Tied returns the least logit that counts as equal to the greatest: of the ids with at least
// so much the lowest is the likeliest, wherever a model's choice is asked for.
func Tied(greatest float32) float32 {
	return greatest - max(float32(math.Abs(float64(greatest))), 1)*tieWidth
}

// Likeliest returns the ids [...] that float32 logits [..., d_vocab] choose: the lowest of those that
// are [Tied].
func Likeliest(logits *mlx.Array) *mlx.Array {
	greatest := mlx.KeepDims(mlx.Max, logits, -1)
	size := mlx.Maximum(mlx.Abs(greatest), mlx.Scalar[float32](greatest.Scope(), 1))
	least := mlx.Subtract(greatest, mlx.Scale(size, tieWidth))
	return mlx.Argmax(mlx.GreaterEqual(logits, least), -1)
}
