// Package granite4 is the architecture of Granite 4.0 (IBM Research 2025, "IBM Granite 4.0: hyper-efficient,
// high performance hybrid models for enterprise"): in most layers of most of them a state space of
// Mamba-2 (Dao and Gu 2024, arXiv:2405.21060) in place of attention, in the others attention without
// positions; an MLP, or experts and an MLP that all positions pass; and Granite 3's four multipliers.
package granite4

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
	"github.com/mlxlens/mlxlens/model/mamba2"
)

// Config holds the keys of config.json that the model depends on. Defaults are those of
// transformers: Llama's sizes, multipliers of 1, 8 experts of which a position takes 2, no layer that
// attends, and no positions.
type Config struct {
	load.Standard
	AttentionBias       bool    `json:"attention_bias"`       // on queries, keys, values and the output matrix
	EmbeddingMultiplier float64 `json:"embedding_multiplier"` // factor on the embedding
	AttentionMultiplier float64 `json:"attention_multiplier"` // factor on q·kᵀ, in the place of d_head^−½
	ResidualMultiplier  float64 `json:"residual_multiplier"`  // factor on what mixer and MLP add
	LogitsScaling       float64 `json:"logits_scaling"`       // logits are divided by it

	PositionEmbeddingType  string `json:"position_embedding_type"`  // rope, or nope and null: none
	NumLocalExperts        *int   `json:"num_local_experts"`        // 0 and null: no experts
	NumExpertsPerTok       int    `json:"num_experts_per_tok"`      //
	SharedIntermediateSize int    `json:"shared_intermediate_size"` // of the MLP that all positions pass; intermediate_size is that of each expert

	LayersBlockType []string          `json:"layers_block_type"` // another name of layer_types
	MambaNHeads     int               `json:"mamba_n_heads"`
	MambaNGroups    int               `json:"mamba_n_groups"`
	MambaDState     int               `json:"mamba_d_state"`
	MambaDHead      dHead             `json:"mamba_d_head"` // default, and "auto": mamba_expand·hidden_size/mamba_n_heads
	MambaDConv      int               `json:"mamba_d_conv"`
	MambaExpand     int               `json:"mamba_expand"`
	MambaConvBias   bool              `json:"mamba_conv_bias"`
	MambaProjBias   bool              `json:"mamba_proj_bias"`
	TimeStepLimit   []exactjson.Float `json:"time_step_limit"` // default: 0 to ∞

	Attends []bool `json:"-"` // the layers that attend

	dExpert int
	unsaid  map[string]bool // keys that the config has not
}

// dHead is a number, or "auto": 0.
type dHead int

// UnmarshalJSON implements json.Unmarshaler.
func (d *dHead) UnmarshalJSON(text []byte) error {
	if string(text) == `"auto"` {
		*d = 0
		return nil
	}
	return json.Unmarshal(text, (*int)(d))
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	experts := 8
	c := &Config{
		Standard: load.Standard{
			HiddenSize: 4096, IntermediateSize: 11008, NumHiddenLayers: 32, NumAttentionHeads: 32, VocabSize: 32_000,
			RMSNormEps: 1e-6, MaxPositionEmbeddings: 2048, HiddenAct: "silu",
		},
		EmbeddingMultiplier: 1, AttentionMultiplier: 1, ResidualMultiplier: 1, LogitsScaling: 1,
		NumLocalExperts: &experts, NumExpertsPerTok: 2, SharedIntermediateSize: 1024,
		MambaNHeads: 128, MambaNGroups: 1, MambaDState: 256, MambaDConv: 4, MambaExpand: 2, MambaConvBias: true,
		TimeStepLimit: []exactjson.Float{0, exactjson.Float(math.Inf(1))},
	}
	own := map[string]load.Harmless{
		"embedding_multiplier": load.Number, "attention_multiplier": load.Number, "residual_multiplier": load.Number, "logits_scaling": load.Number,
		"position_embedding_type": load.OneOf("rope", "nope"), "num_experts": load.Null,
		"mamba_conv_bias": boolean, "mamba_proj_bias": boolean, // no program takes null for either
	}
	if err := load.ReadConfig(arch, raw, c, own, "attention_bias", "num_local_experts", "layer_types"); err != nil {
		return nil, err
	}
	for _, read := range []func() error{c.layers, c.experts, func() error { return c.missing(raw) }} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	if err := (load.Traits{Arch: arch, Theta: 10_000, Acts: []string{"silu"}}).Complete(raw, &c.Standard); err != nil {
		return nil, err
	}
	return c, c.checkMamba()
}

const arch = "granitemoehybrid"

func boolean(v any) bool {
	_, ok := v.(bool)
	return ok
}

// missing notes which keys the config has not.
func (c *Config) missing(raw []byte) error {
	says := map[string]any{}
	if err := exactjson.Unmarshal(raw, &says); err != nil {
		return fmt.Errorf("%s: config.json: %w", arch, err)
	}
	c.unsaid = map[string]bool{}
	for _, key := range []string{"num_local_experts", "time_step_limit"} {
		_, said := says[key]
		c.unsaid[key] = !said
	}
	return nil
}

// layers reads which layers attend.
func (c *Config) layers() error {
	if err := load.CheckSizes(arch, load.Size{Key: "num_hidden_layers", Value: c.NumHiddenLayers}); err != nil {
		return err
	}
	types := c.LayerTypes
	c.LayerTypes = nil // of the rest of the config it says no more
	switch {
	case types == nil:
		types = c.LayersBlockType
	case c.LayersBlockType != nil && !slices.Equal(types, c.LayersBlockType):
		return fmt.Errorf("%s: config.json: layer_types and layers_block_type differ, which are two names of one key: remove the wrong one", arch)
	}
	c.Attends = make([]bool, c.NumHiddenLayers)
	if types != nil && len(types) != c.NumHiddenLayers {
		return fmt.Errorf("%s: config.json: layer_types has %d layers, and num_hidden_layers is %d", arch, len(types), c.NumHiddenLayers)
	}
	for layer, kind := range types {
		switch kind {
		case "attention", "full_attention":
			c.Attends[layer] = true
		case "mamba", "linear_attention":
		default:
			return fmt.Errorf("%s: config.json: layer_types %q is not implemented (have: attention, full_attention, mamba, linear_attention)", arch, kind)
		}
	}
	return nil
}

// experts checks the MLPs' sizes: of Standard's, intermediate_size becomes that of the MLP that all
// positions pass.
func (c *Config) experts() error {
	if err := load.CheckSizes(arch, load.Size{Key: "shared_intermediate_size", Value: c.SharedIntermediateSize}, load.Size{Key: "intermediate_size", Value: c.IntermediateSize}); err != nil {
		return err
	}
	c.dExpert, c.IntermediateSize = c.IntermediateSize, c.SharedIntermediateSize
	if !c.mixture() {
		return nil
	}
	sparse := load.Sparse{NumExperts: *c.NumLocalExperts, NumExpertsPerTok: c.NumExpertsPerTok, MoEIntermediateSize: c.dExpert}
	return sparse.Complete(arch, c.NumHiddenLayers, 0)
}

// mixture reports whether the layers have experts.
func (c *Config) mixture() bool { return c.NumLocalExperts != nil && *c.NumLocalExperts != 0 }

// mixes reports whether a layer's mixer is a state space.
func (c *Config) mixes(layer int) bool { return !c.Attends[layer] }

// hybrid reports whether some layer's is.
func (c *Config) hybrid() bool { return slices.Contains(c.Attends, false) }

// turns reports whether positions turn queries and keys.
func (c *Config) turns() bool { return c.PositionEmbeddingType == "rope" }

// checkMamba refuses sizes of the state space that cannot be.
func (c *Config) checkMamba() error {
	if !c.hybrid() {
		return nil
	}
	if err := load.CheckSizes(arch, load.Size{Key: "mamba_n_heads", Value: c.MambaNHeads}, load.Size{Key: "mamba_expand", Value: c.MambaExpand}); err != nil {
		return err
	}
	inner := c.MambaExpand * c.HiddenSize
	if c.MambaDHead == 0 {
		c.MambaDHead = dHead(inner / c.MambaNHeads)
	}
	if int(c.MambaDHead)*c.MambaNHeads != inner {
		return fmt.Errorf("%s: config.json: mamba_n_heads %d of mamba_d_head %d are not mamba_expand %d times hidden_size %d: programs differ in which they read",
			arch, c.MambaNHeads, c.MambaDHead, c.MambaExpand, c.HiddenSize)
	}
	if len(c.TimeStepLimit) != 2 {
		return fmt.Errorf("%s: config.json: time_step_limit is %v, want two numbers", arch, c.TimeStepLimit)
	}
	return c.mamba().Check(arch, mamba2.Keys{
		Heads: "mamba_n_heads", DHead: "mamba_d_head", DState: "mamba_d_state", Groups: "mamba_n_groups", Width: "mamba_d_conv", Step: "time_step_limit",
	})
}

// mamba returns the sizes of the state space.
func (c *Config) mamba() mamba2.Sizes {
	return mamba2.Sizes{
		DModel: c.HiddenSize, Heads: c.MambaNHeads, DHead: int(c.MambaDHead), DState: c.MambaDState, Groups: c.MambaNGroups, Width: c.MambaDConv,
		ProjBias: c.MambaProjBias, ConvBias: c.MambaConvBias, Eps: c.RMSNormEps,
		LeastStep: float64(c.TimeStepLimit[0]), MostStep: float64(c.TimeStepLimit[1]),
	}
}

// shape completes the model's sizes.
func (c *Config) shape(s model.Shape) model.Shape {
	if c.mixture() {
		s.Experts, s.TopK, s.DExpert = *c.NumLocalExperts, c.NumExpertsPerTok, c.dExpert
	}
	if !c.hybrid() {
		return s
	}
	c.mamba().Shape(&s)
	s.Own = make([]model.LayerShape, s.Layers)
	for layer := range s.Own {
		if c.mixes(layer) {
			c.mamba().Layer(&s.Own[layer])
		}
	}
	return s
}
