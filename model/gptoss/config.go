// Package gptoss is the architecture of gpt-oss (OpenAI 2025, arXiv:2508.10925): attention with a
// sink for each head, every other layer in a window; mixtures of experts with biases and a
// clipped SwiGLU.
package gptoss

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Real files leave many of
// them out; ParseConfig has the defaults.
type Config struct {
	load.Standard
	load.Sparse
	AttentionBias bool    `json:"attention_bias"`
	SwiGLUAlpha   float64 `json:"swiglu_alpha"`
	SwiGLULimit   float64 `json:"swiglu_limit"`
}

// defaults are those of gpt-oss-120b.
func defaults() *Config {
	untied := false
	return &Config{
		Standard: load.Standard{
			HiddenSize: 2880, IntermediateSize: 2880, NumHiddenLayers: 36, NumAttentionHeads: 64, NumKeyValueHeads: 8, HeadDim: 64, VocabSize: 201_088,
			RMSNormEps: 1e-5, MaxPositionEmbeddings: 131_072, HiddenAct: "silu", SlidingWindow: 128, TieWordEmbeddings: &untied,
		},
		Sparse:        load.Sparse{NumExpertsPerTok: 4, NormTopKProb: true},
		AttentionBias: true, SwiGLUAlpha: 1.702, SwiGLULimit: 7,
	}
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := defaults()
	own := map[string]load.Harmless{ // no program reads them here
		"norm_topk_prob": load.Is(true), "decoder_sparse_step": load.Is(1.0), "mlp_only_layers": load.Empty, "moe_intermediate_size": load.Null,
	}
	if err := load.ReadConfig("gpt_oss", raw, c, own, "attention_bias", "sliding_window", "layer_types", "num_experts", "num_local_experts"); err != nil {
		return nil, err
	}
	if c.SwiGLUAlpha <= 0 || c.SwiGLULimit <= 0 {
		return nil, fmt.Errorf("gpt_oss: config.json: swiglu_alpha is %v and swiglu_limit %v, want both above 0", c.SwiGLUAlpha, c.SwiGLULimit)
	}
	raw, err := load.WithRope("gpt_oss", raw, usualRope)
	if err != nil {
		return nil, err
	}
	if err := traits.Complete(raw, &c.Standard); err != nil {
		return nil, err
	}
	return c, c.complete()
}

// usualRope is how heads turn where a config says nothing of it.
const usualRope = `{"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": false, "original_max_position_embeddings": 4096}`

var traits = load.Traits{Arch: "gpt_oss", Theta: 150_000, Acts: []string{"silu"}, Slide: func(layer int) bool { return layer%2 == 0 }}

func (c *Config) complete() error {
	c.MoEIntermediateSize = c.IntermediateSize
	return c.Sparse.Complete("gpt_oss", c.NumHiddenLayers, 128)
}

// ConfigFromGGUF reads the metadata that llama.cpp's converter writes for general.architecture
// gpt-oss. vocab is the number of rows of the embedding. The ends of yarn are not rounded, which
// the file does not say.
func ConfigFromGGUF(meta map[string]any, vocab int) (*Config, error) {
	r, c := load.ReadMetadata("gpt-oss", meta), defaults()
	c.Standard = r.Standard(vocab, traits.Theta)
	c.Rope.WholeYarn()
	c.Sparse = load.Sparse{NumExperts: r.Required("expert_count"), NumExpertsPerTok: r.Required("expert_used_count"), NormTopKProb: true}
	c.SlidingWindow, c.IntermediateSize = r.Required("attention.sliding_window"), r.Required("expert_feed_forward_length")
	r.WholeHeads(&c.Standard)
	if err := r.Err(); err != nil {
		return nil, err
	}
	if err := traits.Complete(nil, &c.Standard); err != nil {
		return nil, err
	}
	return c, c.complete()
}
