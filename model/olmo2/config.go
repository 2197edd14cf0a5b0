// Package olmo2 is the OLMo 2 architecture (OLMo Team 2024, arXiv:2501.00656): Llama's
// parts with the norms after attention and MLP instead of before, and an RMS norm on
// queries and keys.
package olmo2

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model"
)

const arch = "olmo2"

// Config holds the keys of config.json that the model depends on, under the names
// that they have there.
type Config struct {
	HiddenSize            int     `json:"hidden_size"`
	IntermediateSize      int     `json:"intermediate_size"`
	NumHiddenLayers       int     `json:"num_hidden_layers"`
	NumAttentionHeads     int     `json:"num_attention_heads"`
	NumKeyValueHeads      int     `json:"num_key_value_heads"` // default: NumAttentionHeads
	HeadDim               int     `json:"head_dim"`            // default: HiddenSize / NumAttentionHeads
	VocabSize             int     `json:"vocab_size"`
	RMSNormEps            float64 `json:"rms_norm_eps"`
	MaxPositionEmbeddings int     `json:"max_position_embeddings"` // default: 2048
	AttentionBias         bool    `json:"attention_bias"`
	MLPBias               bool    `json:"mlp_bias"`
	HiddenAct             string  `json:"hidden_act"`          // default: silu
	TieWordEmbeddings     *bool   `json:"tie_word_embeddings"` // absent: tied when there is no lm_head

	Rope *model.RopeConfig `json:"-"` // default theta: 10,000
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := &Config{HiddenAct: "silu", MaxPositionEmbeddings: 2048}
	err := model.ReadConfig(arch, raw, c, nil)
	if err != nil {
		return nil, err
	}
	if c.Rope, err = model.ReadRope(raw, 10_000, "full_attention"); err != nil {
		return nil, err
	}
	return c, c.complete()
}

func (c *Config) complete() error {
	err := model.CheckActivation(arch, "hidden_act", c.HiddenAct, "silu")
	if err != nil {
		return err
	}
	err = model.CheckSizes(arch, model.Size{Key: "hidden_size", Value: c.HiddenSize}, model.Size{Key: "intermediate_size", Value: c.IntermediateSize},
		model.Size{Key: "num_hidden_layers", Value: c.NumHiddenLayers}, model.Size{Key: "num_attention_heads", Value: c.NumAttentionHeads},
		model.Size{Key: "vocab_size", Value: c.VocabSize}, model.Size{Key: "max_position_embeddings", Value: c.MaxPositionEmbeddings})
	if err != nil {
		return err
	}
	if c.RMSNormEps <= 0 {
		return fmt.Errorf("olmo2: config.json: rms_norm_eps is %v, want a number above 0", c.RMSNormEps)
	}
	return model.CheckHeads(arch, c.HiddenSize, c.NumAttentionHeads, &c.NumKeyValueHeads, &c.HeadDim)
}
