package nn

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx"
)

// Adafactor keeps of the squared gradients of a matrix only means over rows and columns, and
// can do without a learning rate (Shazeer and Stern 2018, arXiv:1804.04235). At step t:
//
//	β = 1 − t^DecayRate,  s = g² + Eps1
//	r ← β·r + (1−β)·mean s over columns,  c ← β·c + (1−β)·mean s over rows
//	u = g/√(r·c/mean r), or g/√v where p has one axis;  u ← u/max(1, RMS u/ClipThreshold)
//	α = max(Eps2, RMS p)·min(10⁻², 1/√t)
//	p ← p·(1 − WeightDecay·α) − α·u
//
// State: exp_avg_sq_row and exp_avg_sq_col, or exp_avg_sq; and exp_avg with a Beta1.
type Adafactor struct {
	Eps1, Eps2     float64
	ClipThreshold  float64
	DecayRate      float64
	Beta1          float64 // of a running mean of the steps, 0: none
	WeightDecay    float64
	ScaleParameter bool // when false, α lacks max(Eps2, RMS p)
	RelativeStep   bool // when false, λ stands for min(10⁻², 1/√t)
	WarmupInit     bool // 10⁻⁶·t stands for 10⁻²
}

// NewAdafactor returns mlx.optimizers' defaults: ε 1e-30 and 1e-3, threshold 1, decay −0.8,
// parameters scaled, the step relative: the optimizer's schedule is not asked.
func NewAdafactor() *Adafactor {
	return &Adafactor{Eps1: 1e-30, Eps2: 1e-3, ClipThreshold: 1, DecayRate: -0.8, ScaleParameter: true, RelativeStep: true}
}

// Check returns what is wrong with the constants.
func (o *Adafactor) Check() error {
	if err := between("Adafactor", "Beta1", o.Beta1, 0, 1); err != nil {
		return err
	}
	return positive("Adafactor", "ClipThreshold", o.ClipThreshold)
}

// relative reports whether no schedule is asked.
func (o *Adafactor) relative() bool { return o.RelativeStep }

// Start returns zeros.
func (o *Adafactor) Start(p *mlx.Array) Params {
	state := Params{}
	if shape := p.Shape(); len(shape) >= 2 {
		last := len(shape) - 1
		state["exp_avg_sq_row"] = mlx.Zeros(p.Stream().Scope(), p.Dtype(), shape[:last]...)
		state["exp_avg_sq_col"] = mlx.Zeros(p.Stream().Scope(), p.Dtype(), append(append([]int{}, shape[:last-1]...), shape[last])...)
	} else {
		state["exp_avg_sq"] = mlx.ZerosLike(p)
	}
	if o.Beta1 > 0 {
		state["exp_avg"] = mlx.ZerosLike(p)
	}
	return state
}

// Step returns p·(1 − WeightDecay·α) − α·u.
func (o *Adafactor) Step(g, p *mlx.Array, state Params, tick Tick) *mlx.Array {
	size := rms(p)
	alpha := o.rate(size, tick)
	// 1 − β = t^DecayRate
	fresh := like(mlx.Power(tick.Step, mlx.Weak(tick.Step, o.DecayRate)), size)
	u := o.direction(g, state, fresh)
	u = mlx.Divide(u, mlx.Maximum(mlx.Weak(u, 1), mlx.Scale(rms(u), 1/o.ClipThreshold)))
	u = mlx.Multiply(alpha, u)
	if o.Beta1 > 0 {
		u = average(state["exp_avg"], o.Beta1, u)
		state["exp_avg"] = u
	}
	if o.WeightDecay != 0 {
		p = mlx.Add(p, mlx.Multiply(p, mlx.Scale(alpha, -o.WeightDecay)))
	}
	return mlx.Subtract(p, u)
}

func rms(x *mlx.Array) *mlx.Array { return mlx.Sqrt(mlx.Mean(mlx.Square(x))) }

// rate returns α in the type of size, RMS p.
func (o *Adafactor) rate(size *mlx.Array, tick Tick) *mlx.Array {
	alpha := tick.Rate
	if o.RelativeStep {
		most := mlx.Weak(tick.Step, 1e-2)
		if o.WarmupInit {
			most = mlx.Scale(tick.Step, 1e-6)
		}
		alpha = mlx.Minimum(most, mlx.Rsqrt(tick.Step))
	}
	alpha = like(alpha, size)
	if o.ScaleParameter {
		alpha = mlx.Multiply(mlx.Maximum(mlx.Weak(size, o.Eps2), size), alpha)
	}
	return alpha
}

// direction returns g over the root of its running mean square, and renews the means by the
// share fresh.
func (o *Adafactor) direction(g *mlx.Array, state Params, fresh *mlx.Array) *mlx.Array {
	squares := mlx.Shift(mlx.Square(g), o.Eps1)
	old := mlx.Subtract(mlx.Weak(fresh, 1), fresh)
	renew := func(name string, x *mlx.Array) *mlx.Array {
		state[name] = mlx.Add(mlx.Multiply(old, state[name]), mlx.Multiply(fresh, x))
		return state[name]
	}
	if g.Ndim() < 2 {
		return mlx.Multiply(mlx.Rsqrt(renew("exp_avg_sq", squares)), g)
	}
	r := renew("exp_avg_sq_row", mlx.Mean(squares, -1))
	c := renew("exp_avg_sq_col", mlx.Mean(squares, -2))
	r = mlx.Rsqrt(mlx.Divide(r, mlx.KeepDims(mlx.Mean, r, -1)))
	return mlx.Multiply(mlx.Multiply(mlx.ExpandDims(r, -1), mlx.ExpandDims(mlx.Rsqrt(c), -2)), g)
}

// Muon steps along an orthogonal matrix near the momentum (Jordan et al. 2024,
// kellerjordan.github.io/posts/muon). It is for matrices inside a model: embeddings, heads and
// vectors want another rule, by a Group.
//
//	g ← g + WeightDecay·p
//	v ← Momentum·v + (1−Momentum)·g
//	u = v, or with Nesterov (1−Momentum)·g + Momentum·v
//	p ← p − λ·√max(1, rows/columns)·orthogonal u, of a vector p − λ·u
//
// A p of more than two axes is a matrix of its first axis and the others together. State: v.
type Muon struct {
	Momentum    float64
	WeightDecay float64
	Nesterov    bool
	Steps       int // of the Newton-Schulz iteration
}

// NewMuon returns mlx.optimizers' defaults: momentum 0.95, weight decay 0.01, Nesterov, 5 steps.
func NewMuon() *Muon { return &Muon{Momentum: 0.95, WeightDecay: 0.01, Nesterov: true, Steps: 5} }

// Check returns what is wrong with the constants.
func (o *Muon) Check() error { return between("Muon", "Steps", float64(o.Steps), 0, math.Inf(1)) }

// Start returns v = 0.
func (o *Muon) Start(p *mlx.Array) Params { return zeros(p, "v") }

// Step returns p − λ·√max(1, rows/columns)·orthogonal u.
func (o *Muon) Step(g, p *mlx.Array, state Params, tick Tick) *mlx.Array {
	if o.WeightDecay != 0 {
		g = mlx.Add(g, mlx.Scale(p, o.WeightDecay))
	}
	v := average(state["v"], o.Momentum, g)
	state["v"] = v
	u := v
	if o.Nesterov {
		u = average(v, o.Momentum, g)
	}
	rate := tick.rate(g)
	if u.Ndim() >= 2 {
		shape := u.Shape()
		u = mlx.Reshape(orthogonal(mlx.Reshape(u, shape[0], -1), o.Steps), shape...)
		rate = mlx.Scale(rate, math.Sqrt(max(1, float64(u.Dim(-2))/float64(u.Dim(-1)))))
	}
	return mlx.Subtract(p, mlx.Multiply(rate, u))
}

// orthogonal brings the singular values of x near 1 by steps of Newton and Schulz:
// x ← a·x + (b·A + c·A²)·x with A = x·xᵀ and the article's constants.
func orthogonal(x *mlx.Array, steps int) *mlx.Array {
	const a, b, c = 3.4445, -4.7750, 2.0315
	tall := x.Dim(0) > x.Dim(1)
	if tall {
		x = mlx.Transpose(x)
	}
	x = mlx.Divide(x, mlx.Shift(mlx.Norm(x), 1e-7))
	for range steps {
		square := mlx.MatmulT(x, x)
		poly := mlx.Addmm(mlx.Scale(square, b), square, square, c, 1)
		x = mlx.Addmm(mlx.Scale(x, a), poly, x, 1, 1)
	}
	if tall {
		x = mlx.Transpose(x)
	}
	return x
}
