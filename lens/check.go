package lens

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// checkTolerance bounds the difference between the last lens row and the model's
// own logits. In float32 both are the same numbers through the same operations in
// another blocking: a sum of d_model products of size 1 errs by about √d_model ε.
// A 16-bit model rounds its own logits to 8 or 11 bits.
func checkTolerance(d mlx.Dtype, largest float64) float64 {
	switch d {
	case mlx.BFloat16:
		return largest / 64
	case mlx.Float16:
		return largest / 512
	}
	return 1e-4 * max(1, largest/16)
}

// check compares the reference row with the logits of the model's own forward pass.
func (p *plan) check(m model.Model, states []*mlx.Array, own *mlx.Array) (*Check, error) {
	d := own.Dtype()
	scope := p.reference(states).Scope().NewScope()
	defer scope.Close()
	own = mlx.AsType(scope.Hold(own), mlx.Float32)
	lens := mlx.AsType(model.ToLogits(m, scope.Hold(p.reference(states))), mlx.Float32)
	difference, err := mlx.Item[float32](mlx.Max(mlx.Abs(mlx.Subtract(own, lens))))
	if err != nil {
		return nil, err
	}
	largest, err := mlx.Item[float32](mlx.Max(mlx.Abs(own)))
	if err != nil {
		return nil, err
	}
	c := &Check{MaxDifference: float64(difference), Tolerance: checkTolerance(d, float64(largest))}
	c.OK = c.MaxDifference <= c.Tolerance // false for NaN
	return c, nil
}
