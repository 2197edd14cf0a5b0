// Package gemma3 is the text part of the Gemma 3 architecture (Gemma Team 2025,
// arXiv:2503.19786): norms before and after attention and MLP, with a gain of 1 + w; a
// gated GELU MLP; an RMS norm on each head's queries and keys; five sliding layers for
// each one that sees all, with rotary bases of their own; the embedding is scaled.
package gemma3

import (
	"encoding/json"
	"fmt"

	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Real files leave many of
// them out; ParseConfig has the defaults.
type Config struct {
	load.Standard
	HiddenActivation      string   `json:"hidden_activation"` // default: gelu_pytorch_tanh
	AttentionBias         bool     `json:"attention_bias"`
	AttnLogitSoftcapping  *float64 `json:"attn_logit_softcapping"`
	FinalLogitSoftcapping *float64 `json:"final_logit_softcapping"`
	QueryPreAttnScalar    float64  `json:"query_pre_attn_scalar"`  // default: 256
	SlidingWindowPattern  int      `json:"sliding_window_pattern"` // every so many layers one sees all; default: 6
	RopeLocalBaseFreq     float64  `json:"rope_local_base_freq"`   // theta of layers that slide; default: 10,000

	LocalRope *load.RopeConfig `json:"-"` // of layers that slide; Rope is of those that see all

	// below is in front of each path in the multimodal form.
	below string
}

// defaults are those of a text model.
func defaults() *Config {
	return &Config{
		Standard: load.Standard{
			HiddenSize: 1152, IntermediateSize: 6912, NumHiddenLayers: 26, NumAttentionHeads: 4, NumKeyValueHeads: 1, HeadDim: 256,
			VocabSize: 262_144, RMSNormEps: 1e-6, MaxPositionEmbeddings: 131_072, SlidingWindow: 512,
		},
		HiddenActivation: "gelu_pytorch_tanh", QueryPreAttnScalar: 256, SlidingWindowPattern: 6, RopeLocalBaseFreq: 10_000,
	}
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
	c := defaults()
	if outer.Text != nil {
		c.NumAttentionHeads, c.NumKeyValueHeads, c.VocabSize, c.below = 8, 4, 262_208, "language_model."
		raw = outer.Text
	}
	err := load.ReadConfig("gemma3", raw, c, nil, "attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar", "layer_types", "sliding_window")
	if err != nil {
		return nil, err
	}
	if outer.Text != nil && outer.VocabSize > 0 {
		c.VocabSize = outer.VocabSize
	}
	if c.LocalRope, err = localRope(raw, c.RopeLocalBaseFreq); err != nil {
		return nil, err
	}
	return c, c.complete(raw)
}

// localRope reads what newer files say of the layers that slide; older ones only give
// theta.
func localRope(raw []byte, theta float64) (*load.RopeConfig, error) {
	var j struct {
		Parameters map[string]json.RawMessage `json:"rope_parameters"`
	}
	if json.Unmarshal(raw, &j) != nil || j.Parameters["sliding_attention"] == nil {
		return load.LinearRope(theta, 1), nil
	}
	own, err := json.Marshal(map[string]any{"rope_parameters": j.Parameters["sliding_attention"]})
	if err != nil {
		return nil, err
	}
	return load.ReadRope(own, theta, "")
}

func (c *Config) complete(raw []byte) error {
	if err := load.CheckSizes("gemma3", load.Size{Key: "sliding_window_pattern", Value: c.SlidingWindowPattern}); err != nil {
		return err
	}
	if c.RMSNormEps <= 0 || c.QueryPreAttnScalar <= 0 || c.RopeLocalBaseFreq <= 0 {
		return fmt.Errorf("gemma3: config.json: rms_norm_eps is %v, query_pre_attn_scalar %v and rope_local_base_freq %v, want all above 0",
			c.RMSNormEps, c.QueryPreAttnScalar, c.RopeLocalBaseFreq)
	}
	c.HiddenAct = c.HiddenActivation
	traits := load.Traits{
		Arch: "gemma3", Theta: 1_000_000, Act: "hidden_activation", Acts: []string{"gelu_pytorch_tanh", "gelu_new"},
		Slide: func(layer int) bool { return (layer+1)%c.SlidingWindowPattern != 0 },
	}
	return traits.Complete(raw, &c.Standard)
}
