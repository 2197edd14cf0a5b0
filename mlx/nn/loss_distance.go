package nn

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx"
)

// MSE returns (prediction − target)². The operands have one shape.
func MSE(prediction, target *mlx.Array, how ...LossOptions) *mlx.Array {
	c := newLoss("mse", how, true, prediction, target)
	if c.bad != nil {
		return c.bad
	}
	return c.reduce(mlx.Square(mlx.Subtract(prediction, target)))
}

// L1 returns |prediction − target|. The operands have one shape.
func L1(prediction, target *mlx.Array, how ...LossOptions) *mlx.Array {
	c := newLoss("l1", how, true, prediction, target)
	if c.bad != nil {
		return c.bad
	}
	return c.reduce(mlx.Abs(mlx.Subtract(prediction, target)))
}

// SmoothL1 returns ½·d²/beta where d = |prediction − target| is below beta, and d − beta/2
// elsewhere (Girshick 2015, arXiv:1504.08083). The operands have one shape.
func SmoothL1(prediction, target *mlx.Array, beta float64, how ...LossOptions) *mlx.Array {
	c := newLoss("smooth_l1", how, true, prediction, target)
	if c.bad != nil {
		return c.bad
	}
	d := mlx.Abs(mlx.Subtract(prediction, target))
	return c.reduce(mlx.Where(mlx.Less(d, mlx.Weak(d, beta)), mlx.Scale(mlx.Square(d), 0.5/beta), mlx.Shift(d, -0.5*beta)))
}

// Huber returns ½·d² where d = |prediction − target| is at most delta, and delta·(d − delta/2)
// elsewhere (Huber 1964). The operands broadcast.
func Huber(prediction, target *mlx.Array, delta float64, how ...LossOptions) *mlx.Array {
	c := newLoss("huber", how, false, prediction, target)
	if c.bad != nil {
		return c.bad
	}
	d := mlx.Abs(mlx.Subtract(prediction, target))
	square := atMost(d, delta)
	return c.reduce(mlx.Add(mlx.Scale(mlx.Square(square), 0.5), mlx.Scale(mlx.Subtract(d, square), delta)))
}

// LogCosh returns ln cosh(prediction − target). The operands broadcast.
func LogCosh(prediction, target *mlx.Array, how ...LossOptions) *mlx.Array {
	c := newLoss("log_cosh", how, false, prediction, target)
	if c.bad != nil {
		return c.bad
	}
	d := mlx.Subtract(prediction, target)
	return c.reduce(mlx.Shift(mlx.Logaddexp(d, mlx.Negative(d)), -math.Ln2))
}

// Hinge returns max(0, 1 − prediction·target), target −1 or 1. The operands broadcast.
func Hinge(prediction, target *mlx.Array, how ...LossOptions) *mlx.Array {
	c := newLoss("hinge", how, false, prediction, target)
	if c.bad != nil {
		return c.bad
	}
	return c.reduce(atLeast(less(1, mlx.Multiply(prediction, target)), 0))
}

// CosineSimilarity returns a·b/max(|a|·|b|, 1e-8) over the last axis, or LossOptions.Axis
// (mlx.nn's default is axis 1). It grows with likeness: train on its negative.
func CosineSimilarity(a, b *mlx.Array, how ...LossOptions) *mlx.Array {
	c := newLoss("cosine_similarity", how, false, a, b)
	if c.bad != nil {
		return c.bad
	}
	norms := mlx.Multiply(mlx.Norm(a, c.axis), mlx.Norm(b, c.axis))
	return c.reduce(mlx.Divide(mlx.Sum(mlx.Multiply(a, b), c.axis), atLeast(norms, 1e-8)))
}

// MarginRanking returns max(0, margin − target·(a − b)), target 1 where a should be the larger
// and −1 where b should. The operands have one shape.
func MarginRanking(a, b, target *mlx.Array, margin float64, how ...LossOptions) *mlx.Array {
	c := newLoss("margin_ranking", how, true, a, b, target)
	if c.bad != nil {
		return c.bad
	}
	d := mlx.Multiply(mlx.Negative(target), mlx.Subtract(a, b))
	return c.reduce(atLeast(mlx.Shift(d, margin), 0))
}

// TripletOptions are Triplet's constants; a zero stands for the default.
type TripletOptions struct {
	LossOptions
	P      float64 // of the norm, 2
	Margin float64 // 1
	Eps    float64 // 1e-6
}

// Triplet returns max(0, |anchor − positive|ₚ − |anchor − negative|ₚ + Margin) with |d|ₚ =
// (Σ|d|ᵖ + Eps)^(1/p) over an axis (Schroff et al. 2015, arXiv:1503.03832).
func Triplet(anchor, positive, negative *mlx.Array, how ...TripletOptions) *mlx.Array {
	o := TripletOptions{}
	if len(how) > 0 {
		o = how[0]
	}
	or := func(x *float64, standard float64) {
		if *x == 0 {
			*x = standard
		}
	}
	or(&o.P, 2)
	or(&o.Margin, 1)
	or(&o.Eps, 1e-6)
	c := newLoss("triplet", []LossOptions{o.LossOptions}, false, anchor, positive, negative)
	if c.bad != nil {
		return c.bad
	}
	distance := func(x *mlx.Array) *mlx.Array {
		d := mlx.Abs(mlx.Subtract(anchor, x))
		sum := mlx.Shift(mlx.Sum(mlx.Power(d, mlx.Weak(d, o.P)), c.axis), o.Eps)
		return mlx.Power(sum, mlx.Weak(sum, 1/o.P))
	}
	return c.reduce(atLeast(mlx.Shift(mlx.Subtract(distance(positive), distance(negative)), o.Margin), 0))
}
