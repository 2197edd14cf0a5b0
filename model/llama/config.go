// Package llama is the Llama architecture (Touvron et al. 2023, arXiv:2302.13971):
// RMS norms before attention and MLP, rotary positions, grouped queries, a gated
// SiLU MLP.
package llama

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model"
)

const arch = "llama"

// Config holds the keys of config.json that the model depends on, under the names
// that they have there.
type Config struct {
	HiddenSize            int      `json:"hidden_size"`
	IntermediateSize      int      `json:"intermediate_size"`
	NumHiddenLayers       int      `json:"num_hidden_layers"`
	NumAttentionHeads     int      `json:"num_attention_heads"`
	NumKeyValueHeads      int      `json:"num_key_value_heads"` // default: NumAttentionHeads
	HeadDim               int      `json:"head_dim"`            // default: HiddenSize / NumAttentionHeads
	VocabSize             int      `json:"vocab_size"`
	RMSNormEps            float64  `json:"rms_norm_eps"`
	MaxPositionEmbeddings int      `json:"max_position_embeddings"` // default: 2048
	AttentionBias         bool     `json:"attention_bias"`
	MLPBias               bool     `json:"mlp_bias"`
	HiddenAct             string   `json:"hidden_act"`          // default: silu
	TieWordEmbeddings     *bool    `json:"tie_word_embeddings"` // absent: tied when there is no lm_head
	LayerTypes            []string `json:"layer_types"`         // full_attention or sliding_attention
	SlidingWindow         int      `json:"sliding_window"`      // of the layers that slide

	Rope    *model.RopeConfig `json:"-"` // default theta: 10,000
	Windows []int             `json:"-"` // keys that each layer's queries see, 0: all

	// Heads of q and k whose rows llama.cpp interleaved stand so in GGUF files.
	interleaved bool
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := &Config{HiddenAct: "silu", MaxPositionEmbeddings: 2048}
	err := model.ReadConfig(arch, raw, c, nil, "layer_types", "sliding_window")
	if err != nil {
		return nil, err
	}
	if c.Rope, err = model.ReadRope(raw, 10_000, "full_attention"); err != nil {
		return nil, err
	}
	return c, c.complete()
}

// complete fills defaults that depend on other keys, and checks the sizes.
func (c *Config) complete() error {
	if err := model.CheckActivation(arch, "hidden_act", c.HiddenAct, "silu"); err != nil {
		return err
	}
	err := model.CheckSizes(arch, model.Size{Key: "hidden_size", Value: c.HiddenSize}, model.Size{Key: "intermediate_size", Value: c.IntermediateSize},
		model.Size{Key: "num_hidden_layers", Value: c.NumHiddenLayers}, model.Size{Key: "num_attention_heads", Value: c.NumAttentionHeads},
		model.Size{Key: "vocab_size", Value: c.VocabSize}, model.Size{Key: "max_position_embeddings", Value: c.MaxPositionEmbeddings})
	if err != nil {
		return err
	}
	if c.RMSNormEps <= 0 {
		return fmt.Errorf("llama: config.json: rms_norm_eps is %v, want a number above 0", c.RMSNormEps)
	}
	c.Windows, err = model.Windows(arch, c.NumHiddenLayers, c.LayerTypes, c.SlidingWindow, func(int) bool { return false })
	if err != nil {
		return err
	}
	return model.CheckHeads(arch, c.HiddenSize, c.NumAttentionHeads, &c.NumKeyValueHeads, &c.HeadDim)
}
