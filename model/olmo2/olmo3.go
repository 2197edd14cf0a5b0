package olmo2

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// olmo3Theta is the base where a config has none.
const olmo3Theta = 500_000

// ParseOLMo3 reads the config.json of an OLMo 3: where layer_types does not say otherwise, every
// fourth layer sees all, and the others have a window. rope_scaling is of the layers that see all.
// Defaults: silu, a base of 500,000, 2,048 positions, a window of 4,096.
func ParseOLMo3(raw []byte) (*Config, error) {
	c := &Config{Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 2048, SlidingWindow: 4096, RMSNormEps: 1e-5}}
	if err := load.ReadConfig("olmo3", raw, c, nil, "attention_bias", "layer_types", "sliding_window"); err != nil {
		return nil, err
	}
	traits := load.Traits{
		Arch: "olmo3", Theta: olmo3Theta, Acts: []string{"silu"}, RopeByLayer: true,
		Slide: func(layer int) bool { return (layer+1)%4 != 0 },
	}
	if err := traits.Complete(raw, &c.Standard); err != nil {
		return nil, err
	}
	return c, c.readSlidingRope(raw)
}

// readSlidingRope reads how the layers that slide turn, and refuses what no program reads.
func (c *Config) readSlidingRope(raw []byte) (err error) {
	var j struct {
		Parameters map[string]json.RawMessage `json:"rope_parameters"`
	}
	if err := exactjson.Unmarshal(raw, &j); err != nil {
		return fmt.Errorf("olmo3: config.json: rope_parameters: %w", err)
	}
	for _, key := range slices.Sorted(maps.Keys(j.Parameters)) {
		if key != "full_attention" && key != "sliding_attention" {
			return fmt.Errorf("olmo3: config.json: rope_parameters has %s, which no program reads: it belongs into its full_attention and sliding_attention", key)
		}
	}
	if c.SlidingRope, err = load.SlidingRope("olmo3", raw, "rope_theta", olmo3Theta); err != nil {
		return err
	}
	if !c.Rope.Truncates() || !c.SlidingRope.Truncates() {
		return fmt.Errorf("olmo3: config.json: truncate false is not implemented: no program reads it for this model_type")
	}
	theirs, err := load.SlidingRope("olmo3", raw, "", olmo3Theta) // without rope_theta
	if err == nil && theirs.Theta != c.SlidingRope.Theta {
		c.notes = append(c.notes, model.Note{Text: fmt.Sprintf("layers that slide turn by rope_theta %v, as in mlx-lm; transformers 5 loses it on the way and takes %v for them",
			c.SlidingRope.Theta, theirs.Theta)})
	}
	return err
}
