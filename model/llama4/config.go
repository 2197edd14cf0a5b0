// Package llama4 is the text part of the Llama 4 architecture (Meta 2025, the authors' code is in
// transformers): Llama's block with mixtures of experts whose weights multiply what goes into them,
// beside one that all positions pass. Most layers attend within chunks of positions, and norm
// queries and keys; in the others, every fourth, positions turn nothing, all is seen, and queries
// grow with their position.
package llama4

import (
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults are those of
// transformers, which are Scout's.
type Config struct {
	load.Standard                 // IntermediateSize is that of each expert and of the shared one
	IntermediateSizeMLP  int      `json:"intermediate_size_mlp"` // of layers without experts
	NumLocalExperts      int      `json:"num_local_experts"`
	NumExpertsPerTok     int      `json:"num_experts_per_tok"`
	MoELayers            []int    `json:"moe_layers"`                // have experts
	InterleaveMoEStep    int      `json:"interleave_moe_layer_step"` // every so many layers one has, where no list says
	UseQKNorm            bool     `json:"use_qk_norm"`               // of layers that turn
	NoRopeLayers         []int    `json:"no_rope_layers"`            // 0: the layer does not turn; none: as the interval says
	NoRopeLayerInterval  int      `json:"no_rope_layer_interval"`    // every so many layers one does not turn
	LayerTypes           []string `json:"layer_types"`               // chunked_attention or full_attention; none: layers that turn have chunks
	AttentionChunkSize   int      `json:"attention_chunk_size"`
	TemperatureTuning    any      `json:"attn_temperature_tuning"` // of layers that do not turn; a truth value or a number
	FloorScale           float64  `json:"floor_scale"`             // queries grow every so many positions
	AttnScale            float64  `json:"attn_scale"`              // by so much times the logarithm
	AttentionBias        bool     `json:"attention_bias"`          // on queries, keys, values and the output matrix
	wrapped              bool
	sparse, turn, chunks []bool // by layer: has experts, turns, attends within chunks
}

// ParseConfig reads the config.json of a model that also sees, whose text_config it takes. It
// rejects what would change the mathematics and is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	text, wrapped, err := load.Unwrap("llama4", raw)
	if err != nil {
		return nil, err
	}
	if !wrapped {
		return nil, fmt.Errorf("llama4: config.json: there is no text_config")
	}
	c, err := ParseText(text)
	if err != nil {
		return nil, err
	}
	c.wrapped = true
	return c, nil
}

func notNull(v any) bool { return v != nil }

// ParseText reads the config.json of a text model.
func ParseText(raw []byte) (*Config, error) {
	untied := false
	c := &Config{
		Standard: load.Standard{
			HiddenSize: 5120, IntermediateSize: 8192, NumHiddenLayers: 48, NumAttentionHeads: 40, NumKeyValueHeads: 8, HeadDim: 128, VocabSize: 202_048,
			RMSNormEps: 1e-5, MaxPositionEmbeddings: 131_072, HiddenAct: "silu", TieWordEmbeddings: &untied,
		},
		IntermediateSizeMLP: 16_384, NumLocalExperts: 16, NumExpertsPerTok: 1, InterleaveMoEStep: 1, UseQKNorm: true, NoRopeLayerInterval: 4,
		AttentionChunkSize: 8192, TemperatureTuning: true, FloorScale: 8192, AttnScale: 0.1,
	}
	own := map[string]load.Harmless{
		"rope_traditional": load.Is(true), "use_qk_norm": notNull, "attention_bias": notNull, "attn_temperature_tuning": notNull, "floor_scale": load.Number, "attn_scale": notNull,
		"num_key_value_heads": load.Number, "head_dim": load.Number, "tie_word_embeddings": notNull,
	}
	err := load.ReadConfig("llama4", raw, c, own, "attention_chunk_size", "layer_types", "no_rope_layers", "no_rope_layer_interval", "num_local_experts")
	if err != nil {
		return nil, err
	}
	if err := c.readLayers(); err != nil {
		return nil, err
	}
	if err := (load.Traits{Arch: "llama4", Theta: 500_000, Acts: []string{"silu"}}).Complete(raw, &c.Standard); err != nil {
		return nil, err
	}
	c.Rope.Traditional = true
	if kind := c.Rope.Kind(); !slices.Contains([]string{"default", "linear", "llama3"}, kind) {
		return nil, fmt.Errorf("llama4: config.json: rope_scaling type %q is not implemented for this model_type (have: default, linear, llama3)", kind)
	}
	return c, c.check()
}

// readLayers sets which layers have experts, turn, and attend within chunks.
func (c *Config) readLayers() error {
	if err := load.CheckSizes("llama4", load.Size{Key: "num_hidden_layers", Value: c.NumHiddenLayers}); err != nil {
		return err
	}
	n := c.NumHiddenLayers
	c.sparse, c.turn, c.chunks = make([]bool, n), make([]bool, n), make([]bool, n)
	if len(c.NoRopeLayers) == 0 {
		if err := load.CheckSizes("llama4", load.Size{Key: "no_rope_layer_interval", Value: c.NoRopeLayerInterval}); err != nil {
			return err
		}
	} else if len(c.NoRopeLayers) < n {
		return fmt.Errorf("llama4: config.json: no_rope_layers has %d layers, and num_hidden_layers is %d", len(c.NoRopeLayers), n)
	}
	if c.MoELayers == nil {
		if err := load.CheckSizes("llama4", load.Size{Key: "interleave_moe_layer_step", Value: c.InterleaveMoEStep}); err != nil {
			return err
		}
	}
	if c.LayerTypes != nil && len(c.LayerTypes) != n {
		return fmt.Errorf("llama4: config.json: layer_types has %d layers, and num_hidden_layers is %d", len(c.LayerTypes), n)
	}
	for layer := range n {
		c.turn[layer] = len(c.NoRopeLayers) == 0 && (layer+1)%c.NoRopeLayerInterval != 0 || len(c.NoRopeLayers) > 0 && c.NoRopeLayers[layer] != 0
		c.sparse[layer] = c.MoELayers == nil && (layer+1)%c.InterleaveMoEStep == 0 || slices.Contains(c.MoELayers, layer)
		c.chunks[layer] = c.turn[layer]
		if c.LayerTypes != nil {
			kind := c.LayerTypes[layer]
			if c.chunks[layer] = kind == "chunked_attention"; !c.chunks[layer] && kind != "full_attention" {
				return fmt.Errorf("llama4: config.json: layer_types %q is not implemented (have: chunked_attention, full_attention)", kind)
			}
		}
	}
	return nil
}

// check refuses sizes that cannot be.
func (c *Config) check() error {
	if slices.Contains(c.sparse, true) {
		if err := (&load.Sparse{NumExperts: c.NumLocalExperts, NumExpertsPerTok: c.NumExpertsPerTok, MoEIntermediateSize: c.IntermediateSize}).Complete("llama4", c.NumHiddenLayers, 0); err != nil {
			return err
		}
	}
	for _, layer := range c.MoELayers {
		if layer < 0 || layer >= c.NumHiddenLayers {
			return fmt.Errorf("llama4: config.json: moe_layers has %d, and there are %d layers", layer, c.NumHiddenLayers)
		}
	}
	if slices.Contains(c.sparse, false) {
		if err := load.CheckSizes("llama4", load.Size{Key: "intermediate_size_mlp", Value: c.IntermediateSizeMLP}); err != nil {
			return err
		}
	}
	if slices.Contains(c.chunks, true) {
		if err := load.CheckSizes("llama4", load.Size{Key: "attention_chunk_size", Value: c.AttentionChunkSize}); err != nil {
			return err
		}
	}
	switch tuned := c.TemperatureTuning.(type) {
	case bool, float64:
	default:
		return fmt.Errorf("llama4: config.json: attn_temperature_tuning is %v, want true or false", tuned)
	}
	if c.FloorScale <= 0 {
		return fmt.Errorf("llama4: config.json: floor_scale is %v, want a number above 0", c.FloorScale)
	}
	return nil
}

// hasExperts reports whether a layer has them.
func (c *Config) hasExperts(layer int) bool { return c.sparse[layer] }

// attention returns how a layer attends.
func (c *Config) attention(layer int) model.Attention {
	a := c.Attention(layer)
	if c.chunks[layer] {
		a.Chunk = c.AttentionChunkSize
	}
	return a
}

// queries returns how the queries of a layer grow.
func (c *Config) queries(layer int) model.QueryScale {
	if c.turn[layer] || c.TemperatureTuning == false || c.TemperatureTuning == 0.0 {
		return model.QueryScale{}
	}
	return model.QueryScale{Beta: c.AttnScale, Every: c.FloorScale, Ahead: 1} // positions count from 1
}

// shape completes the model's sizes.
func (c *Config) shape(s model.Shape) model.Shape {
	s.DMLP = c.IntermediateSizeMLP
	if !slices.Contains(c.sparse, true) {
		return s
	}
	s.Experts, s.TopK, s.DExpert = c.NumLocalExperts, c.NumExpertsPerTok, c.IntermediateSize
	s.Own = make([]model.LayerShape, s.Layers)
	for layer := range s.Own {
		if c.sparse[layer] {
			s.Own[layer].DMLP = c.IntermediateSize
		}
	}
	return s
}
