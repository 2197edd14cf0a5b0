// Package gemma4 is the text part of the Gemma 4 architecture (Gemma Team 2026): Gemma 3's block with
// heads of one size where it slides and of another where it sees all, whose keys may be values too;
// late layers that look at the keys and values of earlier ones; an embedding of the tokens for
// each layer; a mixture of experts beside the MLP; and a factor on what leaves each block.
package gemma4

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Where mlx-lm and transformers have
// other defaults, a config must say what it means.
type Config struct {
	load.Standard
	HiddenActivation       string                     `json:"hidden_activation"` // default: gelu_pytorch_tanh
	AttentionBias          bool                       `json:"attention_bias"`
	GlobalHeadDim          int                        `json:"global_head_dim"`            // of layers that see all; default: 512
	NumGlobalKeyValueHeads int                        `json:"num_global_key_value_heads"` // likewise, where keys are values; null: num_key_value_heads
	AttentionKEqV          bool                       `json:"attention_k_eq_v"`           // in layers that see all the keys, before their norm, are the values
	NumKVSharedLayers      int                        `json:"num_kv_shared_layers"`       // the last so many layers look at earlier ones' keys and values
	UseDoubleWideMLP       bool                       `json:"use_double_wide_mlp"`        // of those layers
	FinalLogitSoftcapping  *float64                   `json:"final_logit_softcapping"`
	HiddenSizePerLayer     int                        `json:"hidden_size_per_layer_input"` // default: 256, of the unified form 0; 0: layers have no embeddings
	VocabSizePerLayer      int                        `json:"vocab_size_per_layer_input"`  // default: 262,144
	EnableMoEBlock         bool                       `json:"enable_moe_block"`
	NumExperts             int                        `json:"num_experts"`
	TopKExperts            int                        `json:"top_k_experts"`
	MoEIntermediateSize    int                        `json:"moe_intermediate_size"`
	RopeParameters         map[string]json.RawMessage `json:"rope_parameters"`  // by the type of layer
	PerLayerConfig         map[int]layerConfig        `json:"per_layer_config"` // what transformers writes for global_head_dim and the like
	GlobalPartial          *float64                   `json:"global_partial_rotary_factor"`

	LocalRope *load.RopeConfig `json:"-"` // of layers that slide; Rope is of those that see all

	wrapped bool // in the multimodal form
}

// layerConfig has the sizes of a layer that are its own.
type layerConfig struct {
	HeadDim          *int `json:"head_dim"`
	NumKeyValueHeads *int `json:"num_key_value_heads"`
}

// said are keys that a config must have: programs differ in what they mean by leaving them out.
var said = []string{
	"hidden_size", "intermediate_size", "num_hidden_layers", "num_key_value_heads", "layer_types", "num_kv_shared_layers", "final_logit_softcapping",
}

// ParseConfig reads a config.json, of a text model or of the multimodal form, whose text_config it
// takes. It rejects what would change the mathematics and is not implemented; other unknown
// keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	return parse("gemma4", raw, &Config{HiddenSizePerLayer: 256, VocabSizePerLayer: 262_144})
}

// ParseUnified reads the config.json of a model without towers, whose text model has neither
// embeddings for each layer nor experts.
func ParseUnified(raw []byte) (*Config, error) {
	own := map[string]load.Harmless{"hidden_size_per_layer_input": load.Is(0.0), "enable_moe_block": load.Is(false)}
	return parse("gemma4_unified", raw, &Config{}, own)
}

func notNull(v any) bool { return v != nil }

func parse(arch string, raw []byte, c *Config, more ...map[string]load.Harmless) (*Config, error) {
	c.Standard = load.Standard{NumAttentionHeads: 8, HeadDim: 256, VocabSize: 262_144, RMSNormEps: 1e-6, MaxPositionEmbeddings: 131_072, SlidingWindow: 512}
	c.GlobalHeadDim, c.HiddenActivation = 512, "gelu_pytorch_tanh"
	if arch == "gemma4_unified" {
		c.MaxPositionEmbeddings = 262_144
	}
	var err error
	if raw, c.wrapped, err = load.Unwrap(arch, raw); err != nil {
		return nil, err
	}
	own := map[string]load.Harmless{
		"hidden_act":                  load.OneOf("gelu_pytorch_tanh", "gelu_new", "gelu"), // hidden_activation is read
		"use_bidirectional_attention": load.OneOf(false, "vision"),                         // of images alone
		// null is another number to each program, or none
		"global_head_dim": notNull, "head_dim": notNull, "sliding_window": notNull, "hidden_size_per_layer_input": notNull,
		"rope_theta": load.Null, "rope_scaling": load.Null, // rope_parameters is read
	}
	for _, others := range more {
		for key, harmless := range others {
			own[key] = harmless
		}
	}
	err = load.ReadConfig(arch, raw, c, own, "attention_bias", "layer_types", "sliding_window", "sliding_window_pattern", "final_logit_softcapping",
		"num_kv_shared_layers", "num_experts")
	if err != nil {
		return nil, err
	}
	if err := c.checkSaid(arch, raw); err != nil {
		return nil, err
	}
	return c, c.complete(arch)
}

// checkSaid refuses a config without a key that programs have other defaults for. Null is no cap, and
// nothing else.
func (c *Config) checkSaid(arch string, raw []byte) error {
	var keys map[string]json.RawMessage
	if err := exactjson.Unmarshal(raw, &keys); err != nil {
		return fmt.Errorf("%s: config.json: %w", arch, err)
	}
	needed := said
	if c.NumKVSharedLayers > 0 {
		needed = append(slices.Clone(said), "use_double_wide_mlp")
	}
	if arch == "gemma4_unified" {
		needed = append(slices.Clone(needed), "sliding_window")
	}
	for _, key := range needed {
		if value, ok := keys[key]; !ok || string(value) == "null" && key != "final_logit_softcapping" {
			return fmt.Errorf("%s: config.json has no %s, and programs differ in what that means: add it", arch, key)
		}
	}
	return nil
}

func (c *Config) complete(arch string) error {
	var err error
	if c.Rope, err = c.rope(arch, "full_attention", `{"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1000000.0}`); err != nil {
		return err
	}
	if c.LocalRope, err = c.rope(arch, "sliding_attention", `{"rope_type": "default", "rope_theta": 10000.0}`); err != nil {
		return err
	}
	if c.GlobalPartial != nil && *c.GlobalPartial != c.Rope.Partial {
		return fmt.Errorf("%s: config.json: global_partial_rotary_factor is %v, and no program reads it; full_attention of rope_parameters has %v: remove the wrong one", arch, *c.GlobalPartial, c.Rope.Partial)
	}
	c.HiddenAct = c.HiddenActivation
	traits := load.Traits{Arch: arch, Act: "hidden_activation", Acts: []string{"gelu_pytorch_tanh", "gelu_new"}}
	if err := traits.Complete(nil, &c.Standard); err != nil {
		return err
	}
	if err := c.readPerLayer(arch); err != nil {
		return err
	}
	kv := c.kvHeads(true)
	if err := load.CheckHeads(arch, c.HiddenSize, c.NumAttentionHeads, &kv, &c.GlobalHeadDim); err != nil {
		return fmt.Errorf("of layers that see all: %w", err)
	}
	if err := c.checkLayers(arch); err != nil {
		return err
	}
	return c.checkParts(arch)
}

// rope reads how layers of a type turn.
func (c *Config) rope(arch, kind, usual string) (*load.RopeConfig, error) {
	of := c.RopeParameters[kind]
	if c.RopeParameters == nil {
		of = json.RawMessage(usual)
	}
	var keys struct {
		Theta *float64 `json:"rope_theta"`
	}
	if len(of) == 0 || string(of) == "null" {
		if !slices.Contains(c.LayerTypes, kind) {
			of = json.RawMessage(usual)
		} else {
			return nil, fmt.Errorf("%s: config.json: rope_parameters has no %s, and there are such layers", arch, kind)
		}
	}
	if err := exactjson.Unmarshal(of, &keys); err != nil {
		return nil, fmt.Errorf("%s: config.json: rope_parameters: %s: %w", arch, kind, err)
	}
	if keys.Theta == nil {
		return nil, fmt.Errorf("%s: config.json: rope_parameters: %s has no rope_theta, and programs differ in what that means: add it", arch, kind)
	}
	own, err := json.Marshal(map[string]any{"rope_parameters": of, "max_position_embeddings": c.MaxPositionEmbeddings})
	if err != nil {
		return nil, err
	}
	r, err := load.ReadRope(own, *keys.Theta, "")
	switch {
	case err != nil:
		return nil, err
	case !slices.Contains([]string{"default", "linear", "proportional"}, r.Kind()):
		return nil, fmt.Errorf("%s: config.json: rope_parameters: rope_type %q is not implemented for this model_type (have: default, linear, proportional)", arch, r.Kind())
	case r.Kind() != "proportional" && r.Partial != 1:
		return nil, fmt.Errorf("%s: config.json: rope_parameters: partial_rotary_factor %v is not implemented for rope_type %q: no program reads it", arch, r.Partial, r.Kind())
	}
	return r, nil
}

// readPerLayer takes the sizes of layers that see all from per_layer_config, if that has them.
func (c *Config) readPerLayer(arch string) error {
	for layer, of := range c.PerLayerConfig {
		if layer < 0 || layer >= c.NumHiddenLayers || c.Windows[layer] > 0 {
			return fmt.Errorf("%s: config.json: per_layer_config has layer %d, which is none that sees all: not implemented", arch, layer)
		}
		if of.HeadDim != nil {
			c.GlobalHeadDim = *of.HeadDim
		}
		if of.NumKeyValueHeads != nil {
			c.NumGlobalKeyValueHeads = *of.NumKeyValueHeads
		}
	}
	for layer, window := range c.Windows {
		if c.PerLayerConfig == nil || window > 0 {
			continue
		}
		switch of := c.PerLayerConfig[layer]; {
		case of.HeadDim == nil || *of.HeadDim != c.GlobalHeadDim, of.NumKeyValueHeads != nil && *of.NumKeyValueHeads != c.NumGlobalKeyValueHeads:
			return fmt.Errorf("%s: config.json: per_layer_config has other sizes for some layers that see all than for others: not implemented", arch)
		case c.NumGlobalKeyValueHeads != 0 && !c.AttentionKEqV && c.NumGlobalKeyValueHeads != c.NumKeyValueHeads:
			return fmt.Errorf("%s: config.json: per_layer_config has %d key heads for layer %d, and keys are no values: programs differ in what that means", arch, c.NumGlobalKeyValueHeads, layer)
		}
	}
	return nil
}

// checkLayers refuses layers that programs disagree about.
func (c *Config) checkLayers(arch string) error {
	n := c.NumHiddenLayers
	if c.LayerTypes == nil || c.Windows[n-1] > 0 {
		return fmt.Errorf("%s: config.json: the last layer has to see all, and layer_types to say so: programs differ in what else they make of it", arch)
	}
	if c.NumKVSharedLayers < 0 || c.NumKVSharedLayers >= n {
		return fmt.Errorf("%s: config.json: num_kv_shared_layers is %d, want 0 or more, and fewer than the %d layers", arch, c.NumKVSharedLayers, n)
	}
	for layer := n - c.NumKVSharedLayers; layer < n; layer++ {
		if c.source(layer) < 0 {
			return fmt.Errorf("%s: config.json: layer %d looks at the keys of an earlier layer of its type, %s, and there is none", arch, layer, c.LayerTypes[layer])
		}
	}
	return nil
}

// checkParts checks the sizes of experts and of the layers' embeddings.
func (c *Config) checkParts(arch string) error {
	if c.EnableMoEBlock {
		err := load.CheckSizes(arch, load.Size{Key: "num_experts", Value: c.NumExperts}, load.Size{Key: "top_k_experts", Value: c.TopKExperts}, load.Size{Key: "moe_intermediate_size", Value: c.MoEIntermediateSize})
		if err != nil {
			return err
		}
		if c.TopKExperts > c.NumExperts {
			return fmt.Errorf("%s: config.json: top_k_experts is %d, and there are %d experts", arch, c.TopKExperts, c.NumExperts)
		}
	}
	if c.FinalLogitSoftcapping != nil && *c.FinalLogitSoftcapping <= 0 {
		return fmt.Errorf("%s: config.json: final_logit_softcapping is %v, want a number above 0 or null", arch, *c.FinalLogitSoftcapping)
	}
	if c.HiddenSizePerLayer == 0 {
		return nil
	}
	if err := load.CheckSizes(arch, load.Size{Key: "hidden_size_per_layer_input", Value: c.HiddenSizePerLayer}, load.Size{Key: "vocab_size_per_layer_input", Value: c.VocabSizePerLayer}); err != nil {
		return err
	}
	if c.VocabSizePerLayer < c.VocabSize {
		return fmt.Errorf("%s: config.json: vocab_size_per_layer_input is %d, and there are %d tokens: no program says what the others' embeddings are", arch, c.VocabSizePerLayer, c.VocabSize)
	}
	return nil
}

// looksBack reports whether a layer has no keys and values of its own.
func (c *Config) looksBack(layer int) bool { return layer >= c.NumHiddenLayers-c.NumKVSharedLayers }

// source returns the layer whose keys and values a layer that looks back looks at: the last of its
// type that has its own; −1 if none has.
func (c *Config) source(layer int) int {
	for i := c.NumHiddenLayers - c.NumKVSharedLayers - 1; i >= 0; i-- {
		if c.LayerTypes[i] == c.LayerTypes[layer] {
			return i
		}
	}
	return -1
}

// sharing returns the layers that look at a layer's keys and values.
func (c *Config) sharing(layer int) []int {
	var out []int
	for i := range c.NumHiddenLayers {
		if !c.looksBack(layer) && c.looksBack(i) && c.source(i) == layer {
			out = append(out, i)
		}
	}
	return out
}

// headDim returns the size of a layer's heads.
func (c *Config) headDim(layer int) int {
	if c.Windows[layer] == 0 {
		return c.GlobalHeadDim
	}
	return c.HeadDim
}

// kvHeads returns how many heads of keys a layer has that sees all, or slides.
func (c *Config) kvHeads(all bool) int {
	if all && c.AttentionKEqV && c.NumGlobalKeyValueHeads != 0 {
		return c.NumGlobalKeyValueHeads
	}
	return c.NumKeyValueHeads
}

// dMLP returns the hidden size of a layer's MLP.
func (c *Config) dMLP(layer int) int {
	if c.UseDoubleWideMLP && c.looksBack(layer) {
		return 2 * c.IntermediateSize
	}
	return c.IntermediateSize
}

// attention returns how a layer attends: scores are not scaled.
func (c *Config) attention(layer int) model.Attention {
	a := c.Attention(layer)
	a.Scale, a.KVHeads, a.Shared = 1, c.kvHeads(c.Windows[layer] == 0), c.sharing(layer)
	return a
}

// shape returns the sizes of the model and of each of its layers.
func (c *Config) shape() model.Shape {
	s := c.Shape()
	s.DPerLayer = c.HiddenSizePerLayer
	if c.EnableMoEBlock {
		s.Experts, s.TopK, s.DExpert = c.NumExperts, c.TopKExperts, c.MoEIntermediateSize
	}
	for layer := range c.NumHiddenLayers {
		s.Own = append(s.Own, model.LayerShape{
			KVHeads: c.kvHeads(c.Windows[layer] == 0), DHead: c.headDim(layer), DMLP: c.dMLP(layer), LooksBack: c.looksBack(layer),
		})
	}
	return s
}
