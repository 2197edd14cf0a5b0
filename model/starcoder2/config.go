// Package starcoder2 is the StarCoder2 architecture (Lozhkov et al. 2024, arXiv:2402.19173):
// layer norms, biases on every matrix but the head, grouped queries with a sliding window,
// rotary positions, a GELU MLP, a tied head.
package starcoder2

import (
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: gelu_pytorch_tanh, a
// base of 10,000, 2 heads of keys, 4,096 positions, tied.
type Config struct {
	load.Standard
	NormEpsilon float64 `json:"norm_epsilon"` // default: 1e-5
	UseBias     bool    `json:"use_bias"`     // on every matrix but the head; default: true
}

// own are keys of which a value that is not the usual one would mean something else. A window
// holds in every layer, whatever layer_types says.
var own = map[string]load.Harmless{
	"layer_types": load.Null, "sliding_window": func(v any) bool { return v != 0.0 },
	"num_key_value_heads": load.Number, "mlp_type": load.Is("default"), "norm_type": load.Is("layer_norm"),
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	tied := true
	c := &Config{
		Standard:    load.Standard{HiddenAct: "gelu_pytorch_tanh", NumKeyValueHeads: 2, MaxPositionEmbeddings: 4096, TieWordEmbeddings: &tied},
		NormEpsilon: 1e-5, UseBias: true,
	}
	if err := load.ReadConfig("starcoder2", raw, c, own, "use_bias"); err != nil {
		return nil, err
	}
	c.RMSNormEps = c.NormEpsilon
	if *c.TieWordEmbeddings {
		c.TieWordEmbeddings = nil // a head that a file has nevertheless is taken, as in transformers
	}
	traits := load.Traits{
		Arch: "starcoder2", Theta: 10_000, Acts: load.ActivationNames(), Eps: "norm_epsilon", WindowsIgnored: true, LayerNorm: true,
		Slide: func(int) bool { return c.SlidingWindow != 0 },
	}
	return c, traits.Complete(raw, &c.Standard)
}
