package model

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx"
)

// OrNaN returns x [..., n], and NaN in the rows whose squares sum to more than float32 holds.
//
// A norm divides a row by the root of that sum. An infinite one makes 0 of it, or the norm's bias:
// finite numbers, which no reader behind the norm can tell from an answer, and equal logits.
func OrNaN(x *mlx.Array) *mlx.Array {
	squares := mlx.Sum(mlx.Square(mlx.AsType(x, mlx.Float32)), -1)
	holds := mlx.ExpandDims(mlx.LessEqual(squares, mlx.Scalar[float32](x.Scope(), math.MaxFloat32)), -1)
	none := mlx.AsType(mlx.Scalar(x.Scope(), float32(math.NaN())), x.Dtype())
	return mlx.Where(holds, x, none)
}
