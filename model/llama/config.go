// Package llama is the Llama architecture (Touvron et al. 2023, arXiv:2302.13971):
// RMS norms before attention and MLP, rotary positions, grouped queries, a gated
// SiLU MLP. Mistral without a sliding window is the same.
package llama

import (
	"encoding/json"
	"fmt"

	"github.com/mlxlens/mlxlens/model"
)

// Config holds the keys of config.json that the model depends on, under the names
// that they have there.
type Config struct {
	ModelType             string  `json:"model_type"`
	HiddenSize            int     `json:"hidden_size"`
	IntermediateSize      int     `json:"intermediate_size"`
	NumHiddenLayers       int     `json:"num_hidden_layers"`
	NumAttentionHeads     int     `json:"num_attention_heads"`
	NumKeyValueHeads      int     `json:"num_key_value_heads"` // default: NumAttentionHeads
	HeadDim               int     `json:"head_dim"`            // default: HiddenSize / NumAttentionHeads
	VocabSize             int     `json:"vocab_size"`
	RMSNormEps            float64 `json:"rms_norm_eps"`
	RopeTheta             float64 `json:"rope_theta"` // default: 10,000
	RopeTraditional       bool    `json:"rope_traditional"`
	MaxPositionEmbeddings int     `json:"max_position_embeddings"`
	AttentionBias         bool    `json:"attention_bias"`
	MLPBias               bool    `json:"mlp_bias"`
	HiddenAct             string  `json:"hidden_act"`          // default: silu
	TieWordEmbeddings     *bool   `json:"tie_word_embeddings"` // absent: tied when there is no lm_head

	Rope *model.RopeConfig `json:"-"`

	// Heads of q and k whose rows llama.cpp interleaved stand so in GGUF files.
	interleaved bool
}

// changing lists keys that change the mathematics in ways that are not implemented,
// with the values that change nothing.
var changing = map[string]func(v any) bool{
	"sliding_window":         isNull,
	"layer_types":            onlyFull,
	"partial_rotary_factor":  is(1.0),
	"attn_logit_softcapping": isNull, "final_logit_softcapping": isNull, "logit_scale": isNull,
	"attention_multiplier": isNull, "embedding_multiplier": is(1.0), "residual_multiplier": is(1.0), "logits_scaling": is(1.0),
	"num_experts": isZero, "num_local_experts": isZero, "clip_qkv": isNull, "use_qk_norm": is(false), "qk_norm": is(false),
	"no_rope_layers": isNull, "attention_sink": isNull,
}

func isNull(v any) bool { return v == nil }
func isZero(v any) bool { return v == nil || v == 0.0 || v == 1.0 }
func is(want any) func(any) bool {
	return func(v any) bool { return v == nil || v == want }
}

func onlyFull(v any) bool {
	types, ok := v.([]any)
	if v == nil {
		return true
	}
	for _, t := range types {
		ok = ok && t == "full_attention"
	}
	return ok
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := &Config{RopeTheta: 10_000, HiddenAct: "silu", MaxPositionEmbeddings: 2048}
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, fmt.Errorf("llama: config.json: %w", err)
	}
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("llama: config.json: %w", err)
	}
	if use, ok := all["use_sliding_window"]; ok && use == false {
		delete(all, "sliding_window")
	}
	for key, harmless := range changing {
		if v, ok := all[key]; ok && !harmless(v) {
			return nil, fmt.Errorf("llama: config.json: %s %v is not implemented", key, v)
		}
	}
	var rope struct {
		Scaling    json.RawMessage `json:"rope_scaling"`
		Parameters json.RawMessage `json:"rope_parameters"`
	}
	if err := json.Unmarshal(raw, &rope); err != nil {
		return nil, fmt.Errorf("llama: config.json: %w", err)
	}
	if rope.Scaling == nil || string(rope.Scaling) == "null" {
		rope.Scaling = rope.Parameters
	}
	var err error
	if c.Rope, err = model.ParseRope(rope.Scaling); err != nil {
		return nil, err
	}
	if c.Rope.Theta != nil {
		c.RopeTheta = *c.Rope.Theta
	}
	return c, c.complete()
}

// complete fills defaults that depend on other keys, and checks the sizes.
func (c *Config) complete() error {
	if c.HiddenAct != "silu" {
		return fmt.Errorf("llama: hidden_act %q is not implemented (have: silu)", c.HiddenAct)
	}
	if c.NumKeyValueHeads == 0 {
		c.NumKeyValueHeads = c.NumAttentionHeads
	}
	for _, size := range []struct {
		key   string
		value int
	}{
		{"hidden_size", c.HiddenSize}, {"intermediate_size", c.IntermediateSize}, {"num_hidden_layers", c.NumHiddenLayers},
		{"num_attention_heads", c.NumAttentionHeads}, {"num_key_value_heads", c.NumKeyValueHeads}, {"vocab_size", c.VocabSize},
		{"max_position_embeddings", c.MaxPositionEmbeddings},
	} {
		if size.value <= 0 {
			return fmt.Errorf("llama: config.json: %s is %d, want a number above 0", size.key, size.value)
		}
	}
	if c.HeadDim == 0 {
		if c.HiddenSize%c.NumAttentionHeads != 0 {
			return fmt.Errorf("llama: config.json: hidden_size %d is no multiple of num_attention_heads %d, and there is no head_dim", c.HiddenSize, c.NumAttentionHeads)
		}
		c.HeadDim = c.HiddenSize / c.NumAttentionHeads
	}
	switch {
	case c.HeadDim < 0 || c.HeadDim%2 != 0:
		return fmt.Errorf("llama: config.json: head_dim %d, want an even number above 0", c.HeadDim)
	case c.NumAttentionHeads%c.NumKeyValueHeads != 0:
		return fmt.Errorf("llama: config.json: num_attention_heads %d is no multiple of num_key_value_heads %d", c.NumAttentionHeads, c.NumKeyValueHeads)
	case c.RMSNormEps <= 0 || c.RopeTheta <= 0:
		return fmt.Errorf("llama: config.json: rms_norm_eps %v and rope_theta %v, want both above 0", c.RMSNormEps, c.RopeTheta)
	}
	return nil
}
