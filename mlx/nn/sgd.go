package nn

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/mlx"
)

// between checks that a constant is in [low, high).
func between(rule, name string, x, low, high float64) error {
	if !(x >= low && x < high) {
		return fmt.Errorf("nn: %s: %s is %v (have: %v up to, and without, %v)", rule, name, x, low, high)
	}
	return nil
}

func positive(rule, name string, x float64) error {
	if !(x > 0) {
		return fmt.Errorf("nn: %s: %s is %v (have: more than 0)", rule, name, x)
	}
	return nil
}

// zeros is a state of arrays of p's shape and type.
func zeros(p *mlx.Array, names ...string) Params {
	out := Params{}
	for _, name := range names {
		out[name] = mlx.ZerosLike(p)
	}
	return out
}

// average returns β·m + (1−β)·x.
func average(m *mlx.Array, beta float64, x *mlx.Array) *mlx.Array {
	return mlx.Add(mlx.Scale(m, beta), mlx.Scale(x, 1-beta))
}

// SGD is stochastic gradient descent:
//
//	g ← g + WeightDecay·p
//	v ← Momentum·v + (1−Dampening)·g
//	p ← p − λ·v, or with Nesterov p − λ·(g + Momentum·v)
//
// State: v, where there is momentum.
type SGD struct {
	Momentum    float64
	WeightDecay float64
	Dampening   float64
	Nesterov    bool // needs Momentum, and no Dampening
}

// Check returns an error where Nesterov lacks what it needs.
func (o *SGD) Check() error {
	if o.Nesterov && (o.Momentum <= 0 || o.Dampening != 0) {
		return fmt.Errorf("nn: SGD: Nesterov with momentum %v and dampening %v (have: momentum above 0 and no dampening)", o.Momentum, o.Dampening)
	}
	return nil
}

// Start returns v = 0.
func (o *SGD) Start(p *mlx.Array) Params {
	if o.Momentum <= 0 {
		return Params{}
	}
	return zeros(p, "v")
}

// Step returns p − λ·v.
func (o *SGD) Step(g, p *mlx.Array, state Params, tick Tick) *mlx.Array {
	if o.WeightDecay != 0 {
		g = mlx.Add(g, mlx.Scale(p, o.WeightDecay))
	}
	if o.Momentum <= 0 {
		return mlx.Subtract(p, mlx.Multiply(tick.rate(g), g))
	}
	v := mlx.Scale(state["v"], o.Momentum)
	if o.Dampening > 0 {
		v = mlx.Add(v, mlx.Scale(g, 1-o.Dampening))
	} else {
		v = mlx.Add(v, g)
	}
	state["v"] = v
	if o.Nesterov {
		v = mlx.Add(g, mlx.Scale(v, o.Momentum))
	}
	return mlx.Subtract(p, mlx.Multiply(tick.rate(g), v))
}

// RMSprop divides by a running root mean square (Tieleman and Hinton 2012, lecture 6.5):
//
//	v ← Alpha·v + (1−Alpha)·g²
//	p ← p − λ·g/(√v + Eps)
type RMSprop struct{ Alpha, Eps float64 }

// NewRMSprop returns mlx.optimizers' defaults: α 0.99, ε 1e-8.
func NewRMSprop() *RMSprop { return &RMSprop{Alpha: 0.99, Eps: 1e-8} }

// Check returns what is wrong with the constants.
func (o *RMSprop) Check() error {
	if err := between("RMSprop", "Alpha", o.Alpha, 0, math.Inf(1)); err != nil {
		return err
	}
	return positive("RMSprop", "Eps", o.Eps)
}

// Start returns v = 0.
func (o *RMSprop) Start(p *mlx.Array) Params { return zeros(p, "v") }

// Step returns p − λ·g/(√v + Eps).
func (o *RMSprop) Step(g, p *mlx.Array, state Params, tick Tick) *mlx.Array {
	state["v"] = average(state["v"], o.Alpha, mlx.Square(g))
	return descend(p, mlx.Multiply(tick.rate(g), g), state["v"], o.Eps)
}

// descend returns p − step/(√v + eps).
func descend(p, step, v *mlx.Array, eps float64) *mlx.Array {
	return mlx.Subtract(p, mlx.Divide(step, mlx.Shift(mlx.Sqrt(v), eps)))
}

// Adagrad divides by the root of all squares so far (Duchi et al. 2011, JMLR 12):
//
//	v ← v + g²
//	p ← p − λ·g/(√v + Eps)
type Adagrad struct{ Eps float64 }

// NewAdagrad returns mlx.optimizers' default: ε 1e-8.
func NewAdagrad() *Adagrad { return &Adagrad{Eps: 1e-8} }

// Check returns what is wrong with the constant.
func (o *Adagrad) Check() error { return positive("Adagrad", "Eps", o.Eps) }

// Start returns v = 0.
func (o *Adagrad) Start(p *mlx.Array) Params { return zeros(p, "v") }

// Step returns p − λ·g/(√v + Eps).
func (o *Adagrad) Step(g, p *mlx.Array, state Params, tick Tick) *mlx.Array {
	state["v"] = mlx.Add(state["v"], mlx.Square(g))
	return descend(p, mlx.Multiply(tick.rate(g), g), state["v"], o.Eps)
}

// AdaDelta scales by the ratio of running means of past steps and gradients (Zeiler 2012,
// arXiv:1212.5701):
//
//	v ← Rho·v + (1−Rho)·g²
//	d = √(u + Eps)/√(v + Eps)·g
//	u ← Rho·u + (1−Rho)·d²
//	p ← p − λ·d
type AdaDelta struct{ Rho, Eps float64 }

// NewAdaDelta returns mlx.optimizers' defaults: ρ 0.9, ε 1e-6.
func NewAdaDelta() *AdaDelta { return &AdaDelta{Rho: 0.9, Eps: 1e-6} }

// Check returns what is wrong with the constants.
func (o *AdaDelta) Check() error {
	if err := between("AdaDelta", "Rho", o.Rho, 0, math.Inf(1)); err != nil {
		return err
	}
	return positive("AdaDelta", "Eps", o.Eps)
}

// Start returns u = v = 0.
func (o *AdaDelta) Start(p *mlx.Array) Params { return zeros(p, "u", "v") }

// Step returns p − λ·d.
func (o *AdaDelta) Step(g, p *mlx.Array, state Params, tick Tick) *mlx.Array {
	u, v := state["u"], average(state["v"], o.Rho, mlx.Square(g))
	d := mlx.Multiply(mlx.Divide(mlx.Sqrt(mlx.Shift(u, o.Eps)), mlx.Sqrt(mlx.Shift(v, o.Eps))), g)
	state["u"], state["v"] = average(u, o.Rho, mlx.Square(d)), v
	return mlx.Subtract(p, mlx.Multiply(tick.rate(g), d))
}

// Lion steps by the sign of a mixture of gradient and momentum (Chen et al. 2023,
// arXiv:2302.06675). Its λ is about a tenth of AdamW's, its decay ten times:
//
//	c = Beta1·m + (1−Beta1)·g
//	m ← Beta2·m + (1−Beta2)·g
//	p ← (1 − λ·WeightDecay)·p − λ·sign c
type Lion struct{ Beta1, Beta2, WeightDecay float64 }

// NewLion returns mlx.optimizers' defaults: β 0.9 and 0.99, no weight decay.
func NewLion() *Lion { return &Lion{Beta1: 0.9, Beta2: 0.99} }

// Check returns what is wrong with the constants.
func (o *Lion) Check() error { return betas("Lion", o.Beta1, o.Beta2) }

// Start returns m = 0.
func (o *Lion) Start(p *mlx.Array) Params { return zeros(p, "m") }

// Step returns (1 − λ·WeightDecay)·p − λ·sign c.
func (o *Lion) Step(g, p *mlx.Array, state Params, tick Tick) *mlx.Array {
	rate := tick.rate(g)
	c := average(state["m"], o.Beta1, g)
	state["m"] = average(state["m"], o.Beta2, g)
	if o.WeightDecay > 0 {
		p = decayed(p, rate, o.WeightDecay)
	}
	return mlx.Subtract(p, mlx.Multiply(rate, mlx.Sign(c)))
}

// decayed returns p·(1 − λ·decay).
func decayed(p, rate *mlx.Array, decay float64) *mlx.Array {
	return mlx.Multiply(p, mlx.Shift(mlx.Scale(rate, -decay), 1))
}

func betas(rule string, beta1, beta2 float64) error {
	if err := between(rule, "Beta1", beta1, 0, 1); err != nil {
		return err
	}
	return between(rule, "Beta2", beta2, 0, 1)
}
