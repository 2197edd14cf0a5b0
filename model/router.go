package model

import (
	"cmp"
	"math"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// SoftmaxRouter weighs experts by a softmax over all of them:
//
//	p = softmax(x·W),   w = scale·p of the k greatest, divided by their sum first if they are renormalised
//
// Renormalised, it is the softmax over the k greatest logits alone. With groups, only experts of the
// Kept groups count whose greatest p are the greatest (DeepSeek-AI 2024, arXiv:2405.04434, section 2.2.2).
type SoftmaxRouter struct {
	Gate        *nn.Linear // W: [expert, d_model]
	K           int
	Renormalize bool
	Scale       float64 // 0: 1
	Groups      int     // of neighbouring experts; 0 or 1: none
	Kept        int
}

// Route chooses the experts of each position.
func (r *SoftmaxRouter) Route(x *mlx.Array, layer int, pass *Pass) (experts, weights *mlx.Array) {
	logits := mlx.AsType(pass.At(RouterLogits, layer, r.Gate.Forward(x)), mlx.Float32) // [batch, pos, expert]
	p := mlx.Softmax(logits, -1)
	if r.Groups > 1 {
		p = WithinGroups(p, r.Groups, r.Kept, 1)
	}
	experts, weights = Greatest(p, r.K)
	if r.Renormalize {
		weights = mlx.Divide(weights, mlx.KeepDims(mlx.Sum, weights, -1))
	}
	if r.Scale != 0 {
		weights = mlx.Scale(weights, r.Scale)
	}
	return experts, mlx.AsType(weights, x.Dtype())
}

// SigmoidRouter weighs each expert by itself (DeepSeek-AI 2024, arXiv:2412.19437, section 2.1.2):
//
//	p = σ(x·W),   the k with the greatest p + b are chosen, and w = scale·p, divided by their sum first
//	if they are renormalised
//
// With groups, only experts of the Kept groups count whose two greatest p + b have the greatest sums.
type SigmoidRouter struct {
	Gate        *nn.Linear // W: [expert, d_model]
	Correction  *mlx.Array // b: [expert] float32, which chooses and does not weigh; nil: none
	K           int
	ByLogits    bool // the k greatest logits are chosen, of which large ones have one and the same σ
	Renormalize bool
	SumEps      float64 // what is added to their sum; 0: 1e-20, as in the authors' code
	Scale       float64
	Groups      int // of neighbouring experts; 0 or 1: none
	Kept        int
}

// Route chooses the experts of each position.
func (r *SigmoidRouter) Route(x *mlx.Array, layer int, pass *Pass) (experts, weights *mlx.Array) {
	logits := mlx.AsType(pass.At(RouterLogits, layer, r.Gate.Forward(x)), mlx.Float32) // [batch, pos, expert]
	p := mlx.Sigmoid(logits)
	choice := p
	if r.ByLogits {
		choice = logits
	}
	if r.Correction != nil {
		choice = mlx.Add(choice, r.Correction)
	}
	if r.Groups > 1 {
		choice = WithinGroups(choice, r.Groups, r.Kept, 2)
	}
	experts, _ = Greatest(choice, r.K)
	weights = mlx.TakeAlongAxis(p, experts, -1)
	if r.Correction != nil {
		order := mlx.StopGradient(mlx.Argsort(mlx.Negative(weights), -1))
		experts, weights = mlx.TakeAlongAxis(experts, order, -1), mlx.TakeAlongAxis(weights, order, -1)
	}
	if r.Renormalize {
		weights = mlx.Divide(weights, mlx.Shift(mlx.KeepDims(mlx.Sum, weights, -1), cmp.Or(r.SumEps, 1e-20)))
	}
	return experts, mlx.AsType(mlx.Scale(weights, r.Scale), x.Dtype())
}

// WithinGroups sets scores [batch, pos, expert] to −∞ outside of the kept groups of neighbouring
// experts, whose best so many scores have the greatest sums.
func WithinGroups(scores *mlx.Array, groups, kept, best int) *mlx.Array {
	b, n, experts := scores.Dim(0), scores.Dim(1), scores.Dim(2)
	each := mlx.Reshape(scores, b, n, groups, experts/groups)
	_, top := Greatest(each, best)
	group := mlx.Sum(top, -1) // [batch, pos, group]
	_, most := Greatest(group, kept)
	in := mlx.GreaterEqual(group, mlx.KeepDims(mlx.Min, most, -1))
	return mlx.Reshape(mlx.Where(mlx.ExpandDims(in, 3), each, mlx.Scalar(each.Scope(), float32(math.Inf(-1)))), b, n, experts)
}

// Greatest returns the indices of the k greatest of the last axis and their values, the greatest
// first: [..., n] to [..., k] each. Gradients go through the values alone.
func Greatest(x *mlx.Array, k int) (at, values *mlx.Array) {
	axis := x.Ndim() - 1
	at = mlx.StopGradient(mlx.Slice(mlx.Argpartition(mlx.Negative(x), k-1, -1), axis, mlx.Between(0, k)))
	values = mlx.TakeAlongAxis(x, at, -1)
	order := mlx.StopGradient(mlx.Argsort(mlx.Negative(values), -1))
	return mlx.TakeAlongAxis(at, order, -1), mlx.TakeAlongAxis(values, order, -1)
}
