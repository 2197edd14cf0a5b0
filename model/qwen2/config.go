// Package qwen2 is the Qwen2 architecture (Yang et al. 2024, arXiv:2407.10671):
// Llama's block with biases on queries, keys and values.
package qwen2

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model"
)

const arch = "qwen2"

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
	MaxPositionEmbeddings int      `json:"max_position_embeddings"` // default: 32,768
	HiddenAct             string   `json:"hidden_act"`              // default: silu
	TieWordEmbeddings     *bool    `json:"tie_word_embeddings"`     // absent: tied when there is no lm_head
	UseSlidingWindow      bool     `json:"use_sliding_window"`
	SlidingWindow         int      `json:"sliding_window"`
	MaxWindowLayers       int      `json:"max_window_layers"` // layers before it do not slide; default: 28
	LayerTypes            []string `json:"layer_types"`

	Rope    *model.RopeConfig `json:"-"` // default theta: 1,000,000
	Windows []int             `json:"-"` // keys that each layer's queries see, 0: all
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := &Config{HiddenAct: "silu", MaxPositionEmbeddings: 32_768, MaxWindowLayers: 28}
	err := model.ReadConfig(arch, raw, c, nil, "layer_types", "sliding_window")
	if err != nil {
		return nil, err
	}
	if c.Rope, err = model.ReadRope(raw, 1_000_000, "full_attention"); err != nil {
		return nil, err
	}
	return c, c.complete()
}

// ConfigFromGGUF reads the metadata that llama.cpp's converter writes for
// general.architecture qwen2. vocab is the number of rows of the embedding.
func ConfigFromGGUF(meta map[string]any, vocab int) (*Config, error) {
	r := model.ReadMetadata(arch, meta)
	c := &Config{
		HiddenSize:            r.Required("embedding_length"),
		IntermediateSize:      r.Required("feed_forward_length"),
		NumHiddenLayers:       r.Required("block_count"),
		NumAttentionHeads:     r.Required("attention.head_count"),
		MaxPositionEmbeddings: r.Required("context_length"),
		NumKeyValueHeads:      r.Int("attention.head_count_kv", 0),
		HeadDim:               r.Int("attention.key_length", 0),
		VocabSize:             vocab,
		RMSNormEps:            r.Number("attention.layer_norm_rms_epsilon", 0),
		HiddenAct:             "silu",
	}
	r.Refuse("expert_count", "attention.sliding_window")
	var err error
	if c.Rope, err = r.Rope(1_000_000, c.MaxPositionEmbeddings); err != nil {
		return nil, err
	}
	if err := r.Err(); err != nil {
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
		return fmt.Errorf("qwen2: config.json: rms_norm_eps is %v, want a number above 0", c.RMSNormEps)
	}
	c.Windows, err = model.Windows(arch, c.NumHiddenLayers, c.LayerTypes, c.SlidingWindow,
		func(layer int) bool { return c.UseSlidingWindow && c.SlidingWindow > 0 && layer >= c.MaxWindowLayers })
	if err != nil {
		return err
	}
	return model.CheckHeads(arch, c.HiddenSize, c.NumAttentionHeads, &c.NumKeyValueHeads, &c.HeadDim)
}
