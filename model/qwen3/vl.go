package qwen3

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/load"
)

// ParseVL reads the config.json of a Qwen3-VL, of which the text part is a Qwen3 without windows.
// Positions of a text are alike on all axes of its rotation. Defaults: heads of 128 dimensions, a base
// of 500,000, 128,000 positions.
func ParseVL(raw []byte) (*Config, error) {
	text, _, err := load.Unwrap("qwen3_vl", raw)
	if err != nil {
		return nil, err
	}
	c := &Config{Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 128_000, RMSNormEps: 1e-6, HeadDim: 128}}
	return c, c.readVL("qwen3_vl", text, nil)
}

// ParseVLMixture reads that of a mixture, whose experts' weights sum to 1. Defaults: 60 experts of
// 1,408 dimensions, of which a position takes 4.
func ParseVLMixture(raw []byte) (*Config, error) {
	text, wrapped, err := load.Unwrap("qwen3_vl_moe", raw)
	if err != nil {
		return nil, err
	}
	if !wrapped {
		return nil, fmt.Errorf("qwen3_vl_moe: config.json: there is no text_config")
	}
	c := &Config{
		Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 128_000, RMSNormEps: 1e-6}, mixture: true,
		Sparse: load.Sparse{NumExpertsPerTok: 4, MoEIntermediateSize: 1408, DecoderSparseStep: 1, NormTopKProb: true},
	}
	own := map[string]load.Harmless{"norm_topk_prob": load.Is(true)} // mlx-lm alone reads it
	if err := c.readVL("qwen3_vl_moe", text, own, "num_experts", "num_local_experts"); err != nil {
		return nil, err
	}
	return c, c.Sparse.Complete("qwen3_vl_moe", c.NumHiddenLayers, 60)
}

func (c *Config) readVL(arch string, text []byte, own map[string]load.Harmless, implemented ...string) error {
	all := map[string]load.Harmless{"use_sliding_window": load.Is(false)} // no program reads it here, nor sliding_window
	for key, harmless := range own {
		all[key] = harmless
	}
	if err := load.ReadConfig(arch, text, c, all, append(implemented, "attention_bias", "sliding_window")...); err != nil {
		return err
	}
	c.sees = true
	if err := (load.Traits{Arch: arch, Theta: 500_000, Acts: []string{"silu"}}).Complete(text, &c.Standard); err != nil {
		return err
	}
	c.Rope.OneAxis()
	return nil
}
