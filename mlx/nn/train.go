package nn

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx"
)

// NewLinear returns a dense layer with weights and bias evenly distributed in ±1/√in, as
// mlx.nn.Linear has them. Nothing owns them but the collector.
func NewLinear(key *mlx.Array, in, out int, bias bool) *Linear {
	keys := mlx.RandomSplit(key, 2)
	s := keys[0].Scope()
	bound := float32(1 / math.Sqrt(float64(in)))
	low, high := mlx.Scalar(s, -bound), mlx.Scalar(s, bound)
	l := &Linear{Weight: mlx.RandomUniform(keys[0], low, high, mlx.Float32, out, in)}
	if bias {
		l.Bias = mlx.RandomUniform(keys[1], low, high, mlx.Float32, out)
	}
	return l
}

// CrossEntropy returns the mean of −ln softmax(logits)[target] over the rows.
// logits: [..., classes], targets: [...] integers; result 0-d.
func CrossEntropy(logits, targets *mlx.Array) *mlx.Array {
	return mlx.Mean(mlx.CrossEntropy(logits, targets))
}

// MSE returns the mean of (prediction − target)², 0-d. The operands broadcast.
func MSE(prediction, target *mlx.Array) *mlx.Array {
	return mlx.Mean(mlx.Square(mlx.Subtract(prediction, target)))
}

// SGD is stochastic gradient descent, p ← p − LearningRate·g.
type SGD struct{ LearningRate float64 }

// Step returns the parameters after one step, computed. The old ones are freed.
func (o *SGD) Step(params, grads []*mlx.Array) ([]*mlx.Array, error) {
	return step(params, grads, nil, func(p, g *mlx.Array, _ []*mlx.Array) []*mlx.Array {
		return []*mlx.Array{mlx.Subtract(p, mlx.Scale(g, o.LearningRate))}
	})
}

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter 2017, arXiv:1711.05101),
// without bias correction, as mlx.optimizers has it:
//
//	m ← β₁·m + (1−β₁)·g,  v ← β₂·v + (1−β₂)·g²
//	p ← p·(1 − LearningRate·WeightDecay) − LearningRate·m/(√v + Eps)
type AdamW struct {
	LearningRate float64
	Beta1, Beta2 float64
	Eps          float64
	WeightDecay  float64

	moments [][]*mlx.Array // m and v of each parameter
}

// NewAdamW returns the optimizer with mlx.optimizers' defaults: β 0.9 and 0.999, ε 1e-8,
// weight decay 0.01.
func NewAdamW(learningRate float64) *AdamW {
	return &AdamW{LearningRate: learningRate, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.01}
}

// Step returns the parameters after one step, computed. The old ones are freed.
func (o *AdamW) Step(params, grads []*mlx.Array) ([]*mlx.Array, error) {
	if o.moments == nil {
		o.moments = make([][]*mlx.Array, len(params))
	}
	return step(params, grads, o.moments, func(p, g *mlx.Array, state []*mlx.Array) []*mlx.Array {
		m, v := mlx.ZerosLike(p), mlx.ZerosLike(p)
		if state != nil {
			m, v = state[0], state[1]
		}
		m = mlx.Add(mlx.Scale(m, o.Beta1), mlx.Scale(g, 1-o.Beta1))
		v = mlx.Add(mlx.Scale(v, o.Beta2), mlx.Scale(mlx.Square(g), 1-o.Beta2))
		p = mlx.Scale(p, 1-o.LearningRate*o.WeightDecay)
		p = mlx.Subtract(p, mlx.Divide(mlx.Scale(m, o.LearningRate), mlx.Shift(mlx.Sqrt(v), o.Eps)))
		return []*mlx.Array{p, m, v}
	})
}

// step computes update(parameter, gradient, state) = (parameter, state…) for each, in a scope
// of its own, keeps the results and frees what they replace.
func step(params, grads []*mlx.Array, states [][]*mlx.Array, update func(p, g *mlx.Array, state []*mlx.Array) []*mlx.Array) ([]*mlx.Array, error) {
	if len(params) == 0 {
		return nil, nil
	}
	s := params[0].Scope().NewScope()
	defer s.Close()
	hold := func(xs []*mlx.Array) []*mlx.Array {
		var out []*mlx.Array
		for _, x := range xs {
			out = append(out, s.Hold(x))
		}
		return out
	}
	p, g := hold(params), hold(grads[:min(len(grads), len(params))])
	if len(g) < len(p) {
		g = append(g, make([]*mlx.Array, len(p)-len(g))...) // an error of the operation that gets it
	}
	next := make([][]*mlx.Array, len(p))
	var all []*mlx.Array
	for i := range p {
		var state []*mlx.Array
		if states != nil {
			state = hold(states[i])
		}
		next[i] = update(p[i], g[i], state)
		all = append(all, next[i]...)
	}
	if err := mlx.Eval(all...); err != nil {
		return nil, err
	}
	s.Keep(all...)
	out := make([]*mlx.Array, len(p))
	for i := range next {
		out[i] = next[i][0]
		params[i].Free()
		if states != nil {
			for _, x := range states[i] {
				x.Free()
			}
			states[i] = next[i][1:]
		}
	}
	return out, nil
}
