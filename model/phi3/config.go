// Package phi3 is the Phi-3 architecture (Abdin et al. 2024, arXiv:2404.14219): Llama's
// block with one matrix for queries, keys and values and one for both branches of the
// MLP; longrope for long contexts.
package phi3

import (
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: silu, a base of
// 10,000, 4,096 positions. A window is every layer's where layer_types does not say
// otherwise; heads are HiddenSize / NumAttentionHeads wide.
type Config struct{ load.Standard }

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := &Config{load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 4096}}
	if err := load.ReadConfig("phi3", raw, c, nil, "layer_types", "sliding_window", "partial_rotary_factor", "rope_traditional"); err != nil {
		return nil, err
	}
	c.HeadDim = 0 // its head_dim is not read
	return c, c.traits().Complete(raw, &c.Standard)
}

func (c *Config) traits() load.Traits {
	return load.Traits{Arch: "phi3", Theta: 10_000, Partial: 1, Acts: []string{"silu"}, WindowsIgnored: true, Slide: func(int) bool { return c.SlidingWindow > 0 }}
}

// ConfigFromGGUF reads the metadata that llama.cpp's converter writes for
// general.architecture phi3. vocab is the number of rows of the embedding. A window holds in
// every layer, as in the authors' code; llama.cpp leaves it out.
func ConfigFromGGUF(meta map[string]any, vocab int) (*Config, error) {
	r, c := load.ReadMetadata("phi3", meta), &Config{}
	c.Standard = r.Standard(vocab, c.traits().Theta)
	c.SlidingWindow = r.Int("attention.sliding_window", 0)
	turning := r.Int("rope.dimension_count", 0)
	if err := r.Err(); err != nil {
		return nil, err
	}
	if err := c.traits().Complete(nil, &c.Standard); err != nil {
		return nil, err
	}
	if turning > 0 {
		c.Rope.Partial = float64(turning) / float64(c.HeadDim)
	}
	return c, nil
}
