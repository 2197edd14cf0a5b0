// Package llama is the Llama architecture (Touvron et al. 2023, arXiv:2302.13971):
// RMS norms before attention and MLP, rotary positions, grouped queries, a gated
// SiLU MLP.
//
// Six architectures are Llama but for their config: Mistral (Jiang et al. 2023, arXiv:2310.06825)
// with a window, Mixtral (Jiang et al. 2024, arXiv:2401.04088) with experts in place of the MLP,
// Qwen2 (Yang et al. 2024, arXiv:2407.10671) with biases on queries, keys and values, which is the
// text part of Qwen2-VL and Qwen2.5-VL too, Ministral 3 with queries that grow with their position,
// SmolLM3 (Hugging Face 2025, huggingface.co/blog/smollm3), where every fourth layer has no
// positions, and Gemma (Gemma Team 2024, arXiv:2403.08295) with gains of 1 + w, a gated GELU MLP
// and a scaled embedding.
package llama

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: silu, a base of
// 10,000, 2,048 positions.
type Config struct {
	load.Standard
	AttentionBias bool `json:"attention_bias"` // on queries, keys, values and the output matrix
	MLPBias       bool `json:"mlp_bias"`

	// qkvBias is a bias on queries, keys and values, and none on the output matrix.
	qkvBias bool

	// NoPositions are layers whose queries and keys do not turn; nil: all turn.
	NoPositions []bool `json:"-"`

	// plusOne is gains of 1 + w, scaled an embedding times √d_model, act the MLP's activation, nil
	// being SiLU.
	plusOne, scaled bool
	act             func(*mlx.Array) *mlx.Array

	notes []model.Note // of what differs from other programs

	load.Sparse // of a Mixtral; none: NumExperts is 0

	query   model.QueryScale // of a Ministral 3
	wrapped bool             // in a Mistral 3, Qwen2-VL or Qwen2.5-VL

	gguf bool

	// The rows of each head of q and k are interleaved, as llama.cpp's converter writes them.
	interleaved bool
}

var traits = load.Traits{Arch: "llama", Theta: 10_000, Acts: []string{"silu"}}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := &Config{Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 2048}}
	if err := load.ReadConfig(traits.Arch, raw, c, nil, "layer_types", "sliding_window", "attention_bias", "mlp_bias", "rope_traditional"); err != nil {
		return nil, err
	}
	return c, traits.Complete(raw, &c.Standard)
}

// ConfigFromGGUF reads the metadata that llama.cpp's converter writes for
// general.architecture llama. vocab is the number of rows of the embedding.
func ConfigFromGGUF(meta map[string]any, vocab int) (*Config, error) {
	r := load.ReadMetadata(traits.Arch, meta)
	c := &Config{Standard: r.Standard(vocab, traits.Theta), interleaved: true, gguf: true}
	r.WholeHeads(&c.Standard)
	if c.NumExperts = r.Int("expert_count", 0); c.NumExperts > 0 { // a Mixtral
		c.NumExpertsPerTok, c.MoEIntermediateSize = r.Required("expert_used_count"), c.IntermediateSize
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	if err := traits.Complete(nil, &c.Standard); err != nil || c.NumExperts == 0 {
		return c, err
	}
	return c, c.Sparse.Complete(traits.Arch, c.NumHiddenLayers, 0)
}
