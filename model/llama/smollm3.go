package llama

import (
	"encoding/json"
	"fmt"

	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// smollm3 are the keys of its config.json beyond Llama's.
type smollm3 struct {
	UseSlidingWindow    bool            `json:"use_sliding_window"`
	NoRopeLayers        []int           `json:"no_rope_layers"`         // 0: the layer has no positions
	NoRopeLayerInterval int             `json:"no_rope_layer_interval"` // every so many layers one has none, where no list says; default: 4
	NumKeyValueHeads    json.RawMessage `json:"num_key_value_heads"`    // default: 4
	RopeTheta           *float64        `json:"rope_theta"`
}

// ParseSmolLM3 reads the config.json of a SmolLM3: queries and keys of some layers do not turn.
// Where use_sliding_window says so and layer_types does not, those layers have a window.
// Defaults: a base of 2,000,000, 32,768 positions, 4 heads of keys, a head that is tied.
func ParseSmolLM3(raw []byte) (*Config, error) {
	tied := true
	c := &Config{Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 32_768, RMSNormEps: 1e-6, TieWordEmbeddings: &tied}}
	s := &smollm3{NoRopeLayerInterval: 4}
	err := load.ReadConfig("smollm3", raw, c, nil, "layer_types", "sliding_window", "attention_bias", "mlp_bias", "rope_traditional", "no_rope_layers", "no_rope_layer_interval")
	if err != nil {
		return nil, err
	}
	if err := exactjson.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("smollm3: config.json: %w", err)
	}
	if len(s.NumKeyValueHeads) == 0 {
		c.NumKeyValueHeads = 4
	}
	if err := s.positions(c); err != nil {
		return nil, err
	}
	traits := load.Traits{
		Arch: "smollm3", Theta: 2_000_000, Acts: []string{"silu"}, WindowsIgnored: c.LayerTypes == nil,
		Slide: func(layer int) bool { return s.UseSlidingWindow && c.SlidingWindow > 0 && c.NoPositions[layer] },
	}
	if err := traits.Complete(raw, &c.Standard); err != nil {
		return nil, err
	}
	if s.RopeTheta == nil && c.Rope.Theta == traits.Theta {
		c.notes = append(c.notes, model.Note{Text: "rope_theta is missing, and 2,000,000 takes its place, as in transformers; mlx-lm has 10,000"})
	}
	return c, nil
}

// positions sets which layers have none.
func (s *smollm3) positions(c *Config) error {
	if err := load.CheckSizes("smollm3", load.Size{Key: "num_hidden_layers", Value: c.NumHiddenLayers}); err != nil {
		return err
	}
	c.NoPositions = make([]bool, c.NumHiddenLayers)
	switch n := len(s.NoRopeLayers); {
	case s.NoRopeLayers == nil:
		if err := load.CheckSizes("smollm3", load.Size{Key: "no_rope_layer_interval", Value: s.NoRopeLayerInterval}); err != nil {
			return err
		}
		for i := range c.NoPositions {
			c.NoPositions[i] = (i+1)%s.NoRopeLayerInterval == 0
		}
	case n < c.NumHiddenLayers:
		return fmt.Errorf("smollm3: config.json: no_rope_layers has %d layers, and num_hidden_layers is %d", n, c.NumHiddenLayers)
	default:
		for i := range c.NoPositions {
			c.NoPositions[i] = s.NoRopeLayers[i] == 0
		}
	}
	return nil
}
