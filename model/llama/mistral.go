package llama

import (
	"github.com/mlxlens/mlxlens/model/load"
)

// ParseMistral reads the config.json of a Mistral: no biases, and where there is a window
// and layer_types does not say otherwise, it is every layer's. Default: 131,072 positions.
func ParseMistral(raw []byte) (*Config, error) {
	c := &Config{Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 131_072}}
	mistral := traits
	mistral.Arch, mistral.WindowsIgnored, mistral.Slide = "mistral", true, func(int) bool { return c.SlidingWindow > 0 }
	own := map[string]load.Harmless{"use_sliding_window": load.Is(true)}
	if err := load.ReadConfig(mistral.Arch, raw, c, own, "layer_types", "sliding_window", "rope_traditional"); err != nil {
		return nil, err
	}
	return c, mistral.Complete(raw, &c.Standard)
}
