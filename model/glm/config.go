// Package glm is the GLM-4 architecture (GLM Team 2024, arXiv:2406.12793), of model_type glm, and
// of GLM-4-0414 (model_type glm4), which adds norms behind attention and MLP: Llama's block with
// one matrix for both branches of the MLP, biases on queries, keys and values, and neighbouring
// dimensions of the first half of each head that turn together.
package glm

import (
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: those of
// transformers, which are GLM-4 9B's.
type Config struct {
	load.Standard
	AttentionBias bool `json:"attention_bias"` // on queries, keys and values; default: true

	sandwich bool // norms follow attention and MLP
}

// ParseConfig reads the config.json of model_type glm. It rejects what would change the
// mathematics and is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) { return parse("glm", raw) }

// ParseGLM4 is ParseConfig for model_type glm4.
func ParseGLM4(raw []byte) (*Config, error) {
	c, err := parse("glm4", raw)
	if err != nil {
		return nil, err
	}
	c.sandwich = true
	return c, nil
}

const defaultTheta = 10_000

func parse(arch string, raw []byte) (*Config, error) {
	untied := false
	c := &Config{
		Standard: load.Standard{
			HiddenSize: 4096, IntermediateSize: 13_696, NumHiddenLayers: 40, NumAttentionHeads: 32, NumKeyValueHeads: 2, HeadDim: 128,
			VocabSize: 151_552, RMSNormEps: 1.5625e-7, MaxPositionEmbeddings: 131_072, HiddenAct: "silu", TieWordEmbeddings: &untied,
		},
		AttentionBias: true,
	}
	own := map[string]load.Harmless{"rope_traditional": load.Is(true), "head_dim": load.Number, "num_key_value_heads": load.Number}
	if err := load.ReadConfig(arch, raw, c, own, "attention_bias", "partial_rotary_factor"); err != nil {
		return nil, err
	}
	if err := (load.Traits{Arch: arch, Theta: defaultTheta, Partial: 0.5, Acts: []string{"silu"}}).Complete(raw, &c.Standard); err != nil {
		return nil, err
	}
	c.Rope.Traditional = true
	return c, nil
}
