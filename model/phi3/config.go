// Package phi3 is the Phi-3 architecture (Abdin et al. 2024, arXiv:2404.14219): Llama's
// block with one matrix for queries, keys and values and one for both branches of the
// MLP; longrope for long contexts.
package phi3

import (
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: silu, a base of
// 10,000, 131,072 positions. A window is every layer's where layer_types does not say
// otherwise; heads are HiddenSize / NumAttentionHeads wide.
type Config struct{ load.Standard }

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := &Config{load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 131_072}}
	own := map[string]load.Harmless{"attention_bias": load.Is(false)}
	if err := load.ReadConfig("phi3", raw, c, own, "layer_types", "sliding_window"); err != nil {
		return nil, err
	}
	c.HeadDim = 0 // its head_dim is not read
	traits := load.Traits{Arch: "phi3", Theta: 10_000, Acts: []string{"silu"}, Slide: func(int) bool { return c.SlidingWindow > 0 }}
	return c, traits.Complete(raw, &c.Standard)
}
