// Package qwen3next is the architecture of Qwen3-Next and Qwen 3.5 to 3.8 (Qwen Team 2025): in most
// layers a gated delta rule (Yang, Kautz and Hatamizadeh 2024, arXiv:2412.06464) in place of
// attention, in every fourth attention with a gate (Qiu et al. 2025, arXiv:2505.06708); an MLP, or
// experts and one that all positions pass. Of the models that also see it is the text part.
package qwen3next

import (
	"fmt"

	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults are those of
// transformers: heads of 256 dimensions of which a quarter turns, every fourth layer attends, and
// the recurrent layers have 16 heads of keys and 32 of values, of 128 dimensions each.
type Config struct {
	load.Standard
	load.Sparse
	AttentionBias         bool `json:"attention_bias"`
	FullAttentionInterval int  `json:"full_attention_interval"` // each so many one attends, where layer_types does not say

	LinearConvKernelDim int `json:"linear_conv_kernel_dim"`
	LinearKeyHeadDim    int `json:"linear_key_head_dim"`
	LinearValueHeadDim  int `json:"linear_value_head_dim"`
	LinearNumKeyHeads   int `json:"linear_num_key_heads"`
	LinearNumValueHeads int `json:"linear_num_value_heads"`

	SharedExpertIntermediateSize int `json:"shared_expert_intermediate_size"`

	Linear []bool `json:"-"` // the layers that do not attend

	mixture       bool
	weightsUnsaid bool // the config says nothing of norm_topk_prob
	of35          bool // Qwen 3.5: a matrix for each projection, and maybe a part that sees
}

func defaults(kvHeads int) *Config {
	return &Config{
		Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 32_768, RMSNormEps: 1e-6, HeadDim: 256, NumKeyValueHeads: kvHeads},
		Sparse:   load.Sparse{MoEIntermediateSize: 512, NormTopKProb: true, DecoderSparseStep: 1}, FullAttentionInterval: 4,
		LinearConvKernelDim: 4, LinearKeyHeadDim: 128, LinearValueHeadDim: 128, LinearNumKeyHeads: 16, LinearNumValueHeads: 32,
		SharedExpertIntermediateSize: 512,
	}
}

// ParseNext reads the config.json of a Qwen3-Next. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine. Defaults: 512 experts, of which a position takes
// 10.
func ParseNext(raw []byte) (*Config, error) {
	c := defaults(2)
	c.mixture, c.NumExperts, c.NumExpertsPerTok = true, 512, 10
	if err := c.read("qwen3_next", raw, nil, "num_experts"); err != nil {
		return nil, err
	}
	var says struct {
		Weights *bool `json:"norm_topk_prob"`
	}
	err := exactjson.Unmarshal(raw, &says)
	c.weightsUnsaid = says.Weights == nil
	return c, err
}

// Parse35 reads the config.json of a Qwen 3.5, or that of a model that also sees.
func Parse35(raw []byte) (*Config, error) {
	c := defaults(4)
	c.of35 = true
	return unwrapped(c, "qwen3_5", raw, nil)
}

// Parse35Mixture reads that of a mixture. Defaults: 256 experts, of which a position takes 8.
func Parse35Mixture(raw []byte) (*Config, error) {
	c := defaults(2)
	c.of35, c.mixture, c.NumExperts, c.NumExpertsPerTok = true, true, 256, 8
	own := map[string]load.Harmless{ // all layers have experts, whose weights sum to 1
		"norm_topk_prob": load.Is(true), "decoder_sparse_step": load.Is(1.0), "mlp_only_layers": load.Empty,
	}
	return unwrapped(c, "qwen3_5_moe", raw, own, "num_experts")
}

func unwrapped(c *Config, arch string, raw []byte, own map[string]load.Harmless, implemented ...string) (*Config, error) {
	raw, _, err := load.Unwrap(arch, raw)
	if err == nil {
		err = c.read(arch, raw, own, implemented...)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Config) read(arch string, raw []byte, own map[string]load.Harmless, implemented ...string) error {
	all := map[string]load.Harmless{"attn_output_gate": load.Is(true), "mamba_ssm_dtype": load.Is("float32"), "output_gate_type": load.OneOf("swish", "silu")}
	for key, harmless := range own {
		all[key] = harmless
	}
	if err := load.ReadConfig(arch, raw, c, all, append(implemented, "attention_bias", "layer_types", "partial_rotary_factor")...); err != nil {
		return err
	}
	if err := c.mixers(arch); err != nil {
		return err
	}
	if err := saysTheta(arch, raw); err != nil {
		return err
	}
	if c.mixture {
		err := load.CheckSizes(arch, load.Size{Key: "num_experts", Value: c.NumExperts}, load.Size{Key: "shared_expert_intermediate_size", Value: c.SharedExpertIntermediateSize})
		if err != nil {
			return err
		}
		if c.of35 {
			c.IntermediateSize = c.SharedExpertIntermediateSize // no layer has another MLP
		}
	}
	if err := (load.Traits{Arch: arch, Theta: 10_000, Partial: 0.25, Acts: []string{"silu"}}).Complete(raw, &c.Standard); err != nil {
		return err
	}
	c.Rope.OneAxis()
	if !c.mixture {
		return nil
	}
	return c.Sparse.Complete(arch, c.NumHiddenLayers, c.NumExperts)
}

// mixers reads which layers attend, and checks the sizes of those that do not.
func (c *Config) mixers(arch string) error {
	err := load.CheckSizes(arch, load.Size{Key: "num_hidden_layers", Value: c.NumHiddenLayers}, load.Size{Key: "full_attention_interval", Value: c.FullAttentionInterval},
		load.Size{Key: "linear_key_head_dim", Value: c.LinearKeyHeadDim}, load.Size{Key: "linear_value_head_dim", Value: c.LinearValueHeadDim},
		load.Size{Key: "linear_num_key_heads", Value: c.LinearNumKeyHeads}, load.Size{Key: "linear_num_value_heads", Value: c.LinearNumValueHeads})
	if err != nil {
		return err
	}
	switch {
	case c.LinearNumValueHeads%c.LinearNumKeyHeads != 0:
		return fmt.Errorf("%s: config.json: linear_num_value_heads %d is no multiple of linear_num_key_heads %d", arch, c.LinearNumValueHeads, c.LinearNumKeyHeads)
	case c.LinearConvKernelDim < 2 || c.LinearConvKernelDim > 64:
		return fmt.Errorf("%s: config.json: linear_conv_kernel_dim is %d, want 2 to 64: the layout of its weights tells how a file has the gains of norms", arch, c.LinearConvKernelDim)
	case c.LayerTypes != nil && len(c.LayerTypes) != c.NumHiddenLayers:
		return fmt.Errorf("%s: config.json: layer_types has %d layers, and num_hidden_layers is %d", arch, len(c.LayerTypes), c.NumHiddenLayers)
	}
	c.Linear = make([]bool, c.NumHiddenLayers)
	for layer := range c.Linear {
		c.Linear[layer] = (layer+1)%c.FullAttentionInterval != 0
		if c.LayerTypes == nil {
			continue
		}
		switch c.Linear[layer] = false; c.LayerTypes[layer] {
		case "linear_attention":
			c.Linear[layer] = true
		case "full_attention":
		default:
			return fmt.Errorf("%s: config.json: layer_types %q is not implemented (have: full_attention, linear_attention)", arch, c.LayerTypes[layer])
		}
	}
	c.LayerTypes = nil // of the rest of the config it says no more
	if c.firstLinear() < 0 {
		return fmt.Errorf("%s: config.json: all layers attend, and nothing tells how a file has the gains of norms: not implemented", arch)
	}
	return nil
}

// saysTheta refuses a config without rope_theta, for which programs take different numbers.
func saysTheta(arch string, raw []byte) error {
	type theta struct {
		Theta *float64 `json:"rope_theta"`
	}
	var says struct {
		theta
		Scaling    theta `json:"rope_scaling"`
		Parameters theta `json:"rope_parameters"`
	}
	if err := exactjson.Unmarshal(raw, &says); err != nil {
		return fmt.Errorf("%s: config.json: %w", arch, err)
	}
	if says.Theta == nil && says.Scaling.Theta == nil && says.Parameters.Theta == nil {
		return fmt.Errorf("%s: config.json: rope_theta is missing, and programs differ in what they take then: add it", arch)
	}
	return nil
}

// firstLinear returns the first layer that does not attend, −1 if all do.
func (c *Config) firstLinear() int {
	for layer, linear := range c.Linear {
		if linear {
			return layer
		}
	}
	return -1
}

// channels is how many numbers of a position are convolved: queries, keys and values.
func (c *Config) channels() int {
	return 2*c.LinearNumKeyHeads*c.LinearKeyHeadDim + c.LinearNumValueHeads*c.LinearValueHeadDim
}

// sparse reports whether a layer has experts.
func (c *Config) sparse(layer int) bool { return c.mixture && c.Sparse.Sparse(layer) }

// shape completes the model's sizes.
func (c *Config) shape(s model.Shape) model.Shape {
	if c.mixture {
		s = c.Sparse.Sizes(s)
	}
	s.DConv = c.channels()
	// what is convolved, the rule's inputs, and a row of the matrices of a chunk
	s.DRecurrent = c.channels() + c.LinearNumValueHeads*(c.LinearKeyHeadDim+c.LinearValueHeadDim+3*chunk)
	s.Own = make([]model.LayerShape, s.Layers)
	for layer, linear := range c.Linear {
		own := &s.Own[layer]
		if linear {
			own.Heads, own.DHead = c.LinearNumValueHeads, c.LinearValueHeadDim
			own.State = c.LinearNumValueHeads*c.LinearValueHeadDim*c.LinearKeyHeadDim + (c.LinearConvKernelDim-1)*c.channels()
		}
		if c.sparse(layer) {
			own.DMLP = c.SharedExpertIntermediateSize
		}
	}
	return s
}
