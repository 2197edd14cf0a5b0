package nn

import (
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
)

// affine returns weight·x + bias, x without them.
func affine(x, weight, bias *mlx.Array) *mlx.Array {
	if weight == nil {
		return x
	}
	return mlx.Add(mlx.Multiply(weight, x), bias)
}

// GroupNorm is (x − mean)/√(var + Eps)·Weight + Bias, mean and variance over the space between
// the first and last axis and a group of the features (Wu and He 2018, arXiv:1803.08494).
type GroupNorm struct {
	Groups  int
	Weight  *mlx.Array // [features], or nil: neither weight nor bias
	Bias    *mlx.Array // [features]
	Eps     float64
	PyTorch bool // a group is neighbouring features; when false, every Groups-th one
}

// NewGroupNorm returns mlx.nn's: weights 1, a bias of 0, ε 1e-5.
func NewGroupNorm(keys *Keys, groups, dims int) *GroupNorm {
	return &GroupNorm{Groups: groups, Weight: ones(keys, dims), Bias: none(keys, dims), Eps: 1e-5}
}

// Forward normalises x: [batch, ..., features].
func (n *GroupNorm) Forward(x *mlx.Array) *mlx.Array {
	if bad := wrong(x); bad != nil {
		return bad
	}
	shape := x.Shape()
	if len(shape) < 2 || n.Groups <= 0 || x.Dim(-1)%n.Groups != 0 {
		return failed("group_norm", mlx.ErrShape, "x %v in %d groups (want: [batch ... features], the features a multiple)", shape, n.Groups)
	}
	batch, dims := shape[0], x.Dim(-1)
	if n.PyTorch {
		size := dims / n.Groups
		x = mlx.Transpose(mlx.Reshape(x, batch, -1, n.Groups, size), 0, 2, 1, 3) // [batch, group, space, size]
		x = mlx.LayerNorm(mlx.Reshape(x, batch, n.Groups, -1), nil, nil, n.Eps)
		x = mlx.Transpose(mlx.Reshape(x, batch, n.Groups, -1, size), 0, 2, 1, 3)
	} else {
		x = mlx.Reshape(x, batch, -1, n.Groups)
		x = normalised(x, mlx.KeepDims(mlx.Mean, x, 1), mlx.KeepDims(variance, x, 1), n.Eps)
	}
	return affine(mlx.Reshape(x, shape...), n.Weight, n.Bias)
}

func variance(x *mlx.Array, axes ...int) *mlx.Array { return mlx.Var(x, 0, axes...) }

// normalised returns (x − mean)/√(v + eps).
func normalised(x, mean, v *mlx.Array, eps float64) *mlx.Array {
	return mlx.Multiply(mlx.Subtract(x, mean), mlx.Rsqrt(mlx.Shift(v, eps)))
}

// InstanceNorm is (x − mean)/√(var + Eps)·Weight + Bias, mean and variance over the space of
// each feature (Ulyanov et al. 2016, arXiv:1607.08022).
type InstanceNorm struct {
	Weight *mlx.Array // [features], or nil: neither weight nor bias
	Bias   *mlx.Array // [features]
	Eps    float64
}

// NewInstanceNorm returns mlx.nn's: ε 1e-5, with weights 1 and a bias of 0 if affine.
func NewInstanceNorm(keys *Keys, dims int, affine bool) *InstanceNorm {
	n := &InstanceNorm{Eps: 1e-5}
	if affine {
		n.Weight, n.Bias = ones(keys, dims), none(keys, dims)
	}
	return n
}

// Forward normalises x: [batch, ..., features], three axes or more.
func (n *InstanceNorm) Forward(x *mlx.Array) *mlx.Array {
	if bad := wrong(x); bad != nil {
		return bad
	}
	if x.Ndim() < 3 {
		return failed("instance_norm", mlx.ErrShape, "x %v (want: [batch ... features], three axes or more)", x.Shape())
	}
	first := mlx.Moveaxis(x, -1, 1) // [batch, features, ...]
	shape := first.Shape()
	y := mlx.LayerNorm(mlx.Reshape(first, shape[0], shape[1], -1), nil, nil, n.Eps)
	return affine(mlx.Moveaxis(mlx.Reshape(y, shape...), 1, -1), n.Weight, n.Bias)
}

// BatchNorm is (x − mean)/√(var + Eps)·Weight + Bias, mean and variance over the batch and the
// space of each feature (Ioffe and Szegedy 2015, arXiv:1502.03167). In training it moves the
// running statistics, the variance's without bias, by Momentum; afterwards it takes them.
type BatchNorm struct {
	Weight      *mlx.Array // [features], or nil: neither weight nor bias
	Bias        *mlx.Array // [features]
	RunningMean *mlx.Array `nn:",fixed"` // [features], or nil: none are kept
	RunningVar  *mlx.Array `nn:",fixed"` // [features]
	Eps         float64
	Momentum    float64
	Inference   bool // set by Train
}

// NewBatchNorm returns mlx.nn's: weights 1, a bias of 0, running statistics, ε 1e-5,
// momentum 0.1.
func NewBatchNorm(keys *Keys, dims int) *BatchNorm {
	return &BatchNorm{
		Weight: ones(keys, dims), Bias: none(keys, dims), RunningMean: none(keys, dims), RunningVar: ones(keys, dims),
		Eps: 1e-5, Momentum: 0.1,
	}
}

// Train says whether Forward is training.
func (n *BatchNorm) Train(training bool) { n.Inference = !training }

// Forward normalises x: [batch, ..., features], two to four axes.
func (n *BatchNorm) Forward(x *mlx.Array) *mlx.Array {
	if bad := wrong(x); bad != nil {
		return bad
	}
	if x.Ndim() < 2 || x.Ndim() > 4 {
		return failed("batch_norm", mlx.ErrShape, "x %v (want: two to four axes)", x.Shape())
	}
	if !n.Inference && x.Size() == x.Dim(-1) {
		return failed("batch_norm", mlx.ErrShape, "x %v has one value for each feature (want, in training: more)", x.Shape())
	}
	mean, v := n.RunningMean, n.RunningVar
	if !n.Inference || mean == nil {
		axes := []int{0, 1, 2}[:x.Ndim()-1]
		mean, v = mlx.Mean(x, axes...), mlx.Var(x, 0, axes...)
		if !n.Inference && n.RunningMean != nil {
			n.RunningMean = moved(n.RunningMean, n.Momentum, mean)
			n.RunningVar = moved(n.RunningVar, n.Momentum, mlx.Var(x, 1, axes...))
		}
	}
	return affine(normalised(x, mean, v, n.Eps), n.Weight, n.Bias)
}

// moved returns (1−share)·a + share·x, where a is: it outlives x's scope.
func moved(a *mlx.Array, share float64, x *mlx.Array) *mlx.Array {
	return a.Scope().Hold(average(a, 1-share, x))
}

// Dropout sets each element to 0 with probability P and divides the others by 1 − P, in
// training (Srivastava et al. 2014, JMLR 15).
type Dropout struct {
	P         float64
	Keys      *Keys
	Inference bool // set by Train
}

// Train says whether Forward is training.
func (d *Dropout) Train(training bool) { d.Inference = !training }

// Forward drops elements.
func (d *Dropout) Forward(x *mlx.Array) *mlx.Array {
	if bad := wrong(x); bad != nil {
		return bad
	}
	return d.drop("dropout", x, x.Shape())
}

func (d *Dropout) drop(op string, x *mlx.Array, shape []int) *mlx.Array {
	if !(d.P >= 0 && d.P < 1) {
		return failed(op, mlx.ErrIndex, "a probability of %v (have: 0 up to, and without, 1)", d.P)
	}
	if d.P == 0 || d.Inference {
		return x
	}
	key := d.Keys.Next()
	if bad := wrong(key); bad != nil {
		return bad
	}
	stay := mlx.RandomBernoulli(key, mlx.Scalar(key.Scope(), float32(1-d.P)), shape...)
	return mlx.Scale(mlx.Multiply(stay, x), 1/(1-d.P))
}

// channels drops whole channels: the mask has length 1 along the space axes before the last.
func (d *Dropout) channels(op string, x *mlx.Array, space int) *mlx.Array {
	if bad := wrong(x); bad != nil {
		return bad
	}
	shape := slices.Clone(x.Shape())
	if len(shape) != space+1 && len(shape) != space+2 {
		return failed(op, mlx.ErrShape, "x %v (want: %d or %d axes)", shape, space+1, space+2)
	}
	for i := range space {
		shape[len(shape)-2-i] = 1
	}
	return d.drop(op, x, shape)
}

// Dropout2D is Dropout of whole channels of x: [batch, height, width, channel], or without a
// batch (Tompson et al. 2014, arXiv:1411.4280).
type Dropout2D struct{ Dropout }

// Forward drops channels.
func (d *Dropout2D) Forward(x *mlx.Array) *mlx.Array { return d.channels("dropout2d", x, 2) }

// Dropout3D is Dropout2D with a depth: [batch, depth, height, width, channel].
type Dropout3D struct{ Dropout }

// Forward drops channels.
func (d *Dropout3D) Forward(x *mlx.Array) *mlx.Array { return d.channels("dropout3d", x, 3) }
