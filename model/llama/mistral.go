package llama

import (
	"github.com/mlxlens/mlxlens/model/load"
)

// ParseMistral reads the config.json of a Mistral: no biases, and where there is a window
// and layer_types does not say otherwise, it is every layer's. Default: 131,072 positions.
func ParseMistral(raw []byte) (*Config, error) {
	c := &Config{Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 131_072}}
	mistral := traits
	mistral.Arch, mistral.Slide = "mistral", func(int) bool { return c.SlidingWindow > 0 }
	biases := map[string]load.Harmless{"attention_bias": load.Is(false), "mlp_bias": load.Is(false)}
	if err := load.ReadConfig(mistral.Arch, raw, c, biases, "layer_types", "sliding_window"); err != nil {
		return nil, err
	}
	return c, mistral.Complete(raw, &c.Standard)
}
