// Package stablelm is the StableLM architecture (Bellagente et al. 2024, arXiv:2402.17834):
// Llama's attention and MLP behind layer norms, rotary positions on a part of each head; the
// largest, of 12 billion parameters, has attention and MLP in parallel, and norms each head.
package stablelm

import (
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: silu, a base of
// 10,000, a quarter of each head turns, 32 heads of keys, 4,096 positions, a head of its own.
type Config struct {
	load.Standard
	LayerNormEps        float64 `json:"layer_norm_eps"`        // default: 1e-5
	UseQKVBias          bool    `json:"use_qkv_bias"`          // on queries, keys and values
	QKLayerNorm         bool    `json:"qk_layernorm"`          // a layer norm for each head of queries and of keys
	UseParallelResidual bool    `json:"use_parallel_residual"` // attention and MLP behind one norm
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	untied := false
	c := &Config{
		Standard:     load.Standard{HiddenAct: "silu", NumKeyValueHeads: 32, MaxPositionEmbeddings: 4096, TieWordEmbeddings: &untied},
		LayerNormEps: 1e-5,
	}
	if err := load.ReadConfig("stablelm", raw, c, map[string]load.Harmless{"num_key_value_heads": load.Number}, "partial_rotary_factor", "use_qkv_bias", "qk_layernorm", "use_parallel_residual"); err != nil {
		return nil, err
	}
	c.RMSNormEps = c.LayerNormEps
	if *c.TieWordEmbeddings {
		c.TieWordEmbeddings = nil // a head that a file has nevertheless is taken, as in transformers
	}
	traits := load.Traits{
		Arch: "stablelm", Theta: 10_000, Partial: 0.25, Acts: load.ActivationNames(), Eps: "layer_norm_eps", Width: true, LayerNorm: true,
	}
	return c, traits.Complete(raw, &c.Standard)
}
