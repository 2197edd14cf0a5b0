// Package mistral is the Mistral architecture (Jiang et al. 2023, arXiv:2310.06825):
// Llama's block, with attention that may slide in every layer.
package mistral

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model"
)

const arch = "mistral"

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
	MaxPositionEmbeddings int      `json:"max_position_embeddings"` // default: 131,072
	HiddenAct             string   `json:"hidden_act"`              // default: silu
	TieWordEmbeddings     *bool    `json:"tie_word_embeddings"`     // absent: tied when there is no lm_head
	LayerTypes            []string `json:"layer_types"`             // absent: all slide when there is a window
	SlidingWindow         int      `json:"sliding_window"`          // null: none

	Rope    *model.RopeConfig `json:"-"` // default theta: 10,000
	Windows []int             `json:"-"` // keys that each layer's queries see, 0: all
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := &Config{HiddenAct: "silu", MaxPositionEmbeddings: 131_072}
	err := model.ReadConfig(arch, raw, c, map[string]model.Harmless{"attention_bias": model.Is(false), "mlp_bias": model.Is(false)},
		"layer_types", "sliding_window")
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
		return fmt.Errorf("mistral: config.json: rms_norm_eps is %v, want a number above 0", c.RMSNormEps)
	}
	c.Windows, err = model.Windows(arch, c.NumHiddenLayers, c.LayerTypes, c.SlidingWindow, func(int) bool { return c.SlidingWindow > 0 })
	if err != nil {
		return err
	}
	return model.CheckHeads(arch, c.HiddenSize, c.NumAttentionHeads, &c.NumKeyValueHeads, &c.HeadDim)
}
