// Package granite is the Granite 3 architecture (IBM Granite Team 2024, "Granite 3.0 Language
// Models"): Llama's block with four multipliers, after μP (Yang et al. 2022, arXiv:2203.03466):
// on the embedding, on scores, on what attention and MLP add to the stream, and on logits.
package granite

import (
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: those of
// transformers, Llama's sizes and multipliers of 1.
type Config struct {
	load.Standard
	AttentionBias       bool    `json:"attention_bias"` // on queries, keys, values and the output matrix
	MLPBias             bool    `json:"mlp_bias"`
	EmbeddingMultiplier float64 `json:"embedding_multiplier"` // factor on the embedding
	AttentionMultiplier float64 `json:"attention_multiplier"` // factor on q·kᵀ, in the place of d_head^−½
	ResidualMultiplier  float64 `json:"residual_multiplier"`  // factor on what attention and MLP add
	LogitsScaling       float64 `json:"logits_scaling"`       // logits are divided by it
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := &Config{
		Standard: load.Standard{
			HiddenSize: 4096, IntermediateSize: 11008, NumHiddenLayers: 32, NumAttentionHeads: 32, VocabSize: 32_000,
			RMSNormEps: 1e-6, MaxPositionEmbeddings: 2048, HiddenAct: "silu",
		},
		EmbeddingMultiplier: 1, AttentionMultiplier: 1, ResidualMultiplier: 1, LogitsScaling: 1,
	}
	own := map[string]load.Harmless{
		"embedding_multiplier": load.Number, "attention_multiplier": load.Number, "residual_multiplier": load.Number, "logits_scaling": load.Number,
	}
	if err := load.ReadConfig("granite", raw, c, own, "attention_bias", "mlp_bias"); err != nil {
		return nil, err
	}
	return c, load.Traits{Arch: "granite", Theta: 10_000, Acts: []string{"silu"}}.Complete(raw, &c.Standard)
}
