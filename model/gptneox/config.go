// Package gptneox is the GPT-NeoX architecture (Black et al. 2022, arXiv:2204.06745), which
// Pythia has (Biderman et al. 2023, arXiv:2304.01373): layer norms, biases everywhere, rotary
// positions on a part of each head, attention and MLP that read the same stream.
package gptneox

import (
	"fmt"

	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: 2,048 positions.
type Config struct {
	load.Standard
	LayerNormEps        float64 `json:"layer_norm_eps"`        // default: 1e-5
	RotaryPct           float64 `json:"rotary_pct"`            // the part of each head that turns; default: 0.25
	RotaryEmbBase       float64 `json:"rotary_emb_base"`       // default: 10,000
	UseParallelResidual bool    `json:"use_parallel_residual"` // default: true
	AttentionBias       bool    `json:"attention_bias"`        // default: true
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	untied := false
	c := &Config{
		Standard:     load.Standard{HiddenAct: "gelu", MaxPositionEmbeddings: 2048, TieWordEmbeddings: &untied},
		LayerNormEps: 1e-5, RotaryPct: 0.25, RotaryEmbBase: 10_000, UseParallelResidual: true, AttentionBias: true,
	}
	own := map[string]load.Harmless{"rope_theta": load.Null, "partial_rotary_factor": load.Null} // no judge reads them here
	if err := load.ReadConfig("gpt_neox", raw, c, own, "attention_bias", "use_parallel_residual", "rotary_pct", "rotary_emb_base"); err != nil {
		return nil, err
	}
	c.RMSNormEps = c.LayerNormEps
	traits := load.Traits{Arch: "gpt_neox", Theta: c.RotaryEmbBase, Partial: c.RotaryPct, Acts: load.ActivationNames(), Eps: "layer_norm_eps", OwnKeys: true}
	if err := traits.Complete(raw, &c.Standard); err != nil {
		return nil, err
	}
	return c, c.agree(raw)
}

// agree refuses a base or a part that rope_parameters contradicts: programs differ in which
// they read.
func (c *Config) agree(raw []byte) error {
	var said struct {
		Base *float64 `json:"rotary_emb_base"`
		Part *float64 `json:"rotary_pct"`
	}
	if err := exactjson.Unmarshal(raw, &said); err != nil {
		return fmt.Errorf("gpt_neox: config.json: %w", err)
	}
	if said.Base != nil && *said.Base != c.Rope.Theta {
		return fmt.Errorf("gpt_neox: config.json: rotary_emb_base is %v, and rope_theta %v in rope_parameters: remove the wrong one", *said.Base, c.Rope.Theta)
	}
	if said.Part != nil && *said.Part != c.Rope.Partial {
		return fmt.Errorf("gpt_neox: config.json: rotary_pct is %v, and partial_rotary_factor %v in rope_parameters: remove the wrong one", *said.Part, c.Rope.Partial)
	}
	return nil
}
