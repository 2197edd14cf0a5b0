package load

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
)

// Sparse has the keys of mixtures of experts under the names that Qwen's have. An architecture's
// Config embeds it beside [Standard].
type Sparse struct {
	NumExperts          int   `json:"num_experts"`
	NumLocalExperts     int   `json:"num_local_experts"` // the same, as newer files say it
	NumExpertsPerTok    int   `json:"num_experts_per_tok"`
	MoEIntermediateSize int   `json:"moe_intermediate_size"` // of each expert
	NormTopKProb        bool  `json:"norm_topk_prob"`        // the weights of a position's experts sum to 1
	DecoderSparseStep   int   `json:"decoder_sparse_step"`   // each so many layers one has experts; 0: all have
	MLPOnlyLayers       []int `json:"mlp_only_layers"`       // have none
}

// Complete fills in the number of experts where a config does not say it, and refuses numbers that
// cannot be.
func (s *Sparse) Complete(arch string, layers, experts int) error {
	if s.NumExperts != 0 && s.NumLocalExperts != 0 && s.NumExperts != s.NumLocalExperts {
		return fmt.Errorf("%s: config.json: num_experts is %d, and num_local_experts %d: programs differ in which they read; remove the wrong one", arch, s.NumExperts, s.NumLocalExperts)
	}
	s.NumExperts = cmp.Or(s.NumExperts, s.NumLocalExperts, experts)
	if err := CheckSizes(arch, Size{"num_experts", s.NumExperts}, Size{"num_experts_per_tok", s.NumExpertsPerTok}, Size{"moe_intermediate_size", s.MoEIntermediateSize}); err != nil {
		return err
	}
	if s.NumExpertsPerTok > s.NumExperts {
		return fmt.Errorf("%s: config.json: num_experts_per_tok is %d, and there are %d experts", arch, s.NumExpertsPerTok, s.NumExperts)
	}
	if s.DecoderSparseStep < 0 {
		return fmt.Errorf("%s: config.json: decoder_sparse_step is %d, want 1 or more", arch, s.DecoderSparseStep)
	}
	for _, layer := range s.MLPOnlyLayers {
		if layer < 0 || layer >= layers {
			return fmt.Errorf("%s: config.json: mlp_only_layers has %d, and there are %d layers", arch, layer, layers)
		}
	}
	return nil
}

// Sparse reports whether a layer has experts.
func (s *Sparse) Sparse(layer int) bool {
	return !slices.Contains(s.MLPOnlyLayers, layer) && (layer+1)%max(s.DecoderSparseStep, 1) == 0
}

// Sizes completes a model's sizes.
func (s *Sparse) Sizes(of model.Shape) model.Shape {
	of.Experts, of.TopK, of.DExpert = s.NumExperts, s.NumExpertsPerTok, s.MoEIntermediateSize
	return of
}

// GatedExperts takes the matrices of a layer's experts, of hidden size dExpert. below are pairs of
// Qwen's paths and the architecture's ([ExpertWant.Below]).
func (p Part) GatedExperts(experts, dExpert, dModel int, below ...string) model.Experts {
	return p.gatedExperts(experts, dExpert, dModel, func(w ExpertWant) ExpertWant { return w.Below(below...) })
}

// TransposedExperts is GatedExperts for files whose tensors of all experts are [expert, in, out].
func (p Part) TransposedExperts(experts, dExpert, dModel int, below ...string) model.Experts {
	return p.gatedExperts(experts, dExpert, dModel, func(w ExpertWant) ExpertWant {
		w = w.Below(below...)
		for i := range w.Fused {
			w.Fused[i].Transposed = true
		}
		return w
	})
}

// HasTransposedExperts reports whether the tensors of all experts are [expert, in, out] in the file, and not
// [expert, out, in]: their shapes tell.
func (p Part) HasTransposedExperts(experts, dExpert, dModel int) bool {
	if dModel == dExpert {
		return p.hasStack("expert_gate", experts, dModel, 2*dExpert)
	}
	return p.hasStack("expert_down", experts, dExpert, dModel)
}

// hasStack reports whether the file has a tensor of all experts for a role, of this shape.
func (p Part) hasStack(role string, shape ...int) bool {
	return slices.ContainsFunc(p.Experts(role, 0, 0, 0).Fused, func(f Fused) bool {
		t := p.l.ck.Tensor(f.Tensor)
		return t != nil && slices.Equal(t.Shape, shape)
	})
}

func (p Part) gatedExperts(experts, dExpert, dModel int, own func(ExpertWant) ExpertWant) model.Experts {
	take := func(role string, out, in int) *model.ExpertLinear {
		return p.l.Experts(own(p.Experts(role, experts, out, in)))
	}
	return model.Experts{
		Gate: take("expert_gate", dExpert, dModel),
		Up:   take("expert_up", dExpert, dModel),
		Down: take("expert_down", dModel, dExpert),
		Act:  SwiGLU,
	}
}

// PlainExperts takes the matrices of a layer's experts that have one branch, with an activation.
func (p Part) PlainExperts(experts, dExpert, dModel int, act func(*mlx.Array) *mlx.Array, below ...string) model.Experts {
	take := func(role string, out, in int) *model.ExpertLinear {
		w := p.Experts(role, experts, out, in).Below(below...)
		w.Fused = nil
		return p.l.Experts(w)
	}
	return model.Experts{
		Up:   take("expert_up", dExpert, dModel),
		Down: take("expert_down", dModel, dExpert),
		Act:  func(_, up *mlx.Array) *mlx.Array { return act(up) },
	}
}

// SwiGLU returns SiLU(gate)⊙up (Shazeer 2020, arXiv:2002.05202).
func SwiGLU(gate, up *mlx.Array) *mlx.Array { return mlx.Multiply(mlx.SiLU(gate), up) }

// SharedExpert takes the matrices of an expert that all positions pass.
func (p Part) SharedExpert(dMLP, dModel int, module string) *model.GatedMLP {
	return &model.GatedMLP{
		Gate: p.Linear("shared_pre", dMLP, dModel, false, module+"gate_proj"),
		Up:   p.Linear("shared_pre_linear", dMLP, dModel, false, module+"up_proj"),
		Down: p.Linear("shared_out", dModel, dMLP, false, module+"down_proj"),
		Act:  mlx.SiLU,
	}
}

// Gate takes a router's matrix, one row for each expert.
func (p Part) Gate(experts, dModel int, modules ...string) *nn.Linear {
	if modules == nil {
		modules = []string{"mlp.gate", "ffn_gate_inp"}
	}
	return p.Linear("router", experts, dModel, false, modules...)
}

// The sites of experts, and those of an MLP that all positions pass.
var (
	expertSites = []model.Site{model.RouterLogits, model.ExpertIDs, model.ExpertWeights, model.ExpertPost, model.ExpertOut}
	mlpSites    = []model.Site{model.MLPPre, model.MLPPreLinear, model.MLPPost}
)

// HaveRouter gives all layers of a model the sites of experts. router is mlx-lm's module of the router,
// %d standing for the layer.
func (l *Loader) HaveRouter(t *model.Transformer, router string) {
	for _, s := range expertSites {
		delete(t.Lacks, s)
	}
	t.Modules[model.RouterLogits] = l.Path(router)
}

// HaveExperts gives the layers of a model that sparse names the sites of experts, and lets the others
// have those of an MLP, as do those with an expert that all positions pass. router is mlx-lm's module
// of the router, %d standing for the layer, and shared that of the shared expert, if there is one.
func (l *Loader) HaveExperts(t *model.Transformer, router string, sparse func(layer int) bool, shared ...string) {
	const all, none = "each position passes experts of its own: expert_post, expert_out", "the layer has no experts"
	layers := 0
	for layer := range t.Sizes.Layers {
		if sparse(layer) {
			layers++
		}
	}
	if layers == 0 {
		return
	}
	l.HaveRouter(t, router)
	if shared != nil {
		l.haveShared(t, sparse, none, l.Path(shared[0]))
		return
	}
	for layer := range t.Sizes.Layers {
		switch {
		case !sparse(layer):
			t.Lack(layer, none, expertSites...)
		case layers < t.Sizes.Layers:
			t.Lack(layer, all, mlpSites...)
		}
	}
	if layers < t.Sizes.Layers {
		return
	}
	for _, s := range mlpSites {
		t.Lacks[s] = all
		delete(t.Modules, s)
	}
}

// haveShared gives the sites of an MLP to the shared expert where a layer has one.
func (l *Loader) haveShared(t *model.Transformer, sparse func(layer int) bool, none, module string) {
	delete(t.Lacks, model.SharedOut)
	for layer := range t.Sizes.Layers {
		if !sparse(layer) {
			t.Lack(layer, none, append([]model.Site{model.SharedOut}, expertSites...)...)
			continue
		}
		t.ModuleIn(layer, model.MLPPre, module+".gate_proj")
		t.ModuleIn(layer, model.MLPPreLinear, module+".up_proj")
	}
}
