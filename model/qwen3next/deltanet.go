package qwen3next

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// deltaNet is a mixer whose heads each have a state that the gated delta rule changes from
// position to position: its cost grows with the length of a sequence, not with its square.
type deltaNet struct {
	in       projections
	conv     *mlx.Array      // w: [channel, width, 1] or [channel, 1, width]
	aLog, dt *mlx.Array      // [head]
	gain     *mlx.Array      // of the norm: [d_v]
	eps      float64         // of the norm
	out      model.Attention // its output matrix alone

	keyHeads, heads, dK, dV, width int
}

// l2Eps is added to the squared length of a query or key; as the authors' code has it.
const l2Eps = 1e-6

func newDeltaNet(c *Config, p load.Part, conv []int) *deltaNet {
	m := &deltaNet{
		in: newProjections(c, p), eps: c.RMSNormEps, width: c.LinearConvKernelDim,
		keyHeads: c.LinearNumKeyHeads, heads: c.LinearNumValueHeads, dK: c.LinearKeyHeadDim, dV: c.LinearValueHeadDim,
	}
	p.Array("conv", conv, &m.conv, "linear_attn.conv1d.weight")
	p.Array("decay", []int{m.heads}, &m.aLog, "linear_attn.A_log")
	p.Array("decay_bias", []int{m.heads}, &m.dt, "linear_attn.dt_bias")
	p.Array("mixer_norm", []int{m.dV}, &m.gain, "linear_attn.norm.weight") // never less 1
	m.out = model.Attention{Heads: m.heads, Out: p.Linear("mixer_out", c.HiddenSize, m.heads*m.dV, false, "linear_attn.out_proj")}
	return m
}

// forward maps [batch, pos, d_model] to what the mixer adds to the stream:
//
//	c, y, b, a = x·W_c, x·W_y, x·W_b, x·W_a
//	q, k, v = SiLU(conv(c)), a causal convolution of each channel by itself
//	q, k = q/‖q‖·d_k^−½, k/‖k‖
//	β, g = σ(b), −exp(A)·softplus(a + dt)
//	o = the gated delta rule of q, k, v, g, β
//	z = RMSNorm(o) ⊙ SiLU(y)
//	out = z·W_O
//
// where each head of queries and keys serves as many heads of values. All but the products with
// matrices is in float32.
func (m *deltaNet) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	mixed, gate, b, a := m.in.forward(x)
	mixed = mlx.SiLU(model.Convolve(pass.Tail(layer, mixed, m.width-1), m.conv))
	mixed = pass.At(model.ConvOut, layer, mixed) // [batch, pos, channel]
	keys := m.keyHeads * m.dK
	parts := mlx.SplitAt(float32s(mixed), []int{keys, 2 * keys}, 2)
	r := rule{
		q:    mlx.Scale(m.unit(pass.Held(layer, model.Heads(parts[0], m.keyHeads))), 1/math.Sqrt(float64(m.dK))),
		k:    m.unit(pass.Held(layer, model.Heads(parts[1], m.keyHeads))),
		v:    model.Swap(model.Heads(parts[2], m.heads)),
		g:    mlx.Swapaxes(m.decay(float32s(a)), 1, 2),
		beta: mlx.Swapaxes(mlx.Sigmoid(float32s(b)), 1, 2),
	}
	masks := func(size int) *mlx.Array {
		return pass.Once(fmt.Sprint("blocks of ", size), func() []*mlx.Array { return []*mlx.Array{blockMasks(x.Scope(), size)} })[0]
	}
	state := []int{x.Dim(0), m.heads, m.dV, m.dK}
	o := pass.Recur(layer, x.Scope(), state, func(s *mlx.Array) (out, next *mlx.Array) { return r.run(s, masks) })
	gate = pass.At(model.AttnGate, layer, mlx.SiLU(float32s(gate)))
	z := mlx.Multiply(mlx.RMSNorm(pass.Held(layer, model.Swap(o)), float32s(m.gain), m.eps), gate) // [batch, pos, head, d_v]
	return pass.Project(mlx.AsType(z, x.Dtype()), layer, m.out)
}

// unit maps [batch, pos, key_head, d_k] to vectors of length 1 for each head of values, [batch,
// head, pos, d_k].
func (m *deltaNet) unit(x *mlx.Array) *mlx.Array {
	d := float64(m.dK)
	x = mlx.Scale(mlx.RMSNorm(x, nil, l2Eps/d), 1/math.Sqrt(d))
	if each := m.heads / m.keyHeads; each > 1 {
		x = mlx.Repeat(x, each, 2)
	}
	return model.Swap(x)
}

// decay maps a [batch, pos, head] to g, the logarithm of what is left of the state.
func (m *deltaNet) decay(a *mlx.Array) *mlx.Array {
	step := mlx.Logaddexp(mlx.Add(a, float32s(m.dt)), mlx.Scalar(a.Scope(), float32(0))) // softplus
	return mlx.Multiply(mlx.Negative(mlx.Exp(float32s(m.aLog))), step)
}

func float32s(x *mlx.Array) *mlx.Array { return mlx.AsType(x, mlx.Float32) }

// projections map [batch, pos, d_model] to what is convolved, [batch, pos, channel], queries, keys
// and values side by side; the gate, [batch, pos, head, d_v]; and what β and the decay are made of,
// [batch, pos, head].
type projections interface {
	forward(x *mlx.Array) (mixed, gate, b, a *mlx.Array)
}

func newProjections(c *Config, p load.Part) projections {
	take := func(role string, out int, module string) *nn.Linear {
		return p.Linear(role, out, c.HiddenSize, false, "linear_attn."+module)
	}
	heads, values := c.LinearNumValueHeads, c.LinearNumValueHeads*c.LinearValueHeadDim
	if c.of35 {
		return &plain{
			mixed: take("mixer_in", c.channels(), "in_proj_qkv"), gate: take("mixer_gate", values, "in_proj_z"),
			b: take("mixer_beta", heads, "in_proj_b"), a: take("mixer_decay", heads, "in_proj_a"), heads: heads,
		}
	}
	return &grouped{
		all: take("mixer_in", c.channels()+values, "in_proj_qkvz"), ba: take("mixer_beta_decay", 2*heads, "in_proj_ba"),
		keyHeads: c.LinearNumKeyHeads, heads: heads, dK: c.LinearKeyHeadDim,
	}
}

// plain has a matrix for each (Qwen 3.5).
type plain struct {
	mixed, gate, b, a *nn.Linear
	heads             int
}

func (p *plain) forward(x *mlx.Array) (mixed, gate, b, a *mlx.Array) {
	return p.mixed.Forward(x), model.Heads(p.gate.Forward(x), p.heads), p.b.Forward(x), p.a.Forward(x)
}

// grouped has two matrices, in which what belongs to a head of keys stands together (Qwen3-Next).
type grouped struct {
	all, ba             *nn.Linear
	keyHeads, heads, dK int
}

func (p *grouped) forward(x *mlx.Array) (mixed, gate, b, a *mlx.Array) {
	all := model.Heads(p.all.Forward(x), p.keyHeads)
	values := (all.Dim(3) - 2*p.dK) / 2
	parts := mlx.SplitAt(all, []int{p.dK, 2 * p.dK, 2*p.dK + values}, 3)
	mixed = mlx.Concatenate(2, model.Flat(parts[0]), model.Flat(parts[1]), model.Flat(parts[2]))
	ba := mlx.Split(model.Heads(p.ba.Forward(x), p.keyHeads), 2, 3)
	return mixed, model.Heads(model.Flat(parts[3]), p.heads), model.Flat(ba[0]), model.Flat(ba[1])
}
