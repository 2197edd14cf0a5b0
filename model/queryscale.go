package model

import "github.com/mlxlens/mlxlens/mlx"

// QueryScale says how queries grow: that at position p is multiplied by
//
//	1 + β·ln(1 + ⌊(p + Ahead) / Every⌋)
//
// as in Llama 4 and Ministral 3 (Nakanishi 2025, arXiv:2501.19399, has the idea). The zero value
// leaves them.
type QueryScale struct {
	Beta  float64 // β
	Every float64 // positions
	Ahead float64 // 1 where positions count from 1
}

// Of scales q, [batch, head, pos, d_head].
func (s QueryScale) Of(q *mlx.Array, pass *Pass) *mlx.Array {
	from, n := float64(pass.From())+s.Ahead, float64(q.Dim(2))
	if s.Beta == 0 || from+n <= s.Every { // all are multiplied by 1
		return q
	}
	scale := pass.Once("query scale", func() []*mlx.Array {
		at := mlx.Arange(pass.Tokens.Scope(), from, from+n, 1, mlx.Float32)
		steps := mlx.Floor(mlx.Divide(at, mlx.Scalar(at.Scope(), float32(s.Every))))
		return []*mlx.Array{mlx.ExpandDims(mlx.Shift(mlx.Scale(mlx.Log(mlx.Shift(steps, 1)), s.Beta), 1), 1)} // [pos, 1]
	})
	return mlx.Multiply(q, mlx.AsType(q.Scope().Hold(scale[0]), q.Dtype()))
}
