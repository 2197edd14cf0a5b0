// Package qwen3 is the Qwen3 architecture (Yang et al. 2025, arXiv:2505.09388):
// Llama's block with an RMS norm on each head's queries and keys. Its mixtures have experts in
// place of the MLP. Of Qwen3-VL (Bai et al. 2025, arXiv:2511.21631) it is the text part.
package qwen3

import (
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: silu, a base of
// 1,000,000, 32,768 positions.
type Config struct {
	load.Standard
	AttentionBias    bool `json:"attention_bias"`
	UseSlidingWindow bool `json:"use_sliding_window"`
	MaxWindowLayers  int  `json:"max_window_layers"` // layers before it do not slide; default: 28

	load.Sparse // of a mixture
	mixture     bool

	sees bool // it is the text part of a Qwen3-VL
}

// ParseMixture reads the config.json of a mixture, whose layers all slide where use_sliding_window
// says so. Defaults: a base of 10,000, 32,768 positions, 128 experts of 768 dimensions, of which a
// position takes 8.
func ParseMixture(raw []byte) (*Config, error) {
	c := &Config{
		Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 32_768}, mixture: true,
		Sparse: load.Sparse{NumExpertsPerTok: 8, MoEIntermediateSize: 768, DecoderSparseStep: 1},
	}
	own := map[string]load.Harmless{
		"layer_types": load.Null,     // no program reads it here
		"use_qk_norm": load.Is(true), // nor this: the norms are always there, and Qwen3-Coder's files say so
	}
	if err := load.ReadConfig("qwen3_moe", raw, c, own, "sliding_window", "attention_bias", "num_experts", "num_local_experts"); err != nil {
		return nil, err
	}
	traits := load.Traits{
		Arch: "qwen3_moe", Theta: 10_000, Acts: []string{"silu"}, WindowsIgnored: true,
		Slide: func(int) bool { return c.UseSlidingWindow && c.SlidingWindow > 0 },
	}
	if err := traits.Complete(raw, &c.Standard); err != nil {
		return nil, err
	}
	return c, c.Sparse.Complete("qwen3_moe", c.NumHiddenLayers, 128)
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := &Config{Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 32_768}, MaxWindowLayers: 28}
	if err := load.ReadConfig("qwen3", raw, c, map[string]load.Harmless{"use_qk_norm": load.Is(true)}, "layer_types", "sliding_window", "attention_bias"); err != nil {
		return nil, err
	}
	return c, c.traits().Complete(raw, &c.Standard)
}

func (c *Config) traits() load.Traits {
	return load.Traits{
		Arch: "qwen3", Theta: 1_000_000, Acts: []string{"silu"}, WindowsIgnored: true,
		Slide: func(layer int) bool { return c.UseSlidingWindow && c.SlidingWindow > 0 && layer >= c.MaxWindowLayers },
	}
}

// MixtureFromGGUF is ConfigFromGGUF for general.architecture qwen3moe, whose experts' weights sum
// to 1 and which every layer has.
func MixtureFromGGUF(meta map[string]any, vocab int) (*Config, error) {
	r, c := load.ReadMetadata("qwen3moe", meta), &Config{mixture: true}
	c.Standard = r.Standard(vocab, 10_000)
	c.Sparse = load.Sparse{
		NumExperts: r.Required("expert_count"), NumExpertsPerTok: r.Required("expert_used_count"), MoEIntermediateSize: r.Required("expert_feed_forward_length"), NormTopKProb: true,
	}
	r.WholeHeads(&c.Standard)
	if err := r.Err(); err != nil {
		return nil, err
	}
	if err := (load.Traits{Arch: "qwen3moe", Acts: []string{"silu"}}).Complete(nil, &c.Standard); err != nil {
		return nil, err
	}
	return c, c.Sparse.Complete("qwen3moe", c.NumHiddenLayers, 0)
}

// ConfigFromGGUF reads the metadata that llama.cpp's converter writes for
// general.architecture qwen3. vocab is the number of rows of the embedding.
func ConfigFromGGUF(meta map[string]any, vocab int) (*Config, error) {
	r, c := load.ReadMetadata("qwen3", meta), &Config{}
	c.Standard = r.Standard(vocab, c.traits().Theta)
	r.WholeHeads(&c.Standard)
	if err := r.Err(); err != nil {
		return nil, err
	}
	return c, c.traits().Complete(nil, &c.Standard)
}
