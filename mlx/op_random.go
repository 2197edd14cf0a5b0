package mlx

import (
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Random numbers come from a key: the same key gives the same numbers on every device and in
// mlx.core, and [RandomSplit] makes new keys from one. There is no hidden state. A result
// belongs to the scope of its key, and shape ends the parameters.

// RandomKey returns the key of a seed, uint32[2]. Binds mlx_random_key.
func RandomKey(s *Scope, seed uint64) *Array {
	return create("random_key", s, []int{2}, Uint32, nil, func(res *capi.Array, _ capi.Stream) int32 {
		return capi.RandomKey(res, seed)
	})
}

// RandomSplit returns num independent keys made from key, which is not to be used again.
// Binds mlx_random_split, mlx_random_split_num.
func RandomSplit(key *Array, num int) []*Array {
	const op = "random_split"
	bad := checkKey(op, key)
	if num < 1 || num > 1<<20 {
		return []*Array{failed(op, ErrShape, "%d keys (have: 1 to %d)", num, 1<<20)}
	}
	if bad != nil {
		return slices.Repeat([]*Array{bad}, num)
	}
	if num == 2 {
		a, b := twoResults(op, []*Array{key}, func(a, b *capi.Array, s capi.Stream) int32 {
			return capi.RandomSplit(a, b, key.h, s)
		})
		return []*Array{a, b}
	}
	keys := build(op, []*Array{key}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.RandomSplitNum(res, key.h, c32(num), s)
	})
	if keys.err != nil {
		return slices.Repeat([]*Array{keys}, num)
	}
	return Unstack(keys, 0)
}

// checkKey refuses what is no key; MLX would take none for a state of its own, one a thread.
func checkKey(op string, key *Array) *Array {
	if key == nil {
		return failed(op, errNoArray, "the key is nil: RandomKey makes one of a seed")
	}
	if key.err != nil {
		return key
	}
	if key.Dtype() != Uint32 || !slices.Equal(key.Shape(), []int{2}) {
		return failed(op, ErrShape, "the key is %s, not uint32[2]: RandomKey makes one", key)
	}
	return nil
}

// draw is build for numbers of a given shape and type.
func draw(op string, key *Array, d Dtype, shape []int, operands []*Array, f func(res *capi.Array, shape []int32, s capi.Stream) int32) *Array {
	if bad := checkKey(op, key); bad != nil {
		return bad
	}
	if e := checkShape(op, shape, d); e != nil {
		return &Array{err: e}
	}
	return build(op, append([]*Array{key}, operands...), func(res *capi.Array, s capi.Stream) int32 {
		return f(res, int32s(shape), s)
	})
}

// floatingOrComplex is floating for normal numbers, of which there are complex ones.
func floatingOrComplex(op string, d Dtype) *Array {
	if d == Complex64 {
		return nil
	}
	return floating(op, d)
}

func floating(op string, d Dtype) *Array {
	if !d.IsFloat() || d == Float64 {
		return failed(op, ErrDtype, "random numbers cannot be %v (have: float32, float16, bfloat16)", d)
	}
	return nil
}

// RandomBits returns integers of width bytes with independent random bits: uint8, uint16 or
// uint32 for 1, 2 or 4. Binds mlx_random_bits.
func RandomBits(key *Array, width int, shape ...int) *Array {
	const op = "random_bits"
	d, ok := map[int]Dtype{1: Uint8, 2: Uint16, 4: Uint32}[width]
	if !ok {
		return failed(op, ErrDtype, "a width of %d bytes (have: 1, 2, 4)", width)
	}
	return draw(op, key, d, shape, nil, func(res *capi.Array, shape []int32, s capi.Stream) int32 {
		return capi.RandomBits(res, shape, int32(width), key.h, s)
	})
}

// RandomUniform returns numbers evenly distributed in [low, high). low and high broadcast to
// shape. Binds mlx_random_uniform.
func RandomUniform(key, low, high *Array, d Dtype, shape ...int) *Array {
	const op = "random_uniform"
	if bad := required(op, low, high); bad != nil {
		return bad
	}
	if bad := floating(op, d); bad != nil {
		return bad
	}
	return draw(op, key, d, shape, []*Array{low, high}, func(res *capi.Array, shape []int32, s capi.Stream) int32 {
		return capi.RandomUniform(res, low.h, high.h, shape, capi.Dtype(d), key.h, s)
	})
}

// RandomNormal returns numbers of the normal distribution with mean loc and standard
// deviation scale; of complex64, real and imaginary part have half the variance each.
// Binds mlx_random_normal.
func RandomNormal(key *Array, loc, scale float64, d Dtype, shape ...int) *Array {
	const op = "random_normal"
	if bad := floatingOrComplex(op, d); bad != nil {
		return bad
	}
	return draw(op, key, d, shape, nil, func(res *capi.Array, shape []int32, s capi.Stream) int32 {
		return capi.RandomNormal(res, shape, capi.Dtype(d), float32(loc), float32(scale), key.h, s)
	})
}

// RandomNormalBroadcast is RandomNormal with means and deviations that broadcast to shape,
// nil for 0 and 1. Binds mlx_random_normal_broadcast.
func RandomNormalBroadcast(key, loc, scale *Array, d Dtype, shape ...int) *Array {
	const op = "random_normal"
	if bad := floatingOrComplex(op, d); bad != nil {
		return bad
	}
	return draw(op, key, d, shape, []*Array{loc, scale}, func(res *capi.Array, shape []int32, s capi.Stream) int32 {
		return capi.RandomNormalBroadcast(res, shape, capi.Dtype(d), handle(loc), handle(scale), key.h, s)
	})
}

// RandomTruncatedNormal returns numbers of the standard normal distribution restricted to
// [lower, upper], which broadcast to shape. Binds mlx_random_truncated_normal.
func RandomTruncatedNormal(key, lower, upper *Array, d Dtype, shape ...int) *Array {
	const op = "random_truncated_normal"
	if bad := required(op, lower, upper); bad != nil {
		return bad
	}
	if bad := floating(op, d); bad != nil {
		return bad
	}
	return draw(op, key, d, shape, []*Array{lower, upper}, func(res *capi.Array, shape []int32, s capi.Stream) int32 {
		return capi.RandomTruncatedNormal(res, lower.h, upper.h, shape, capi.Dtype(d), key.h, s)
	})
}

// RandomMultivariateNormal returns vectors of the normal distribution with mean [..., n] and
// covariance [..., n, n], [shape..., n], float32. shape broadcasts with the first axes of
// both. MLX computes it on the CPU. Binds mlx_random_multivariate_normal.
func RandomMultivariateNormal(key, mean, cov *Array, shape ...int) *Array {
	const op = "random_multivariate_normal"
	if bad := required(op, mean, cov); bad != nil {
		return bad
	}
	if bad := matrix(op, true, cov); bad != nil {
		return bad
	}
	cov = finite(op, cov)
	return draw(op, key, Float32, shape, []*Array{mean, cov}, func(res *capi.Array, shape []int32, s capi.Stream) int32 {
		return capi.RandomMultivariateNormal(res, mean.h, cov.h, shape, capi.DtypeFloat32, key.h, s)
	})
}

// RandomLaplace returns numbers of the Laplace distribution with mean loc and scale b, density
// e^(−|x−loc|/b)/2b. Binds mlx_random_laplace.
func RandomLaplace(key *Array, loc, scale float64, d Dtype, shape ...int) *Array {
	const op = "random_laplace"
	if bad := floating(op, d); bad != nil {
		return bad
	}
	return draw(op, key, d, shape, nil, func(res *capi.Array, shape []int32, s capi.Stream) int32 {
		return capi.RandomLaplace(res, shape, capi.Dtype(d), float32(loc), float32(scale), key.h, s)
	})
}

// RandomGumbel returns −ln(−ln u) of uniform u: the greatest of logits plus such numbers is a
// sample of their softmax. Binds mlx_random_gumbel.
func RandomGumbel(key *Array, d Dtype, shape ...int) *Array {
	const op = "random_gumbel"
	if bad := floating(op, d); bad != nil {
		return bad
	}
	return draw(op, key, d, shape, nil, func(res *capi.Array, shape []int32, s capi.Stream) int32 {
		return capi.RandomGumbel(res, shape, capi.Dtype(d), key.h, s)
	})
}

// RandomRandint returns integers evenly distributed in [low, high).
// Binds mlx_random_randint.
func RandomRandint(key *Array, low, high int, d Dtype, shape ...int) *Array {
	const op = "random_randint"
	if !d.IsInteger() {
		return failed(op, ErrDtype, "random integers cannot be %v", d)
	}
	if low >= high || low < math.MinInt32 || high > math.MaxInt32 {
		return failed(op, ErrIndex, "integers from %d below %d (have: an interval in 32 bits that is not empty)", low, high)
	}
	if bad := checkKey(op, key); bad != nil {
		return bad
	}
	lo, hi := Scalar(key.Scope(), int32(low)), Scalar(key.Scope(), int32(high))
	return draw(op, key, d, shape, []*Array{lo, hi}, func(res *capi.Array, shape []int32, s capi.Stream) int32 {
		return capi.RandomRandint(res, lo.h, hi.h, shape, capi.Dtype(d), key.h, s)
	})
}

// RandomBernoulli returns booleans that are true with probability p, which broadcasts to
// shape. Binds mlx_random_bernoulli.
func RandomBernoulli(key, p *Array, shape ...int) *Array {
	const op = "random_bernoulli"
	if bad := required(op, p); bad != nil {
		return bad
	}
	return draw(op, key, Bool, shape, []*Array{p}, func(res *capi.Array, shape []int32, s capi.Stream) int32 {
		return capi.RandomBernoulli(res, p.h, shape, key.h, s)
	})
}

// RandomCategorical returns indices along axis drawn with the probabilities softmax(logits),
// uint32: one for each row of logits, in their shape without the axis.
// Binds mlx_random_categorical.
func RandomCategorical(key, logits *Array, axis int) *Array {
	const op = "random_categorical"
	return categorical(op, key, logits, axis, func(res *capi.Array, s capi.Stream) int32 {
		return capi.RandomCategorical(res, logits.h, c32(axis), key.h, s)
	})
}

// RandomCategoricalN is RandomCategorical with n draws from each row, as a new last axis.
// Binds mlx_random_categorical_num_samples.
func RandomCategoricalN(key, logits *Array, axis, n int) *Array {
	const op = "random_categorical"
	if n < 0 {
		return failed(op, ErrShape, "%d draws (have: 0 and more)", n)
	}
	if logits != nil && logits.err == nil {
		if e := grows(op, logits, n); e != nil {
			return &Array{err: e}
		}
	}
	return categorical(op, key, logits, axis, func(res *capi.Array, s capi.Stream) int32 {
		return capi.RandomCategoricalNumSamples(res, logits.h, c32(axis), c32(n), key.h, s)
	})
}

// RandomCategoricalShape is RandomCategorical with draws of a given shape, to which the shape
// of the rows broadcasts. Binds mlx_random_categorical_shape.
func RandomCategoricalShape(key, logits *Array, axis int, shape ...int) *Array {
	const op = "random_categorical"
	if e := checkShape(op, shape, Uint32); e != nil {
		return &Array{err: e}
	}
	return categorical(op, key, logits, axis, func(res *capi.Array, s capi.Stream) int32 {
		return capi.RandomCategoricalShape(res, logits.h, c32(axis), int32s(shape), key.h, s)
	})
}

func categorical(op string, key, logits *Array, axis int, f func(*capi.Array, capi.Stream) int32) *Array {
	if bad := required(op, logits); bad != nil {
		return bad
	}
	if bad := checkKey(op, key); bad != nil {
		return bad
	}
	if logits.err == nil && logits.Dim(axis) == 0 {
		return failed(op, ErrShape, "axis %d of %s has nothing to draw from", axis, logits)
	}
	return build(op, []*Array{key, logits}, f)
}

// RandomPermutation returns x with its slices along axis in random order.
// Binds mlx_random_permutation.
func RandomPermutation(key, x *Array, axis int) *Array {
	const op = "random_permutation"
	if bad := required(op, x); bad != nil {
		return bad
	}
	if bad := checkKey(op, key); bad != nil {
		return bad
	}
	return build(op, []*Array{key, x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.RandomPermutation(res, x.h, c32(axis), key.h, s)
	})
}

// RandomPermutationArange returns 0, 1, … n−1 in random order, int32.
// Binds mlx_random_permutation_arange.
func RandomPermutationArange(key *Array, n int) *Array {
	return draw("random_permutation", key, Uint32, []int{n}, nil, func(res *capi.Array, _ []int32, s capi.Stream) int32 {
		return capi.RandomPermutationArange(res, c32(n), key.h, s)
	})
}
