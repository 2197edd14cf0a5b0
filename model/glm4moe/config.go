// Package glm4moe is the architecture of GLM-4.5 to 4.7 (GLM-4.5 Team 2025, arXiv:2508.06471): Llama's
// block with an RMS norm on each head's queries and keys in some of them, half of a head turned, and
// mixtures of experts with one that all positions pass.
package glm4moe

import (
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: silu, a base of
// 10,000, 131,072 positions, 128 experts of 1,408 dimensions, of which a position takes 8.
type Config struct {
	load.Standard
	load.Routed
	AttentionBias bool `json:"attention_bias"` // on queries, keys and values
	UseQKNorm     bool `json:"use_qk_norm"`
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	untied, shared := false, 1
	c := &Config{
		Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 131_072, RMSNormEps: 1e-5, TieWordEmbeddings: &untied},
		Routed: load.Routed{
			NRoutedExperts: 128, NSharedExperts: &shared, NumExpertsPerTok: 8, MoEIntermediateSize: 1408, FirstKDenseReplace: 1, NormTopKProb: true,
			RoutedScalingFactor: 1, NGroup: 1, TopKGroup: 1,
		},
	}
	own := load.RoutedKeys(map[string]load.Harmless{"mlp_layer_types": load.Null})
	if err := load.ReadConfig("glm4_moe", raw, c, own, "attention_bias", "use_qk_norm", "partial_rotary_factor"); err != nil {
		return nil, err
	}
	if err := (load.Traits{Arch: "glm4_moe", Theta: 10_000, Partial: 0.5, Acts: []string{"silu"}}).Complete(raw, &c.Standard); err != nil {
		return nil, err
	}
	return c, c.Check("glm4_moe", 2)
}
