// Package glm4moe is the architecture of GLM-4.5 to 4.7 (GLM-4.5 Team 2025, arXiv:2508.06471): Llama's
// block with an RMS norm on each head's queries and keys in some of them, half of a head turned, and
// mixtures of experts with one that all positions pass.
package glm4moe

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: silu, a base of
// 10,000, 131,072 positions, 128 experts of 1,408 dimensions, of which a position takes 8.
type Config struct {
	load.Standard
	AttentionBias bool `json:"attention_bias"` // on queries, keys and values
	UseQKNorm     bool `json:"use_qk_norm"`

	NRoutedExperts      int     `json:"n_routed_experts"`
	NSharedExperts      int     `json:"n_shared_experts"`
	NumExpertsPerTok    int     `json:"num_experts_per_tok"`
	MoEIntermediateSize int     `json:"moe_intermediate_size"` // of each expert
	FirstKDenseReplace  int     `json:"first_k_dense_replace"` // layers before it have no experts
	NormTopKProb        bool    `json:"norm_topk_prob"`
	RoutedScalingFactor float64 `json:"routed_scaling_factor"`
	NGroup              int     `json:"n_group"`
	TopKGroup           int     `json:"topk_group"`
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	untied := false
	c := &Config{
		Standard:       load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 131_072, RMSNormEps: 1e-5, TieWordEmbeddings: &untied},
		NRoutedExperts: 128, NSharedExperts: 1, NumExpertsPerTok: 8, MoEIntermediateSize: 1408, FirstKDenseReplace: 1, NormTopKProb: true,
		RoutedScalingFactor: 1, NGroup: 1, TopKGroup: 1,
	}
	own := map[string]load.Harmless{"scoring_func": load.Is("sigmoid"), "topk_method": load.Is("noaux_tc"), "num_experts": load.Null, "num_local_experts": load.Null}
	if err := load.ReadConfig("glm4_moe", raw, c, own, "attention_bias", "use_qk_norm", "n_routed_experts", "partial_rotary_factor"); err != nil {
		return nil, err
	}
	if err := (load.Traits{Arch: "glm4_moe", Theta: 10_000, Partial: 0.5, Acts: []string{"silu"}}).Complete(raw, &c.Standard); err != nil {
		return nil, err
	}
	return c, c.check()
}

// check refuses numbers of experts that cannot be.
func (c *Config) check() error {
	if err := c.sparse().Complete("glm4_moe", c.NumHiddenLayers, 0); err != nil {
		return err
	}
	groups := c.NGroup > 0 && c.TopKGroup > 0 && c.TopKGroup <= c.NGroup && c.NRoutedExperts%c.NGroup == 0
	switch {
	case !groups || c.NGroup > 1 && (c.NRoutedExperts/c.NGroup < 2 || c.NRoutedExperts/c.NGroup*c.TopKGroup < c.NumExpertsPerTok):
		return fmt.Errorf("glm4_moe: config.json: n_group %d and topk_group %d do not leave %d of %d experts to choose", c.NGroup, c.TopKGroup, c.NumExpertsPerTok, c.NRoutedExperts)
	case c.NSharedExperts < 1:
		return fmt.Errorf("glm4_moe: config.json: n_shared_experts is %d, want 1 or more", c.NSharedExperts)
	case c.FirstKDenseReplace < 0 || c.FirstKDenseReplace > c.NumHiddenLayers:
		return fmt.Errorf("glm4_moe: config.json: first_k_dense_replace is %d, and there are %d layers", c.FirstKDenseReplace, c.NumHiddenLayers)
	case !(c.RoutedScalingFactor > 0):
		return fmt.Errorf("glm4_moe: config.json: routed_scaling_factor is %v, want a number above 0", c.RoutedScalingFactor)
	}
	return nil
}

// sparse is the experts under the names of [load.Sparse].
func (c *Config) sparse() *load.Sparse {
	return &load.Sparse{NumExperts: c.NRoutedExperts, NumExpertsPerTok: c.NumExpertsPerTok, MoEIntermediateSize: c.MoEIntermediateSize}
}

// mixed reports whether a layer has experts.
func (c *Config) mixed(layer int) bool { return layer >= c.FirstKDenseReplace }

// sharedSize is the hidden size of the shared expert.
func (c *Config) sharedSize() int { return c.MoEIntermediateSize * c.NSharedExperts }
