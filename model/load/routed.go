package load

import (
	"fmt"
	"maps"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Routed has the keys of mixtures of experts under the names that DeepSeek's have: the first layers
// have none, routed experts stand in groups, and all positions pass the shared ones. An
// architecture's Config embeds it beside [Standard], with the architecture's defaults.
type Routed struct {
	NRoutedExperts      int     `json:"n_routed_experts"`
	NSharedExperts      *int    `json:"n_shared_experts"` // null: none
	NumExpertsPerTok    int     `json:"num_experts_per_tok"`
	MoEIntermediateSize int     `json:"moe_intermediate_size"` // of each expert
	FirstKDenseReplace  int     `json:"first_k_dense_replace"` // layers before it have no experts
	NGroup              int     `json:"n_group"`
	TopKGroup           int     `json:"topk_group"`
	NormTopKProb        bool    `json:"norm_topk_prob"`
	RoutedScalingFactor float64 `json:"routed_scaling_factor"`

	Softmax bool         `json:"-"` // scores are a softmax over all experts, and not each one's sigmoid
	Dense   map[int]bool `json:"-"` // which layers have no experts, where it is not FirstKDenseReplace that says it
}

// RoutedKeys are what [ReadConfig] is told of the keys of experts that are chosen by sigmoids and a
// correction, beside an architecture's own.
func RoutedKeys(own map[string]Harmless) map[string]Harmless {
	keys := map[string]Harmless{
		"scoring_func": Is("sigmoid"), "topk_method": Is("noaux_tc"), "moe_layer_freq": Is(1.0), "norm_topk_prob": Said, "first_k_dense_replace": Said,
		"n_routed_experts": Number, "num_experts_per_tok": Number, "n_group": Number, "topk_group": Number, "num_experts": Null, "num_local_experts": Null,
	}
	maps.Copy(keys, own)
	return keys
}

// Check refuses numbers of experts that cannot be. least is how many experts of a group its score
// is made of.
func (r *Routed) Check(arch string, least int) error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf(arch+": config.json: "+format, args...)
	}
	sizes := []Size{
		{"n_routed_experts", r.NRoutedExperts}, {"num_experts_per_tok", r.NumExpertsPerTok}, {"moe_intermediate_size", r.MoEIntermediateSize},
		{"n_group", r.NGroup}, {"topk_group", r.TopKGroup},
	}
	if r.NSharedExperts != nil {
		sizes = append(sizes, Size{"n_shared_experts", *r.NSharedExperts})
	}
	if err := CheckSizes(arch, sizes...); err != nil {
		return err
	}
	switch each := r.NRoutedExperts / r.NGroup; {
	case r.NRoutedExperts%r.NGroup != 0 || r.NGroup > 1 && each < least:
		return refuse("n_routed_experts %d make no n_group %d groups of %d or more", r.NRoutedExperts, r.NGroup, least)
	case r.TopKGroup > r.NGroup:
		return refuse("topk_group is %d, and n_group %d", r.TopKGroup, r.NGroup)
	case r.NumExpertsPerTok > r.TopKGroup*each:
		return refuse("num_experts_per_tok is %d, and topk_group %d of n_group %d have %d experts", r.NumExpertsPerTok, r.TopKGroup, r.NGroup, r.TopKGroup*each)
	case r.FirstKDenseReplace < 0:
		return refuse("first_k_dense_replace is %d, want none below 0", r.FirstKDenseReplace)
	case !(r.RoutedScalingFactor > 0):
		return refuse("routed_scaling_factor is %v, want a number above 0", r.RoutedScalingFactor)
	}
	return nil
}

// Sparse reports whether a layer has experts.
func (r *Routed) Sparse(layer int) bool {
	if r.Dense != nil {
		return !r.Dense[layer]
	}
	return layer >= r.FirstKDenseReplace
}

// shared is how many hidden dimensions the shared experts have together, 0 for none.
func (r *Routed) shared() int {
	if r.NSharedExperts == nil {
		return 0
	}
	return *r.NSharedExperts * r.MoEIntermediateSize
}

// Sizes completes a model's sizes: a layer with experts has an MLP of the shared ones' size.
func (r *Routed) Sizes(of model.Shape) model.Shape {
	for layer := range of.Layers {
		if !r.Sparse(layer) {
			continue
		}
		if of.Own == nil {
			of.Own = make([]model.LayerShape, of.Layers)
			of.Experts, of.TopK, of.DExpert = r.NRoutedExperts, r.NumExpertsPerTok, r.MoEIntermediateSize
		}
		of.Own[layer].DMLP = r.shared()
	}
	return of
}

// MLP takes what follows attention in a layer: experts, or the gated MLP of a layer that has none.
func (r *Routed) MLP(p Part, s *Standard, layer int) model.FeedForward {
	if !r.Sparse(layer) {
		return p.GatedMLP(s, false, mlx.SiLU)
	}
	moe := &model.MoE{Router: r.router(p, s), Experts: p.GatedExperts(r.NRoutedExperts, r.MoEIntermediateSize, s.HiddenSize)}
	if d := r.shared(); d > 0 {
		moe.Shared = p.SharedExpert(d, s.HiddenSize, "mlp.shared_experts.")
	}
	return moe
}

func (r *Routed) router(p Part, s *Standard) model.Router {
	gate := p.Gate(r.NRoutedExperts, s.HiddenSize)
	if r.Softmax {
		return &model.SoftmaxRouter{Gate: gate, K: r.NumExpertsPerTok, Renormalize: r.NormTopKProb, Scale: r.RoutedScalingFactor, Groups: r.NGroup, Kept: r.TopKGroup}
	}
	router := &model.SigmoidRouter{Gate: gate, K: r.NumExpertsPerTok, Renormalize: r.NormTopKProb, Scale: r.RoutedScalingFactor, Groups: r.NGroup, Kept: r.TopKGroup}
	p.Array("router_correction", []int{r.NRoutedExperts}, &router.Correction, "mlp.gate.e_score_correction_bias")
	return router
}

// HaveRouted completes a model's sizes and sites by its experts.
func (l *Loader) HaveRouted(t *model.Transformer, r *Routed) {
	t.Sizes = r.Sizes(t.Sizes)
	var shared []string
	if r.shared() > 0 {
		shared = []string{"model.layers.%d.mlp.shared_experts"}
	}
	l.HaveExperts(t, "model.layers.%d.mlp.gate", r.Sparse, shared...)
}
