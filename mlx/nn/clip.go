package nn

import "github.com/mlxlens/mlxlens/mlx"

// ClipGradNorm scales all gradients by one factor, so that the Euclidean norm of them together
// is at most: min(1, most/(norm + 1e-6)), as mlx.optimizers has it (Pascanu et al. 2012,
// arXiv:1211.5063). It returns the norm before, 0-d. A floating
// gradient keeps its type.
func ClipGradNorm(grads Params, most float64) (clipped Params, norm *mlx.Array) {
	if most < 0 {
		norm = failed("clip_grad_norm", mlx.ErrShape, "a norm of at most %v (have: 0 and more)", most)
		return grads.Map(func(string, *mlx.Array) *mlx.Array { return norm }), norm
	}
	if len(grads) == 0 {
		return grads, mlx.Scalar(mlx.On(mlx.DefaultDevice()), float32(0))
	}
	for _, path := range grads.Paths() {
		square := mlx.Sum(mlx.Square(grads[path]))
		if norm == nil {
			norm = square
		} else {
			norm = mlx.Add(norm, square)
		}
	}
	norm = mlx.Sqrt(norm)
	factor := mlx.Minimum(mlx.Divide(mlx.Weak(norm, most), mlx.Shift(norm, 1e-6)), mlx.Weak(norm, 1))
	return grads.Map(func(_ string, g *mlx.Array) *mlx.Array {
		if g.Dtype().IsFloat() {
			return mlx.Multiply(g, like(factor, g))
		}
		return mlx.Multiply(g, factor)
	}), norm
}

// AverageGradients returns the mean of each gradient over the processes of a group, all of which
// call it with the same paths.
func AverageGradients(grads Params, group *mlx.Group) Params {
	n := group.Size()
	if n <= 1 {
		return grads
	}
	return grads.Map(func(_ string, g *mlx.Array) *mlx.Array { return mlx.Scale(group.AllSum(g), 1/float64(n)) })
}
