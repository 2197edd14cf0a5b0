// Package phi is the architecture of Phi-1, Phi-1.5 and Phi-2 (Gunasekar et al. 2023,
// arXiv:2306.11644; Li et al. 2023, arXiv:2309.05463): attention and MLP in parallel behind one
// layer norm, biases everywhere, on the head too, rotary positions on a part of each head.
package phi

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: gelu_new, a base of
// 10,000, half of each head turns, 2,048 positions, a head of its own.
type Config struct {
	load.Standard
	LayerNormEps float64 `json:"layer_norm_eps"` // default: 1e-5
	QKLayerNorm  bool    `json:"qk_layernorm"`   // a layer norm on each head's queries and keys
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	untied := false
	c := &Config{
		Standard:     load.Standard{HiddenAct: "gelu_new", MaxPositionEmbeddings: 2048, TieWordEmbeddings: &untied},
		LayerNormEps: 1e-5,
	}
	if err := load.ReadConfig("phi", raw, c, nil, "partial_rotary_factor", "qk_layernorm"); err != nil {
		return nil, err
	}
	c.RMSNormEps = c.LayerNormEps
	traits := load.Traits{Arch: "phi", Theta: 10_000, Partial: 0.5, Acts: load.ActivationNames(), Eps: "layer_norm_eps"}
	if err := traits.Complete(raw, &c.Standard); err != nil {
		return nil, err
	}
	if c.QKLayerNorm && c.QWidth() != c.HiddenSize {
		return nil, fmt.Errorf("phi: config.json: qk_layernorm with head_dim %d of %d heads of hidden_size %d is not implemented: its norms have hidden_size/heads dimensions",
			c.HeadDim, c.NumAttentionHeads, c.HiddenSize)
	}
	return c, nil
}
