package llama

import (
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// ParseMixtral reads the config.json of a Mixtral (Jiang et al. 2024, arXiv:2401.04088): a Mistral
// whose MLPs are mixtures of experts. Defaults: a base of 1,000,000, 131,072 positions, 8 experts,
// of which a position takes 2.
func ParseMixtral(raw []byte) (*Config, error) {
	c := &Config{
		Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 131_072},
		Sparse:   load.Sparse{NumExpertsPerTok: 2},
	}
	mixtral := load.Traits{Arch: "mixtral", Theta: 1_000_000, Acts: []string{"silu"}, WindowsIgnored: true, Slide: func(int) bool { return c.SlidingWindow > 0 }}
	own := map[string]load.Harmless{"use_sliding_window": load.Is(true), "layer_types": load.Null, "num_experts": load.Is(0.0), "decoder_sparse_step": load.Is(1.0), "mlp_only_layers": load.Empty, "moe_intermediate_size": load.Null} // no program reads them here
	if err := load.ReadConfig(mixtral.Arch, raw, c, own, "sliding_window", "rope_traditional", "num_local_experts"); err != nil {
		return nil, err
	}
	if err := mixtral.Complete(raw, &c.Standard); err != nil {
		return nil, err
	}
	c.MoEIntermediateSize = c.IntermediateSize
	return c, c.Sparse.Complete(mixtral.Arch, c.NumHiddenLayers, 8)
}

// newMixture takes the experts of a layer.
func newMixture(c *Config, p load.Part) *model.MoE {
	return &model.MoE{
		Router: &model.SoftmaxRouter{Gate: p.Gate(c.NumExperts, c.HiddenSize, "block_sparse_moe.gate", "ffn_gate_inp"), K: c.NumExpertsPerTok, Renormalize: true},
		Experts: p.GatedExperts(c.NumExperts, c.MoEIntermediateSize, c.HiddenSize,
			"mlp.switch_mlp.", "block_sparse_moe.switch_mlp.",
			"mlp.experts.%d.gate_proj", "block_sparse_moe.experts.%d.w1", "mlp.experts.%d.up_proj", "block_sparse_moe.experts.%d.w3", "mlp.experts.%d.down_proj", "block_sparse_moe.experts.%d.w2"),
	}
}
