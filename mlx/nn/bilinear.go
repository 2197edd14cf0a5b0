package nn

import "github.com/mlxlens/mlxlens/mlx"

// Layer is a module of one array.
type Layer interface {
	Forward(x *mlx.Array) *mlx.Array
}

// Func is a layer without parameters: nn.Func(mlx.ReLU).
type Func func(x *mlx.Array) *mlx.Array

// Forward returns f(x).
func (f Func) Forward(x *mlx.Array) *mlx.Array { return f(x) }

// Sequential calls its layers one after another. Its parameters are at "layers.0.weight" and
// so on.
type Sequential struct{ Layers []Layer }

// NewSequential returns the layers in a row.
func NewSequential(layers ...Layer) *Sequential { return &Sequential{layers} }

// Forward returns the last layer of … of the first of x.
func (s *Sequential) Forward(x *mlx.Array) *mlx.Array {
	for _, l := range s.Layers {
		x = l.Forward(x)
	}
	return x
}

// Identity returns what it gets.
type Identity struct{}

// Forward returns x.
func (Identity) Forward(x *mlx.Array) *mlx.Array { return x }

// Bilinear is yᵢ = x₂ᵀ·Wᵢ·x₁ + bᵢ.
type Bilinear struct {
	Weight *mlx.Array // W: [out, in₂, in₁]
	Bias   *mlx.Array // b: [out], or nil
}

// NewBilinear returns a layer with parameters evenly distributed in ±1/√in₁.
func NewBilinear(keys *Keys, in1, in2, out int, bias bool) *Bilinear {
	l := &Bilinear{Weight: uniform(keys, in1, out, in2, in1)}
	if bias {
		l.Bias = uniform(keys, in1, out)
	}
	return l
}

// Forward maps [..., in₁] and [..., in₂] to [..., out].
func (l *Bilinear) Forward(x1, x2 *mlx.Array) *mlx.Array {
	if bad := wrong(x1, x2, l.Weight); bad != nil {
		return bad
	}
	w, shape := l.Weight.Shape(), x1.Shape()
	if len(w) != 3 || len(shape) == 0 {
		return failed("bilinear", mlx.ErrShape, "weight %v and x %v (want: [out in₂ in₁] and [... in₁])", w, shape)
	}
	y := mlx.MatmulT(mlx.Reshape(x1, -1, w[2]), mlx.Reshape(l.Weight, w[0]*w[1], w[2])) // [n, out·in₂]
	y = mlx.Swapaxes(mlx.Reshape(y, -1, w[0], w[1]), -2, -1)                            // [n, in₂, out]
	y = mlx.Squeeze(mlx.Matmul(mlx.Reshape(x2, -1, 1, w[1]), y), 1)                     // [n, out]
	shape[len(shape)-1] = w[0]
	y = mlx.Reshape(y, shape...)
	if l.Bias != nil {
		y = mlx.Add(y, l.Bias)
	}
	return y
}
