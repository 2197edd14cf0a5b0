package nn

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx"
)

// Adam divides a running mean of gradients by the root of one of their squares (Kingma and Ba
// 2014, arXiv:1412.6980), as mlx.optimizers has it:
//
//	m ← Beta1·m + (1−Beta1)·g,  v ← Beta2·v + (1−Beta2)·g²
//	p ← p − λ·m/(√v + Eps)
//
// and with BiasCorrection at step t, counted from 1, m/(1 − Beta1ᵗ) and v/(1 − Beta2ᵗ) in
// their place. State: m, v.
type Adam struct {
	Beta1, Beta2   float64
	Eps            float64
	BiasCorrection bool
}

// NewAdam returns mlx.optimizers' defaults: β 0.9 and 0.999, ε 1e-8, no bias correction.
func NewAdam() *Adam { return &Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8} }

// Check returns what is wrong with the constants.
func (o *Adam) Check() error { return o.check("Adam") }

func (o *Adam) check(rule string) error {
	if err := betas(rule, o.Beta1, o.Beta2); err != nil {
		return err
	}
	return between(rule, "Eps", o.Eps, 0, math.Inf(1))
}

// Start returns m = v = 0.
func (o *Adam) Start(p *mlx.Array) Params { return zeros(p, "m", "v") }

// Step returns p − λ·m/(√v + Eps).
func (o *Adam) Step(g, p *mlx.Array, state Params, tick Tick) *mlx.Array {
	m := average(state["m"], o.Beta1, g)
	v := average(state["v"], o.Beta2, mlx.Square(g))
	state["m"], state["v"] = m, v
	rate := tick.rate(g)
	if !o.BiasCorrection {
		return descend(p, mlx.Multiply(rate, m), v, o.Eps)
	}
	// 1 − βᵗ in float32, whatever g's type
	rest := func(beta float64) *mlx.Array {
		return mlx.Shift(mlx.Negative(mlx.Power(mlx.Weak(tick.Step, beta), tick.Step)), 1)
	}
	step := mlx.Multiply(like(mlx.Divide(like(rate, tick.Step), rest(o.Beta1)), g), m)
	root := mlx.Multiply(mlx.Sqrt(v), like(mlx.Rsqrt(rest(o.Beta2)), g))
	return mlx.Subtract(p, mlx.Divide(step, mlx.Shift(root, o.Eps)))
}

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter 2017, arXiv:1711.05101):
//
//	p ← p·(1 − λ·WeightDecay) − λ·m/(√v + Eps)
type AdamW struct {
	Adam
	WeightDecay float64
}

// NewAdamW returns mlx.optimizers' defaults: NewAdam's, and weight decay 0.01.
func NewAdamW() *AdamW { return &AdamW{Adam: *NewAdam(), WeightDecay: 0.01} }

// Check returns what is wrong with the constants.
func (o *AdamW) Check() error { return o.check("AdamW") }

// Step returns p·(1 − λ·WeightDecay) − λ·m/(√v + Eps).
func (o *AdamW) Step(g, p *mlx.Array, state Params, tick Tick) *mlx.Array {
	return o.Adam.Step(g, decayed(p, tick.rate(g), o.WeightDecay), state, tick)
}

// Adamax is Adam by the largest gradient (section 7.1 of the paper), without bias correction:
//
//	m ← Beta1·m + (1−Beta1)·g,  v ← max(Beta2·v, |g|)
//	p ← p − λ·m/(v + Eps)
type Adamax struct{ Beta1, Beta2, Eps float64 }

// NewAdamax returns mlx.optimizers' defaults: β 0.9 and 0.999, ε 1e-8.
func NewAdamax() *Adamax { return &Adamax{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8} }

// Check returns what is wrong with the constants.
func (o *Adamax) Check() error {
	return (&Adam{Beta1: o.Beta1, Beta2: o.Beta2, Eps: o.Eps}).check("Adamax")
}

// Start returns m = v = 0.
func (o *Adamax) Start(p *mlx.Array) Params { return zeros(p, "m", "v") }

// Step returns p − λ·m/(v + Eps).
func (o *Adamax) Step(g, p *mlx.Array, state Params, tick Tick) *mlx.Array {
	m := average(state["m"], o.Beta1, g)
	v := mlx.Maximum(mlx.Scale(state["v"], o.Beta2), mlx.Abs(g))
	state["m"], state["v"] = m, v
	return mlx.Subtract(p, mlx.Divide(mlx.Multiply(tick.rate(g), m), mlx.Shift(v, o.Eps)))
}
