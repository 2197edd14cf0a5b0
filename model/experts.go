package model

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// FeedForward is what follows attention in a block: [GatedMLP], [MLP] or [MoE]. It maps the
// normed stream [batch, pos, d_model] to what it adds, of the same shape.
type FeedForward interface {
	Forward(x *mlx.Array, layer int, pass *Pass) *mlx.Array
}

// MoE is a mixture of experts (Shazeer et al. 2017, arXiv:1701.06538), of which each position
// takes the k that its router chooses:
//
//	out = Σ_e w_e·E_e(x) + σ(x·g)·S(x)
//
// with the shared expert S, where there is one, and its gate g, where it has one.
type MoE struct {
	Router     Router
	Experts    Experts
	Shared     FeedForward // nil: none
	SharedGate *nn.Linear  // [1, d_model], nil: the shared expert counts in full
}

// Router chooses the experts of each position, with their weights: both [batch, pos, k], the
// greatest weight first. It shows its logits to the pass.
type Router interface {
	Route(x *mlx.Array, layer int, pass *Pass) (experts, weights *mlx.Array)
}

// Forward maps [batch, pos, d_model] to what the experts add.
func (m *MoE) Forward(x *mlx.Array, layer int, pass *Pass) *mlx.Array {
	experts, weights := m.Router.Route(x, layer, pass)
	out := m.Experts.Mix(x, experts, weights, layer, pass)
	if m.Shared == nil {
		return out
	}
	shared := m.Shared.Forward(x, layer, pass)
	if m.SharedGate != nil {
		shared = mlx.Multiply(mlx.Sigmoid(m.SharedGate.Forward(x)), shared)
	}
	return mlx.Add(out, pass.At(SharedOut, layer, shared))
}

// Experts are MLPs of one shape, gated ones or with one branch.
type Experts struct {
	Gate     *ExpertLinear // nil: none
	Up, Down *ExpertLinear
	Act      func(gate, up *mlx.Array) *mlx.Array // of what both give: SiLU(gate)⊙up for SwiGLU; gate is nil where there is none

	In, Out *nn.Linear // to and from a latent of few dimensions, which the experts see in place of the stream; nil: none

	// Before has a weight multiply what goes into its expert, and not what comes out (Llama 4).
	Before bool
}

// Mix maps [batch, pos, d_model] to the weighted sum of what the experts [batch, pos, k] make of it:
//
//	x = x·W_in
//	y = Σ_e w_e·Act(x·W_gate,e, x·W_up,e)·W_down,e
//	out = y·W_out
//
// with w_e·x in place of x and no w_e in the sum where the weights come Before, and
// with what an architecture lacks left out.
func (e *Experts) Mix(x, experts, weights *mlx.Array, layer int, pass *Pass) *mlx.Array {
	experts = pass.At(ExpertIDs, layer, experts)
	weights = pass.At(ExpertWeights, layer, weights)
	if e.In != nil {
		x = e.In.Forward(x)
	}
	to := dispatch(x, experts)
	factor := mlx.ExpandDims(weights, 3) // [batch, pos, k, 1]
	if e.Before {
		to.rows = mlx.Multiply(to.rows, to.sent(factor))
	}
	var gate *mlx.Array
	if e.Gate != nil {
		gate = e.Gate.forward(to)
	}
	h := e.Act(gate, e.Up.forward(to)) // [row, 1, d_expert]
	if pass.Wants(ExpertPost, layer) {
		h = to.sent(pass.At(ExpertPost, layer, to.back(h)))
	}
	each := to.back(e.Down.forward(to.with(h)))
	if !e.Before {
		each = mlx.Multiply(each, factor)
	}
	return e.sum(each, layer, pass)
}

// sum adds up what the experts give, [batch, pos, k, d]. Behind a latent it is each one's own product
// with the output matrix that adds to the stream, which is formed only where expert_out is wanted.
func (e *Experts) sum(each *mlx.Array, layer int, pass *Pass) *mlx.Array {
	switch {
	case e.Out == nil:
		return mlx.Sum(pass.At(ExpertOut, layer, each), 2)
	case !pass.Wants(ExpertOut, layer):
		return e.Out.Forward(mlx.Sum(each, 2))
	}
	each = mlx.MatmulT(each, e.Out.Dense(each.Scope(), each.Dtype())) // [batch, pos, k, d_model]
	sum := mlx.Sum(pass.At(ExpertOut, layer, each), 2)
	if e.Out.Bias == nil {
		return sum
	}
	return mlx.Add(sum, e.Out.Bias)
}

// sortFrom is how many rows are worth sorting by their expert, so that each expert's matrix is
// read once; as mlx-lm.
const sortFrom = 64

// dispatched are rows [row, 1, d] on their way to experts [row].
type dispatched struct {
	rows, experts *mlx.Array
	shape         []int      // [batch, pos, k]
	order, undo   *mlx.Array // of rows sorted by expert; nil: they are as the positions are
}

// dispatch makes a row of each position and each of its experts.
func dispatch(x, experts *mlx.Array) *dispatched {
	to := &dispatched{shape: experts.Shape()}
	k := to.shape[2]
	d := x.Dim(-1)
	to.experts = mlx.Reshape(experts, -1)
	n := to.experts.Size()
	rows := mlx.Reshape(x, -1, 1, d) // [batch·pos, 1, d_model]
	if n < sortFrom {
		to.rows = mlx.Repeat(rows, k, 0)
		return to
	}
	to.order = mlx.Argsort(to.experts, 0)
	to.undo = mlx.Argsort(to.order, 0)
	to.experts = mlx.Take(to.experts, to.order, 0)
	of := mlx.FloorDivide(to.order, mlx.Scalar(x.Scope(), uint32(k)))
	to.rows = mlx.Take(rows, of, 0)
	return to
}

// with returns other rows on the same way.
func (to *dispatched) with(rows *mlx.Array) *dispatched {
	other := *to
	other.rows = rows
	return &other
}

// back puts rows [row, 1, d] where their positions are: [batch, pos, k, d].
func (to *dispatched) back(rows *mlx.Array) *mlx.Array {
	if to.order != nil {
		rows = mlx.Take(rows, to.undo, 0)
	}
	return mlx.Reshape(rows, append(to.shape, rows.Dim(-1))...)
}

// sent is the inverse of back.
func (to *dispatched) sent(rows *mlx.Array) *mlx.Array {
	rows = mlx.Reshape(rows, -1, 1, rows.Dim(-1))
	if to.order != nil {
		rows = mlx.Take(rows, to.order, 0)
	}
	return rows
}

// ExpertLinear is a stack of linear layers, y = x·W_eᵀ·s_e + b_e. The weights are dense [expert,
// out, in], or packed with Scales and Biases as Quant says.
type ExpertLinear struct {
	Weight, Scales, Biases *mlx.Array
	Quant                  mlx.Quantization
	Factor                 *mlx.Array // s: [expert], the global scale of nvfp4; nil: 1
	Bias                   *mlx.Array // b: [expert, out]; nil: none
}

// forward maps rows [row, 1, in] to [row, 1, out].
func (l *ExpertLinear) forward(to *dispatched) *mlx.Array {
	picks := mlx.Picks{Right: to.experts, Sorted: to.order != nil}
	var y *mlx.Array
	if l.Scales == nil {
		w := to.rows.Scope().Hold(l.Weight)
		y = mlx.GatherMM(to.rows, mlx.Transpose(w, 0, 2, 1), picks)
	} else {
		y = mlx.GatherQMM(to.rows, l.Weight, l.Scales, l.Biases, true, l.Quant, picks)
	}
	of := func(a *mlx.Array) *mlx.Array { // [row, 1, …]
		return mlx.ExpandDims(mlx.Take(a, to.experts, 0), 1)
	}
	if l.Factor != nil {
		y = mlx.Multiply(y, mlx.AsType(mlx.ExpandDims(of(l.Factor), 2), y.Dtype()))
	}
	if l.Bias != nil {
		y = mlx.Add(y, of(l.Bias))
	}
	return y
}
