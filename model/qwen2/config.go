// Package qwen2 is the Qwen2 architecture (Yang et al. 2024, arXiv:2407.10671):
// Llama's block with biases on queries, keys and values.
package qwen2

import (
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: silu, a base of
// 1,000,000, 32,768 positions.
type Config struct {
	load.Standard
	UseSlidingWindow bool `json:"use_sliding_window"`
	MaxWindowLayers  int  `json:"max_window_layers"` // layers before it do not slide; default: 28
}

func (c *Config) traits() load.Traits {
	return load.Traits{
		Arch: "qwen2", Theta: 1_000_000, Acts: []string{"silu"},
		Slide: func(layer int) bool { return c.UseSlidingWindow && c.SlidingWindow > 0 && layer >= c.MaxWindowLayers },
	}
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := &Config{Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 32_768}, MaxWindowLayers: 28}
	if err := load.ReadConfig("qwen2", raw, c, nil, "layer_types", "sliding_window"); err != nil {
		return nil, err
	}
	return c, c.traits().Complete(raw, &c.Standard)
}

// ConfigFromGGUF reads the metadata that llama.cpp's converter writes for
// general.architecture qwen2. vocab is the number of rows of the embedding.
func ConfigFromGGUF(meta map[string]any, vocab int) (*Config, error) {
	c := &Config{}
	r := load.ReadMetadata("qwen2", meta)
	c.Standard = r.Standard(vocab, c.traits().Theta)
	r.Refuse("expert_count", "attention.sliding_window")
	if err := r.Err(); err != nil {
		return nil, err
	}
	return c, c.traits().Complete(nil, &c.Standard)
}
