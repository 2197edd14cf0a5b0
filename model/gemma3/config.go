// Package gemma3 is the text part of the Gemma 3 architecture (Gemma Team 2025,
// arXiv:2503.19786): norms before and after attention and MLP, with a gain of 1 + w; a
// gated GELU MLP; an RMS norm on each head's queries and keys; five sliding layers for
// each one that sees all, with rotary bases of their own; the embedding is scaled.
package gemma3

import (
	"encoding/json"
	"fmt"

	"github.com/mlxlens/mlxlens/model"
)

const arch = "gemma3"

// Config holds the keys of config.json that the model depends on, under the names
// that they have there. Real files leave many of them out.
type Config struct {
	HiddenSize            int      `json:"hidden_size"`             // default: 1152
	IntermediateSize      int      `json:"intermediate_size"`       // default: 6912
	NumHiddenLayers       int      `json:"num_hidden_layers"`       // default: 26
	NumAttentionHeads     int      `json:"num_attention_heads"`     // default: 4, of the multimodal form 8
	NumKeyValueHeads      int      `json:"num_key_value_heads"`     // default: 1, of the multimodal form 4
	HeadDim               int      `json:"head_dim"`                // default: 256
	VocabSize             int      `json:"vocab_size"`              // default: 262,144, of the multimodal form 262,208
	RMSNormEps            float64  `json:"rms_norm_eps"`            // default: 1e-6
	MaxPositionEmbeddings int      `json:"max_position_embeddings"` // default: 131,072
	HiddenActivation      string   `json:"hidden_activation"`       // default: gelu_pytorch_tanh
	AttentionBias         bool     `json:"attention_bias"`
	AttnLogitSoftcapping  *float64 `json:"attn_logit_softcapping"`
	FinalLogitSoftcapping *float64 `json:"final_logit_softcapping"`
	QueryPreAttnScalar    float64  `json:"query_pre_attn_scalar"`  // default: 256
	SlidingWindow         int      `json:"sliding_window"`         // default: 512
	SlidingWindowPattern  int      `json:"sliding_window_pattern"` // every so many layers one sees all; default: 6
	LayerTypes            []string `json:"layer_types"`            // goes before the pattern
	RopeLocalBaseFreq     float64  `json:"rope_local_base_freq"`   // theta of layers that slide; default: 10,000
	TieWordEmbeddings     *bool    `json:"tie_word_embeddings"`    // absent: tied when there is no lm_head

	Rope      *model.RopeConfig `json:"-"` // of layers that see all; default theta: 1,000,000
	LocalRope *model.RopeConfig `json:"-"` // of layers that slide
	Windows   []int             `json:"-"` // keys that each layer's queries see, 0: all

	// before stands in front of each path in the multimodal form.
	before string
}

// ParseConfig reads a config.json, of a text model or of the multimodal form, whose
// text_config it takes. It rejects what would change the mathematics and is not
// implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	var outer struct {
		Text      json.RawMessage `json:"text_config"`
		VocabSize int             `json:"vocab_size"`
	}
	if err := json.Unmarshal(raw, &outer); err != nil {
		return nil, fmt.Errorf("gemma3: config.json: %w", err)
	}
	c := &Config{
		HiddenSize: 1152, IntermediateSize: 6912, NumHiddenLayers: 26, NumAttentionHeads: 4, NumKeyValueHeads: 1, HeadDim: 256, VocabSize: 262_144,
		RMSNormEps: 1e-6, MaxPositionEmbeddings: 131_072, HiddenActivation: "gelu_pytorch_tanh", QueryPreAttnScalar: 256,
		SlidingWindow: 512, SlidingWindowPattern: 6, RopeLocalBaseFreq: 10_000,
	}
	if outer.Text != nil {
		c.NumAttentionHeads, c.NumKeyValueHeads, c.VocabSize, c.before = 8, 4, 262_208, "language_model."
		raw = outer.Text
	}
	err := model.ReadConfig(arch, raw, c, nil, "attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar", "layer_types", "sliding_window")
	if err != nil {
		return nil, err
	}
	if outer.Text != nil && outer.VocabSize > 0 {
		c.VocabSize = outer.VocabSize
	}
	if c.Rope, err = model.ReadRope(raw, 1_000_000, "full_attention"); err != nil {
		return nil, err
	}
	if c.LocalRope, err = localRope(raw, c.RopeLocalBaseFreq); err != nil {
		return nil, err
	}
	return c, c.complete()
}

// localRope reads what newer files say of the layers that slide; older ones only give
// theta.
func localRope(raw []byte, theta float64) (*model.RopeConfig, error) {
	var j struct {
		Parameters map[string]json.RawMessage `json:"rope_parameters"`
	}
	if json.Unmarshal(raw, &j) != nil || j.Parameters["sliding_attention"] == nil {
		return model.LinearRope(theta, 1), nil
	}
	own, err := json.Marshal(map[string]any{"rope_parameters": j.Parameters["sliding_attention"]})
	if err != nil {
		return nil, err
	}
	return model.ReadRope(own, theta, "")
}

func (c *Config) complete() error {
	err := model.CheckActivation(arch, "hidden_activation", c.HiddenActivation, "gelu_pytorch_tanh", "gelu_new")
	if err != nil {
		return err
	}
	err = model.CheckSizes(arch, model.Size{Key: "hidden_size", Value: c.HiddenSize}, model.Size{Key: "intermediate_size", Value: c.IntermediateSize},
		model.Size{Key: "num_hidden_layers", Value: c.NumHiddenLayers}, model.Size{Key: "num_attention_heads", Value: c.NumAttentionHeads},
		model.Size{Key: "vocab_size", Value: c.VocabSize}, model.Size{Key: "max_position_embeddings", Value: c.MaxPositionEmbeddings},
		model.Size{Key: "sliding_window_pattern", Value: c.SlidingWindowPattern})
	if err != nil {
		return err
	}
	if c.RMSNormEps <= 0 || c.QueryPreAttnScalar <= 0 || c.RopeLocalBaseFreq <= 0 {
		return fmt.Errorf("gemma3: config.json: rms_norm_eps is %v, query_pre_attn_scalar %v and rope_local_base_freq %v, want all above 0",
			c.RMSNormEps, c.QueryPreAttnScalar, c.RopeLocalBaseFreq)
	}
	c.Windows, err = model.Windows(arch, c.NumHiddenLayers, c.LayerTypes, c.SlidingWindow,
		func(layer int) bool { return (layer+1)%c.SlidingWindowPattern != 0 })
	if err != nil {
		return err
	}
	return model.CheckHeads(arch, c.HiddenSize, c.NumAttentionHeads, &c.NumKeyValueHeads, &c.HeadDim)
}
