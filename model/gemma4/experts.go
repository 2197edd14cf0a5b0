package gemma4

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

func newMixture(c *Config, p load.Part) *mixture {
	norm := func(role, module string) *nn.RMSNorm { return p.RMSNorm(role, c.HiddenSize, c.RMSNormEps, module) }
	m := &mixture{
		postMLPNorm:     norm("post_dense_norm", "post_feedforward_layernorm_1"),
		preExpertsNorm:  norm("experts_norm", "pre_feedforward_layernorm_2"),
		postExpertsNorm: norm("post_experts_norm", "post_feedforward_layernorm_2"),
		router: router{
			SoftmaxRouter: model.SoftmaxRouter{Gate: p.Gate(c.NumExperts, c.HiddenSize, "router.proj"), K: c.TopKExperts, Renormalize: true},
			eps:           c.RMSNormEps,
		},
		experts: p.GatedExperts(c.NumExperts, c.MoEIntermediateSize, c.HiddenSize, "mlp.switch_mlp", "experts.switch_glu", "mlp.experts", "experts"),
	}
	p.Array("router_scale", []int{c.HiddenSize}, &m.router.scale, "router.scale")
	p.Array("expert_scale", []int{c.NumExperts}, &m.router.expertScale, "router.per_expert_scale")
	m.experts.Act = func(gate, up *mlx.Array) *mlx.Array { return mlx.Multiply(mlx.GELUTanh(gate), up) }
	return m
}

// mixture is experts beside an MLP that all positions pass.
type mixture struct {
	router                                       router
	experts                                      model.Experts
	postMLPNorm, preExpertsNorm, postExpertsNorm *nn.RMSNorm
}

// beside joins what the MLP gives, m, with what experts make of the stream h, all [batch, pos, d_model]:
//
//	out = RMSNorm(m) + RMSNorm(Σ_e w_e·E_e(RMSNorm(h)))
func (x *mixture) beside(m, h *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	m = pass.At(model.SharedOut, layer, pass.Norm(x.postMLPNorm, layer, m))
	experts, weights := x.router.Route(h, layer, pass)
	y := x.experts.Mix(x.preExpertsNorm.Forward(h), experts, weights, layer, pass)
	return mlx.Add(m, pass.Norm(x.postExpertsNorm, layer, y))
}

// router chooses experts of the stream itself.
type router struct {
	model.SoftmaxRouter
	scale       *mlx.Array // s: [d_model]
	expertScale *mlx.Array // f: [expert]
	eps         float64
}

// Route chooses the experts of each position:
//
//	p = softmax(RMSNorm(h)·s·d_model^−½·W) over the k greatest,   w_e = p_e·f_e
func (r *router) Route(h *mlx.Array, layer int, pass *model.Pass) (experts, weights *mlx.Array) {
	gain := mlx.Scale(h.Scope().Hold(r.scale), 1/math.Sqrt(float64(h.Dim(2))))
	experts, weights = r.SoftmaxRouter.Route(mlx.RMSNorm(h, gain, r.eps), layer, pass)
	weights = mlx.Multiply(weights, mlx.AsType(mlx.Take(r.expertScale, experts, 0), weights.Dtype()))
	at, weights := model.Greatest(weights, r.K)
	return mlx.TakeAlongAxis(experts, at, -1), weights
}
