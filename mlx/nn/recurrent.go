package nn

import "github.com/mlxlens/mlxlens/mlx"

// RNN is Elman's recurrent layer, h ← f(Wxh·x + Whh·h + b).
type RNN struct {
	Wxh          *mlx.Array `nn:"Wxh"` // [hidden, in]
	Whh          *mlx.Array `nn:"Whh"` // [hidden, hidden]
	Bias         *mlx.Array // [hidden], or nil
	Nonlinearity Func       // f, nil: tanh
}

// NewRNN returns a layer with parameters evenly distributed in ±1/√hidden.
func NewRNN(keys *Keys, in, hidden int, bias bool) *RNN {
	r := &RNN{Wxh: uniform(keys, hidden, hidden, in), Whh: uniform(keys, hidden, hidden, hidden)}
	if bias {
		r.Bias = uniform(keys, hidden, hidden)
	}
	return r
}

// Forward maps x: [..., pos, in] to the states h after each position, [..., pos, hidden].
// hidden is the state before, [..., hidden], nil for 0.
func (r *RNN) Forward(x, hidden *mlx.Array) *mlx.Array {
	f := r.Nonlinearity
	if f == nil {
		f = mlx.Tanh
	}
	return overTime(x, r.Wxh, r.Bias, func(x *mlx.Array) *mlx.Array {
		if hidden != nil {
			x = mlx.Addmm(x, hidden, mlx.Transpose(r.Whh), 1, 1)
		}
		hidden = f(x)
		return hidden
	})
}

// overTime returns step of x·wᵀ + b at each position in turn, stacked.
func overTime(x, w, b *mlx.Array, step func(x *mlx.Array) *mlx.Array) *mlx.Array {
	if bad := wrong(x, w); bad != nil {
		return bad
	}
	if x.Ndim() < 2 || x.Dim(-2) == 0 {
		return failed("recurrent", mlx.ErrShape, "x %v (want: [... pos in], one position or more)", x.Shape())
	}
	if b != nil {
		x = mlx.Addmm(b, x, mlx.Transpose(w), 1, 1)
	} else {
		x = mlx.MatmulT(x, w)
	}
	if bad := wrong(x); bad != nil {
		return bad
	}
	var out []*mlx.Array
	for _, at := range mlx.Unstack(x, x.Ndim()-2) {
		out = append(out, step(at))
	}
	return mlx.Stack(-2, out...)
}

// GRU is the gated recurrent unit (Cho et al. 2014, arXiv:1406.1078), with σ the logistic
// function:
//
//	r = σ(Wxr·x + Whr·h + br),  z = σ(Wxz·x + Whz·h + bz)
//	n = tanh(Wxn·x + bn + r⊙(Whn·h + bhn))
//	h ← (1−z)⊙n + z⊙h
type GRU struct {
	Wx  *mlx.Array `nn:"Wx"` // [3·hidden, in]: r, z, n
	Wh  *mlx.Array `nn:"Wh"` // [3·hidden, hidden]
	B   *mlx.Array // [3·hidden], or nil: neither B nor Bhn
	Bhn *mlx.Array // [hidden]
}

// NewGRU returns a layer with parameters evenly distributed in ±1/√hidden.
func NewGRU(keys *Keys, in, hidden int, bias bool) *GRU {
	g := &GRU{Wx: uniform(keys, hidden, 3*hidden, in), Wh: uniform(keys, hidden, 3*hidden, hidden)}
	if bias {
		g.B, g.Bhn = uniform(keys, hidden, 3*hidden), uniform(keys, hidden, hidden)
	}
	return g
}

// Forward maps x: [..., pos, in] to the states h after each position, [..., pos, hidden].
// hidden is the state before, [..., hidden], nil for 0.
func (g *GRU) Forward(x, hidden *mlx.Array) *mlx.Array {
	return overTime(x, g.Wx, g.B, func(x *mlx.Array) *mlx.Array {
		part := mlx.Split(x, 3, -1)
		var h []*mlx.Array
		if hidden != nil {
			h = mlx.Split(mlx.MatmulT(hidden, g.Wh), 3, -1)
		}
		if len(part) != 3 || hidden != nil && len(h) != 3 {
			return wrong(append(part, h...)...)
		}
		r, z, n := part[0], part[1], part[2]
		inner := g.Bhn
		if hidden != nil {
			r, z, inner = mlx.Add(r, h[0]), mlx.Add(z, h[1]), h[2]
			if g.Bhn != nil {
				inner = mlx.Add(inner, g.Bhn)
			}
		}
		r, z = mlx.Sigmoid(r), mlx.Sigmoid(z)
		if inner != nil {
			n = mlx.Add(n, mlx.Multiply(r, inner))
		}
		next := mlx.Multiply(less(1, z), mlx.Tanh(n))
		if hidden != nil {
			next = mlx.Add(next, mlx.Multiply(z, hidden))
		}
		hidden = next
		return next
	})
}

// LSTM is the long short-term memory (Hochreiter and Schmidhuber 1997):
//
//	i = σ(Wxi·x + Whi·h + bi),  f = σ(Wxf·x + Whf·h + bf)
//	g = tanh(Wxg·x + Whg·h + bg),  o = σ(Wxo·x + Who·h + bo)
//	c ← f⊙c + i⊙g,  h ← o⊙tanh c
type LSTM struct {
	Wx   *mlx.Array `nn:"Wx"` // [4·hidden, in]: i, f, g, o
	Wh   *mlx.Array `nn:"Wh"` // [4·hidden, hidden]
	Bias *mlx.Array // [4·hidden], or nil
}

// NewLSTM returns a layer with parameters evenly distributed in ±1/√hidden.
func NewLSTM(keys *Keys, in, hidden int, bias bool) *LSTM {
	l := &LSTM{Wx: uniform(keys, hidden, 4*hidden, in), Wh: uniform(keys, hidden, 4*hidden, hidden)}
	if bias {
		l.Bias = uniform(keys, hidden, 4*hidden)
	}
	return l
}

// Forward maps x: [..., pos, in] to the states h and cells c after each position, both
// [..., pos, hidden]. hidden and cell are those before, [..., hidden], nil for 0.
func (l *LSTM) Forward(x, hidden, cell *mlx.Array) (h, c *mlx.Array) {
	var cells []*mlx.Array
	h = overTime(x, l.Wx, l.Bias, func(x *mlx.Array) *mlx.Array {
		if hidden != nil {
			x = mlx.Addmm(x, hidden, mlx.Transpose(l.Wh), 1, 1)
		}
		part := mlx.Split(x, 4, -1)
		if len(part) != 4 {
			return part[0]
		}
		i, f, g, o := mlx.Sigmoid(part[0]), mlx.Sigmoid(part[1]), mlx.Tanh(part[2]), mlx.Sigmoid(part[3])
		next := mlx.Multiply(i, g)
		if cell != nil {
			next = mlx.Add(mlx.Multiply(f, cell), next)
		}
		cell, hidden = next, mlx.Multiply(o, mlx.Tanh(next))
		cells = append(cells, cell)
		return hidden
	})
	if bad := wrong(h); bad != nil {
		return bad, bad
	}
	return h, mlx.Stack(-2, cells...)
}
