// Package olmo2 is the OLMo 2 architecture (OLMo Team 2024, arXiv:2501.00656): Llama's
// parts with the norms after attention and MLP instead of before, and an RMS norm on
// queries and keys.
//
// OLMo 3 (OLMo Team 2025, arXiv:2512.13961) is OLMo 2 but that three of four layers slide, which
// turn without the scaling of those that see all.
package olmo2

import (
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: silu, a base of
// 10,000, 2,048 positions.
type Config struct {
	load.Standard
	AttentionBias bool `json:"attention_bias"`
	MLPBias       bool `json:"mlp_bias"`

	SlidingRope *load.RopeConfig `json:"-"` // of layers that slide; nil: Rope

	notes []model.Note // of what differs from other programs
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := &Config{Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 2048}}
	if err := load.ReadConfig("olmo2", raw, c, nil, "attention_bias", "mlp_bias", "rope_traditional"); err != nil {
		return nil, err
	}
	return c, load.Traits{Arch: "olmo2", Theta: 10_000, Acts: []string{"silu"}}.Complete(raw, &c.Standard)
}
