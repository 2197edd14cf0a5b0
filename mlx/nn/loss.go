package nn

import (
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
)

// Reduction is what becomes of the losses of a batch.
type Reduction int

// What becomes of the losses of a batch.
const (
	ReduceMean Reduction = iota // their mean, 0-d
	ReduceSum                   // their sum, 0-d
	ReduceNone                  // they stay
)

// LossOptions is what losses have in common. A loss without options is the mean, over its
// last axis.
type LossOptions struct {
	Reduction Reduction
	Weights   *mlx.Array // factors of the losses before the reduction, of their shape; nil: 1
	Axis      *int       // the axis of classes or coordinates; nil: the last
}

// lossCase is one call of a loss.
type lossCase struct {
	op   string
	o    LossOptions
	axis int
	bad  *mlx.Array // an operand's error
}

// loss prepares a call on operands. With alike they must have one shape.
func newLoss(op string, how []LossOptions, alike bool, operands ...*mlx.Array) lossCase {
	c := lossCase{op: op, axis: -1, bad: wrong(operands...)}
	if len(how) > 0 {
		c.o = how[0]
	}
	if c.o.Axis != nil {
		c.axis = *c.o.Axis
	}
	if len(how) > 1 {
		c.bad = failed(op, mlx.ErrShape, "%d options (have: one at most)", len(how))
	}
	for _, a := range operands {
		if c.bad == nil && alike && !slices.Equal(a.Shape(), operands[0].Shape()) {
			c.bad = failed(op, mlx.ErrShape, "operands of shapes %v and %v (want: one shape)", operands[0].Shape(), a.Shape())
		}
	}
	return c
}

// reduce applies the weights and the reduction.
func (c lossCase) reduce(loss *mlx.Array) *mlx.Array {
	if w := c.o.Weights; w != nil {
		if bad := wrong(loss, w); bad != nil {
			return bad
		}
		if !slices.Equal(w.Shape(), loss.Shape()) {
			return failed(c.op, mlx.ErrShape, "weights of shape %v for losses of %v", w.Shape(), loss.Shape())
		}
		loss = mlx.Multiply(loss, w)
	}
	switch c.o.Reduction {
	case ReduceMean:
		return mlx.Mean(loss)
	case ReduceSum:
		return mlx.Sum(loss)
	case ReduceNone:
		return loss
	}
	return failed(c.op, mlx.ErrIndex, "there is no reduction %d (have: ReduceMean, ReduceSum, ReduceNone)", c.o.Reduction)
}

// less returns c − x.
func less(c float64, x *mlx.Array) *mlx.Array { return mlx.Subtract(mlx.Weak(x, c), x) }

// atLeast returns max(x, c).
func atLeast(x *mlx.Array, c float64) *mlx.Array { return mlx.Maximum(x, mlx.Weak(x, c)) }

// atMost returns min(x, c).
func atMost(x *mlx.Array, c float64) *mlx.Array { return mlx.Minimum(x, mlx.Weak(x, c)) }

// CrossEntropy returns −Σ q·ln softmax(logits) over the classes. targets are classes, integers
// of the logits' shape without the axis, or probabilities q of the logits' shape.
func CrossEntropy(logits, targets *mlx.Array, how ...LossOptions) *mlx.Array {
	return SmoothCrossEntropy(logits, targets, 0, how...)
}

// SmoothCrossEntropy is CrossEntropy with a share of the targets, smoothing in [0, 1), spread
// evenly over the classes (Szegedy et al. 2015, arXiv:1512.00567):
//
//	ln Σ exp logits − (1−smoothing)·logit of the target − smoothing·mean logits
func SmoothCrossEntropy(logits, targets *mlx.Array, smoothing float64, how ...LossOptions) *mlx.Array {
	c := newLoss("cross_entropy", how, false, logits, targets)
	if c.bad != nil {
		return c.bad
	}
	if !(smoothing >= 0 && smoothing < 1) {
		return failed(c.op, mlx.ErrIndex, "label smoothing %v (have: 0 up to, and without, 1)", smoothing)
	}
	want, n := logits.Shape(), logits.Ndim()
	if n == 0 || c.axis < -n || c.axis >= n {
		return failed(c.op, mlx.ErrIndex, "axis %d of logits %v", c.axis, want)
	}
	probabilities := targets.Ndim() == n
	if !probabilities {
		at := (c.axis + n) % n
		want = slices.Delete(slices.Clone(want), at, at+1)
	}
	if !slices.Equal(targets.Shape(), want) {
		return failed(c.op, mlx.ErrShape, "targets %v for logits %v along axis %d (want: %v)", targets.Shape(), logits.Shape(), c.axis, want)
	}
	x := mlx.Subtract(logits, mlx.StopGradient(mlx.KeepDims(mlx.Max, logits, c.axis)))
	var score *mlx.Array
	if probabilities {
		score = mlx.Sum(mlx.Multiply(x, targets), c.axis)
	} else {
		score = picked(x, targets, c.axis)
	}
	loss := mlx.LogSumExp(x, c.axis)
	if smoothing > 0 {
		loss = mlx.Subtract(loss, mlx.Scale(score, 1-smoothing))
		return c.reduce(mlx.Subtract(loss, mlx.Scale(mlx.Mean(x, c.axis), smoothing)))
	}
	return c.reduce(mlx.Subtract(loss, score))
}

// picked returns x at the target's place along axis, which goes.
func picked(x, targets *mlx.Array, axis int) *mlx.Array {
	return mlx.Squeeze(mlx.TakeAlongAxis(x, mlx.ExpandDims(targets, axis), axis), axis)
}

// BinaryCrossEntropy returns ln(1 + eˣ) − x·target of logits x, that is −target·ln σ(x) −
// (1−target)·ln(1 − σ(x)). The operands have one shape.
func BinaryCrossEntropy(logits, targets *mlx.Array, how ...LossOptions) *mlx.Array {
	c := newLoss("binary_cross_entropy", how, true, logits, targets)
	if c.bad != nil {
		return c.bad
	}
	return c.reduce(mlx.Subtract(Softplus(logits), mlx.Multiply(logits, targets)))
}

// BinaryCrossEntropyOf is BinaryCrossEntropy of probabilities, whose logarithms are −100 or
// more: −target·ln p − (1−target)·ln(1−p).
func BinaryCrossEntropyOf(probabilities, targets *mlx.Array, how ...LossOptions) *mlx.Array {
	c := newLoss("binary_cross_entropy", how, true, probabilities, targets)
	if c.bad != nil {
		return c.bad
	}
	yes := mlx.Multiply(targets, atLeast(mlx.Log(probabilities), -100))
	no := mlx.Multiply(less(1, targets), atLeast(mlx.Log(less(1, probabilities)), -100))
	return c.reduce(mlx.Negative(mlx.Add(yes, no)))
}

// NLL returns −x at the target's place along the classes, the negative log-likelihood of
// log-probabilities x. targets are integers of x's shape without the axis.
func NLL(logP, targets *mlx.Array, how ...LossOptions) *mlx.Array {
	c := newLoss("nll", how, false, logP, targets)
	if c.bad != nil {
		return c.bad
	}
	return c.reduce(mlx.Negative(picked(logP, targets, c.axis)))
}

// GaussianOptions are GaussianNLL's; a zero stands for the default.
type GaussianOptions struct {
	LossOptions
	Eps  float64 // the least variance, 1e-6
	Full bool    // with the constant ½·ln 2π
}

// GaussianNLL returns ½·(ln v + (target − mean)²/v) with v = max(variance, Eps), the negative
// log-likelihood of a normal distribution. The operands have one shape.
func GaussianNLL(mean, target, variance *mlx.Array, how ...GaussianOptions) *mlx.Array {
	o := GaussianOptions{}
	if len(how) > 0 {
		o = how[0]
	}
	if o.Eps == 0 {
		o.Eps = 1e-6
	}
	c := newLoss("gaussian_nll", []LossOptions{o.LossOptions}, true, mean, target, variance)
	if c.bad != nil {
		return c.bad
	}
	v := atLeast(variance, o.Eps)
	loss := mlx.Scale(mlx.Add(mlx.Log(v), mlx.Divide(mlx.Square(mlx.Subtract(target, mean)), v)), 0.5)
	if o.Full {
		loss = mlx.Shift(loss, 0.5*math.Log(2*math.Pi))
	}
	return c.reduce(loss)
}

// KLDivergence returns Σ exp(target)·(target − x) over an axis, in nats, of log-probabilities:
// target is the model that the expectation is of.
func KLDivergence(logP, logTarget *mlx.Array, how ...LossOptions) *mlx.Array {
	c := newLoss("kl_divergence", how, false, logP, logTarget)
	if c.bad != nil {
		return c.bad
	}
	return c.reduce(mlx.Sum(mlx.Multiply(mlx.Exp(logTarget), mlx.Subtract(logTarget, logP)), c.axis))
}
