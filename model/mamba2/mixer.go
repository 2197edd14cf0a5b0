package mamba2

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// Mixer is a mixer whose heads each have a state in place of keys and values: its cost grows with
// the length of a sequence, not with its square.
type Mixer struct {
	Sizes
	in        *nn.Linear      // W_in: [d_inner + channel + head, d_model]
	conv      *mlx.Array      // w: [channel, width, 1] or [channel, 1, width]
	convBias  *mlx.Array      // b: [channel]; nil: none
	aLog, dt  *mlx.Array      // [head]
	skip      *mlx.Array      // D: [head]
	gain      *mlx.Array      // of the norm: [d_inner]
	attention model.Attention // its output matrix alone
}

// New takes the weights of a mixer, whose modules' paths below the layer begin with path.
func New(p load.Part, s Sizes, path string) *Mixer {
	m := &Mixer{Sizes: s}
	m.in = p.Linear("mixer_in", s.inner()+s.Channels()+s.Heads, s.DModel, s.ProjBias, path+"in_proj")
	conv := []int{s.Channels(), s.Width, 1}
	if stored := p.StoredShape(path + "conv1d.weight"); len(stored) == 3 && stored[2] != 1 {
		conv[1], conv[2] = 1, s.Width // Hugging Face's layout
	}
	p.Array("conv", conv, &m.conv, path+"conv1d.weight")
	if s.ConvBias {
		p.Array("conv_bias", conv[:1], &m.convBias, path+"conv1d.bias")
	}
	p.Array("decay", []int{s.Heads}, &m.aLog, path+"A_log")
	p.Array("step_bias", []int{s.Heads}, &m.dt, path+"dt_bias")
	p.Array("skip", []int{s.Heads}, &m.skip, path+"D")
	p.Array("mixer_norm", []int{s.inner()}, &m.gain, path+"norm.weight")
	m.attention = model.Attention{Heads: s.Heads, Out: p.Linear("mixer_out", s.DModel, s.inner(), s.ProjBias, path+"out_proj")}
	return m
}

// Forward maps [batch, pos, d_model] to the output matrix's [batch, pos, d_model]:
//
//	g, c, Δ = x·W_in
//	u, B, C = SiLU(conv(c) + b), a causal convolution of each channel by itself
//	Δ = softplus(Δ + dt) within its bounds
//	y = the state space of x = Δ·u, a = −exp(A)·Δ, B and C, and D·u
//	z = RMSNorm(y ⊙ SiLU(g)), of each group of heads by itself
//	out = z·W_O
//
// where the heads of a group share B and C. All but the products with matrices and the
// convolution is in float32.
func (m *Mixer) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	parts := mlx.SplitAt(m.in.Forward(x), []int{m.inner(), m.inner() + m.Channels()}, 2)
	c := model.Convolve(pass.Tail(layer, parts[1], m.Width-1), m.conv)
	if m.convBias != nil {
		c = mlx.Add(c, m.convBias)
	}
	c = pass.At(model.ConvOut, layer, mlx.SiLU(c)) // [batch, pos, channel]
	in := mlx.SplitAt(float32s(c), []int{m.inner(), m.inner() + m.Groups*m.DState}, 2)
	u := model.Heads(in[0], m.Heads) // [batch, pos, head, d_head]
	step := m.step(float32s(parts[2]))
	r := Scan{
		X: m.grouped(mlx.Multiply(u, mlx.ExpandDims(step, 3))),
		B: m.ofGroups(in[1]),
		C: m.ofGroups(in[2]),
		A: mlx.Squeeze(m.grouped(mlx.ExpandDims(mlx.Multiply(mlx.Negative(mlx.Exp(weight(x, m.aLog))), step), 3)), 4),
	}
	state := []int{x.Dim(0), m.Groups, m.Heads / m.Groups, m.DHead, m.DState}
	y := pass.Recur(layer, x.Scope(), state, r.Run)
	y = mlx.Add(m.together(y), mlx.Multiply(u, mlx.ExpandDims(weight(x, m.skip), 1)))
	gate := pass.At(model.AttnGate, layer, mlx.SiLU(model.Heads(float32s(parts[0]), m.Heads)))
	z := m.norm(mlx.Multiply(y, gate), layer, pass) // [batch, pos, head, d_head]
	return pass.Project(mlx.AsType(z, x.Dtype()), layer, m.attention)
}

// step maps [batch, pos, head] to Δ.
func (m *Mixer) step(x *mlx.Array) *mlx.Array {
	x = mlx.Logaddexp(mlx.Add(x, weight(x, m.dt)), mlx.Scalar(x.Scope(), float32(0))) // softplus
	if m.LeastStep > 0 {
		x = mlx.Maximum(x, mlx.Scalar(x.Scope(), float32(m.LeastStep)))
	}
	if m.MostStep <= math.MaxFloat32 {
		x = mlx.Minimum(x, mlx.Scalar(x.Scope(), float32(m.MostStep)))
	}
	return x
}

// norm is the RMS norm of [batch, pos, head, d_head], each group of heads by itself.
func (m *Mixer) norm(y *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	each := mlx.RMSNorm(pass.Held(layer, model.Heads(y, m.Groups)), nil, m.Eps) // [batch, pos, group, d_inner/group]
	return model.Heads(mlx.Multiply(model.Flat(each), weight(y, m.gain)), m.Heads)
}

// grouped maps [batch, pos, head, d] to [batch, group, head of the group, pos, d].
func (m *Mixer) grouped(x *mlx.Array) *mlx.Array {
	return mlx.Transpose(mlx.Unflatten(x, 2, m.Groups, m.Heads/m.Groups), 0, 2, 3, 1, 4)
}

// together is the inverse of grouped.
func (m *Mixer) together(x *mlx.Array) *mlx.Array {
	return mlx.Flatten(mlx.Transpose(x, 0, 3, 1, 2, 4), 2, 3)
}

// ofGroups maps [batch, pos, group·d_state] to [batch, group, 1, pos, d_state].
func (m *Mixer) ofGroups(x *mlx.Array) *mlx.Array {
	return mlx.ExpandDims(model.Swap(model.Heads(x, m.Groups)), 2)
}

// weight is a weight in float32, among the arrays of a pass.
func weight(x, w *mlx.Array) *mlx.Array { return float32s(x.Scope().Hold(w)) }

func float32s(x *mlx.Array) *mlx.Array { return mlx.AsType(x, mlx.Float32) }
