// Package lfm2 is the architecture of LFM2 (Liquid AI 2025, arXiv:2511.23404): in most layers a gated
// convolution over a few positions in place of attention, in the others attention with a norm on each
// head's queries and keys. Its mixtures have experts in place of the MLP.
package lfm2

import (
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: an ε of 1e-5, 128,000
// positions, a base of 1,000,000, a convolution over 3 positions, a head tied to the embedding.
type Config struct {
	load.Standard
	NormEps      float64 `json:"norm_eps"`
	ConvBias     bool    `json:"conv_bias"`
	ConvLCache   int     `json:"conv_L_cache"`   // positions that a convolution sees
	FullAttnIdxs []int   `json:"full_attn_idxs"` // the layers that attend, as older files say it
	TieEmbedding *bool   `json:"tie_embedding"`  // tie_word_embeddings, as the authors' files say it

	// of the MLP
	BlockDim              *int     `json:"block_dim"`    // hidden_size again
	BlockFFDim            int      `json:"block_ff_dim"` // default: intermediate_size
	BlockAutoAdjustFFDim  bool     `json:"block_auto_adjust_ff_dim"`
	BlockFFNDimMultiplier *float64 `json:"block_ffn_dim_multiplier"`
	BlockMultipleOf       int      `json:"block_multiple_of"`

	// of a mixture
	load.Sparse
	NumDenseLayers      int     `json:"num_dense_layers"` // the first ones
	UseExpertBias       bool    `json:"use_expert_bias"`
	RoutedScalingFactor float64 `json:"routed_scaling_factor"`

	Conv []bool `json:"-"` // the layers that convolve

	mixture bool
}

func defaults() *Config {
	one := 1.0
	return &Config{
		Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 128_000, NumKeyValueHeads: 8}, NormEps: 1e-5, ConvLCache: 3,
		BlockAutoAdjustFFDim: true, BlockFFNDimMultiplier: &one, BlockMultipleOf: 256,
	}
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and is not
// implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := defaults()
	if err := c.read("lfm2", raw); err != nil {
		return nil, err
	}
	return c, nil
}

// ParseMixture reads the config.json of a mixture. Defaults: the first 2 layers have no experts, the
// others 32 of 1,792 dimensions, of which a position takes 4.
func ParseMixture(raw []byte) (*Config, error) {
	c := defaults()
	c.mixture, c.BlockAutoAdjustFFDim = true, false
	c.NumDenseLayers, c.UseExpertBias, c.RoutedScalingFactor = 2, true, 1
	c.Sparse = load.Sparse{NumExpertsPerTok: 4, MoEIntermediateSize: 1792, NormTopKProb: true}
	own := map[string]load.Harmless{ // no program reads them here
		"block_auto_adjust_ff_dim": load.Is(false), "block_ff_dim": load.Null, "decoder_sparse_step": load.Is(1.0), "mlp_only_layers": load.Empty, "num_local_experts": load.Null,
	}
	if err := c.read("lfm2_moe", raw, own); err != nil {
		return nil, err
	}
	if c.NumDenseLayers < 0 {
		return nil, fmt.Errorf("lfm2_moe: config.json: num_dense_layers is %d, want 0 or more", c.NumDenseLayers)
	}
	return c, c.Sparse.Complete("lfm2_moe", c.NumHiddenLayers, 32)
}

func (c *Config) read(arch string, raw []byte, more ...map[string]load.Harmless) error {
	own := map[string]load.Harmless{
		"use_pos_enc": load.Is(true), "block_use_swiglu": load.Is(true), // no program reads them
		"num_key_value_heads": load.Number, "rope_traditional": load.Is(false),
	}
	implemented := []string{"layer_types"}
	for _, keys := range more {
		for key, harmless := range keys {
			own[key] = harmless
		}
		implemented = append(implemented, "num_experts")
	}
	if err := load.ReadConfig(arch, raw, c, own, implemented...); err != nil {
		return err
	}
	if err := c.mixers(arch); err != nil {
		return err
	}
	if err := c.width(arch); err != nil {
		return err
	}
	if err := c.ties(arch); err != nil {
		return err
	}
	c.RMSNormEps = c.NormEps
	return load.Traits{Arch: arch, Theta: 1_000_000, Acts: []string{"silu"}, Eps: "norm_eps", FinalNorm: "model.embedding_norm"}.Complete(raw, &c.Standard)
}

// mixers reads which layers attend.
func (c *Config) mixers(arch string) error {
	if err := load.CheckSizes(arch, load.Size{Key: "num_hidden_layers", Value: c.NumHiddenLayers}, load.Size{Key: "conv_L_cache", Value: c.ConvLCache}); err != nil {
		return err
	}
	types := c.LayerTypes
	c.LayerTypes = nil // of the rest of the config it says no more
	c.Conv = make([]bool, c.NumHiddenLayers)
	switch {
	case types != nil && len(types) != c.NumHiddenLayers:
		return fmt.Errorf("%s: config.json: layer_types has %d layers, and num_hidden_layers is %d", arch, len(types), c.NumHiddenLayers)
	case types == nil && c.FullAttnIdxs == nil && c.mixture:
		return fmt.Errorf("%s: config.json: neither layer_types nor full_attn_idxs says which layers attend", arch)
	case types == nil && c.FullAttnIdxs == nil:
		return nil // all attend, as in transformers
	}
	for layer, kind := range types {
		if kind != "conv" && kind != "full_attention" {
			return fmt.Errorf("%s: config.json: layer_types %q is not implemented (have: conv, full_attention)", arch, kind)
		}
		c.Conv[layer] = kind == "conv"
	}
	if c.FullAttnIdxs == nil {
		return nil
	}
	for _, layer := range c.FullAttnIdxs {
		if layer < 0 || layer >= c.NumHiddenLayers {
			return fmt.Errorf("%s: config.json: full_attn_idxs has %d, and there are %d layers", arch, layer, c.NumHiddenLayers)
		}
	}
	for layer := range c.Conv {
		conv := !slices.Contains(c.FullAttnIdxs, layer)
		if types != nil && c.Conv[layer] != conv {
			return fmt.Errorf("%s: config.json: layer_types has %q for layer %d, and full_attn_idxs is %v: programs differ in which they read; remove the wrong one",
				arch, types[layer], layer, c.FullAttnIdxs)
		}
		c.Conv[layer] = conv
	}
	return nil
}

// width completes the hidden size of the MLP, of which the config may state what it is made of:
//
//	d_mlp = m·⌈⌊f·⌊2·d/3⌋⌋ / m⌉
func (c *Config) width(arch string) error {
	if c.BlockDim != nil && *c.BlockDim != c.HiddenSize {
		return fmt.Errorf("%s: config.json: block_dim is %d, and hidden_size %d: not implemented", arch, *c.BlockDim, c.HiddenSize)
	}
	if c.BlockFFDim != 0 {
		c.IntermediateSize = c.BlockFFDim
	}
	if !c.BlockAutoAdjustFFDim {
		return nil
	}
	if err := load.CheckSizes(arch, load.Size{Key: "intermediate_size", Value: c.IntermediateSize}, load.Size{Key: "block_multiple_of", Value: c.BlockMultipleOf}); err != nil {
		return err
	}
	if c.BlockFFNDimMultiplier == nil {
		return fmt.Errorf("%s: config.json: block_ffn_dim_multiplier is null, and programs differ in what they make of that: write 1.0, or set block_auto_adjust_ff_dim to false", arch)
	}
	scaled := *c.BlockFFNDimMultiplier * float64(int(2*float64(c.IntermediateSize)/3))
	adjusted := load.Size{Key: "intermediate_size, as block_ffn_dim_multiplier makes it,", Value: int(max(0, min(scaled, 1<<40)))}
	if err := load.CheckSizes(arch, adjusted); err != nil {
		return err
	}
	c.IntermediateSize = (adjusted.Value + c.BlockMultipleOf - 1) / c.BlockMultipleOf * c.BlockMultipleOf
	return nil
}

// ties reads whether the head is the embedding.
func (c *Config) ties(arch string) error {
	if c.TieEmbedding != nil && c.TieWordEmbeddings != nil && *c.TieEmbedding != *c.TieWordEmbeddings {
		return fmt.Errorf("%s: config.json: tie_embedding is %v, and tie_word_embeddings %v: remove the wrong one", arch, *c.TieEmbedding, *c.TieWordEmbeddings)
	}
	if c.TieEmbedding != nil {
		c.TieWordEmbeddings = c.TieEmbedding
	}
	if c.TieWordEmbeddings == nil {
		tied := true
		c.TieWordEmbeddings = &tied
	}
	return nil
}

// sparse reports whether a layer has experts.
func (c *Config) sparse(layer int) bool { return c.mixture && layer >= c.NumDenseLayers }

// convolves reports whether some layer does.
func (c *Config) convolves() bool { return slices.Contains(c.Conv, true) }

// shape completes the model's sizes.
func (c *Config) shape(s model.Shape) model.Shape {
	if c.mixture {
		s = c.Sizes(s)
	}
	if !c.convolves() {
		return s
	}
	s.DConv = c.HiddenSize
	s.DRecurrent = 4 * c.HiddenSize // what goes into the convolution with its gates, and what comes out
	s.Own = make([]model.LayerShape, s.Layers)
	for layer, conv := range c.Conv {
		if conv {
			s.Own[layer].State = (c.ConvLCache - 1) * c.HiddenSize
		}
	}
	return s
}
