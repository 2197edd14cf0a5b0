package nn

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx"
)

// Initializer draws an array of a shape. Nothing owns it but the collector. Initializers draw
// from keys what mlx.nn.init draws from the global state.
type Initializer func(keys *Keys, shape ...int) *mlx.Array

// InitConstant fills with a value.
func InitConstant(value float64, d mlx.Dtype) Initializer {
	return func(keys *Keys, shape ...int) *mlx.Array { return mlx.Full(keys.place(), value, d, shape...) }
}

// InitNormal draws from the normal distribution.
func InitNormal(mean, std float64, d mlx.Dtype) Initializer {
	return func(keys *Keys, shape ...int) *mlx.Array {
		return mlx.RandomNormal(keys.Next(), mean, std, d, shape...)
	}
}

// InitUniform draws evenly from [low, high).
func InitUniform(low, high float64, d mlx.Dtype) Initializer {
	return func(keys *Keys, shape ...int) *mlx.Array {
		key := keys.Next()
		if bad := wrong(key); bad != nil {
			return bad
		}
		s := key.Scope()
		return mlx.RandomUniform(key, mlx.Scalar(s, float32(low)), mlx.Scalar(s, float32(high)), d, shape...)
	}
}

// InitIdentity makes square matrices of 1 on the diagonal and 0 elsewhere.
func InitIdentity(d mlx.Dtype) Initializer {
	return func(keys *Keys, shape ...int) *mlx.Array {
		if len(shape) != 2 || shape[0] != shape[1] {
			return failed("init_identity", mlx.ErrShape, "shape %v (want: a square matrix)", shape)
		}
		return mlx.Identity(keys.place(), shape[0], d)
	}
}

// Fan is which side of a weight counts.
type Fan int

// Which side of a weight counts.
const (
	FanIn Fan = iota
	FanOut
)

// fans returns how many inputs and outputs a weight [out, ..., in] has; axes between multiply
// both.
func fans(shape []int) (in, out float64) {
	last := len(shape) - 1
	field := 1
	for _, n := range shape[1:last] {
		field *= n
	}
	return float64(shape[last] * field), float64(shape[0] * field)
}

// ofFans is an initializer for which f draws by a weight's inputs and outputs.
func ofFans(op string, f func(in, out float64) Initializer) Initializer {
	return func(keys *Keys, shape ...int) *mlx.Array {
		if len(shape) < 2 {
			return failed(op, mlx.ErrShape, "shape %v (want: two axes or more)", shape)
		}
		return f(fans(shape))(keys, shape...)
	}
}

func (f Fan) of(in, out float64) float64 {
	if f == FanOut {
		return out
	}
	return in
}

// InitGlorotNormal draws from the normal distribution of deviation gain·√(2/(in + out)) (Glorot
// and Bengio 2010).
func InitGlorotNormal(gain float64, d mlx.Dtype) Initializer {
	return ofFans("init_glorot_normal", func(in, out float64) Initializer { return InitNormal(0, gain*math.Sqrt(2/(in+out)), d) })
}

// InitGlorotUniform draws evenly from ±gain·√(6/(in + out)).
func InitGlorotUniform(gain float64, d mlx.Dtype) Initializer {
	return ofFans("init_glorot_uniform", func(in, out float64) Initializer {
		limit := gain * math.Sqrt(6/(in+out))
		return InitUniform(-limit, limit, d)
	})
}

// InitHeNormal draws from the normal distribution of deviation gain/√fan (He et al. 2015,
// arXiv:1502.01852; their √2 for ReLU is a gain).
func InitHeNormal(fan Fan, gain float64, d mlx.Dtype) Initializer {
	return ofFans("init_he_normal", func(in, out float64) Initializer { return InitNormal(0, gain/math.Sqrt(fan.of(in, out)), d) })
}

// InitHeUniform draws evenly from ±gain·√(3/fan).
func InitHeUniform(fan Fan, gain float64, d mlx.Dtype) Initializer {
	return ofFans("init_he_uniform", func(in, out float64) Initializer {
		limit := gain * math.Sqrt(3/fan.of(in, out))
		return InitUniform(-limit, limit, d)
	})
}

// InitSparse draws matrices from the normal distribution, of whose rows a share of the elements
// is 0 (Martens 2010, Deep learning via Hessian-free optimization).
func InitSparse(sparsity, mean, std float64, d mlx.Dtype) Initializer {
	return func(keys *Keys, shape ...int) *mlx.Array {
		if len(shape) != 2 || !(sparsity >= 0 && sparsity <= 1) {
			return failed("init_sparse", mlx.ErrShape, "shape %v, sparsity %v (want: a matrix, 0 to 1)", shape, sparsity)
		}
		zeros := int(math.Ceil(sparsity * float64(shape[1])))
		order := mlx.Argsort(InitUniform(0, 1, mlx.Float32)(keys, shape...), 1)
		x := InitNormal(mean, std, d)(keys, shape...)
		at := mlx.Slice(order, 1, mlx.Between(0, zeros))
		return mlx.PutAlongAxis(x, at, mlx.Zeros(keys.place(), d, shape[0], zeros), 1)
	}
}

// InitOrthogonal draws matrices whose rows, or columns where these are fewer, are orthogonal and
// of length gain: Q of a square normal matrix, with signs that make R's diagonal positive (Saxe
// et al. 2013, arXiv:1312.6120).
func InitOrthogonal(gain float64, d mlx.Dtype) Initializer {
	return func(keys *Keys, shape ...int) *mlx.Array {
		if len(shape) != 2 {
			return failed("init_orthogonal", mlx.ErrShape, "shape %v (want: a matrix)", shape)
		}
		n := max(shape[0], shape[1])
		q, r := mlx.QR(InitNormal(0, 1, mlx.Float32)(keys, n, n))
		q = mlx.Multiply(q, mlx.Sign(mlx.Diag(r, 0)))
		q = mlx.Slice(mlx.Slice(q, 0, mlx.Between(0, shape[0])), 1, mlx.Between(0, shape[1]))
		return mlx.AsType(mlx.Scale(q, gain), d)
	}
}
