// Package olmoe is the OLMoE architecture (Muennighoff et al. 2024, arXiv:2409.02060): Llama's
// block with an RMS norm over all heads of queries and keys, and experts in place of the MLP.
package olmoe

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: silu, a base of
// 10,000, 4,096 positions, 64 experts of intermediate_size dimensions, of which a position takes 8.
type Config struct {
	load.Standard
	load.Sparse
	AttentionBias bool     `json:"attention_bias"`
	ClipQKV       *float64 `json:"clip_qkv"` // bound on queries, keys and values; null: none
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	untied := false
	c := &Config{
		Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 4096, TieWordEmbeddings: &untied, RMSNormEps: 1e-5},
		Sparse:   load.Sparse{NumExpertsPerTok: 8},
	}
	own := map[string]load.Harmless{"decoder_sparse_step": load.Is(1.0), "mlp_only_layers": load.Empty, "moe_intermediate_size": load.Null} // no program reads them here
	if err := load.ReadConfig("olmoe", raw, c, own, "num_experts", "num_local_experts", "attention_bias", "clip_qkv", "rope_traditional"); err != nil {
		return nil, err
	}
	if c.ClipQKV != nil && *c.ClipQKV <= 0 {
		return nil, fmt.Errorf("olmoe: config.json: clip_qkv is %v, want a number above 0 or null", *c.ClipQKV)
	}
	if err := (load.Traits{Arch: "olmoe", Theta: 10_000, Acts: []string{"silu"}}).Complete(raw, &c.Standard); err != nil {
		return nil, err
	}
	if c.HeadDim*c.NumAttentionHeads != c.HiddenSize {
		return nil, fmt.Errorf("olmoe: config.json: head_dim %d is not hidden_size %d over %d heads: programs differ in what they do then", c.HeadDim, c.HiddenSize, c.NumAttentionHeads)
	}
	c.MoEIntermediateSize = c.IntermediateSize
	return c, c.Sparse.Complete("olmoe", c.NumHiddenLayers, 64)
}
