// Package gemma3 is the text part of the Gemma 3 architecture (Gemma Team 2025,
// arXiv:2503.19786): norms before and after attention and MLP, with a gain of 1 + w; a
// gated GELU MLP; an RMS norm on each head's queries and keys; five sliding layers for
// each one that sees all, with rotary bases of their own; the embedding is scaled.
package gemma3

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Real files leave many of
// them out; ParseConfig has the defaults.
type Config struct {
	load.Standard
	HiddenActivation      string   `json:"hidden_activation"` // default: gelu_pytorch_tanh
	AttentionBias         bool     `json:"attention_bias"`
	FinalLogitSoftcapping *float64 `json:"final_logit_softcapping"`
	QueryPreAttnScalar    float64  `json:"query_pre_attn_scalar"`  // default: 256
	SlidingWindowPattern  int      `json:"sliding_window_pattern"` // every so many layers one sees all; default: 6

	LocalRope *load.RopeConfig `json:"-"` // of layers that slide, whose base is 10,000 by default; Rope is of those that see all

	wrapped bool // in the multimodal form
	gguf    bool
}

// defaults are those of a text model.
func defaults() *Config {
	return &Config{
		Standard: load.Standard{
			HiddenSize: 1152, IntermediateSize: 6912, NumHiddenLayers: 26, NumAttentionHeads: 4, NumKeyValueHeads: 1, HeadDim: 256,
			VocabSize: 262_144, RMSNormEps: 1e-6, MaxPositionEmbeddings: 131_072, SlidingWindow: 512,
		},
		HiddenActivation: "gelu_pytorch_tanh", QueryPreAttnScalar: 256, SlidingWindowPattern: 6,
	}
}

// ParseConfig reads a config.json, of a text model or of the multimodal form, whose
// text_config it takes. It rejects what would change the mathematics and is not
// implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := defaults()
	raw, wrapped, err := load.Unwrap("gemma3", raw)
	if err != nil {
		return nil, err
	}
	if c.wrapped = wrapped; wrapped {
		c.NumAttentionHeads, c.NumKeyValueHeads, c.VocabSize = 8, 4, 262_208
	}
	own := map[string]load.Harmless{"hidden_act": load.OneOf("gelu_pytorch_tanh", "gelu_new", "gelu")} // hidden_activation is read
	err = load.ReadConfig("gemma3", raw, c, own, "final_logit_softcapping", "query_pre_attn_scalar", "layer_types", "sliding_window", "sliding_window_pattern",
		"rope_local_base_freq", "attention_bias")
	if err != nil {
		return nil, err
	}
	if c.LocalRope, err = load.SlidingRope("gemma3", raw, "rope_local_base_freq", localBase); err != nil {
		return nil, err
	}
	return c, c.complete(raw)
}

// localBase is the base of layers that slide where a config has none.
const localBase = 10_000

func (c *Config) complete(raw []byte) error {
	if err := load.CheckSizes("gemma3", load.Size{Key: "sliding_window_pattern", Value: c.SlidingWindowPattern}); err != nil {
		return err
	}
	if c.RMSNormEps <= 0 || c.QueryPreAttnScalar <= 0 {
		return fmt.Errorf("gemma3: config.json: rms_norm_eps is %v and query_pre_attn_scalar %v, want both above 0", c.RMSNormEps, c.QueryPreAttnScalar)
	}
	c.HiddenAct = c.HiddenActivation
	return c.traits().Complete(raw, &c.Standard)
}

func (c *Config) traits() load.Traits {
	return load.Traits{
		Arch: "gemma3", Theta: 1_000_000, Act: "hidden_activation", Acts: []string{"gelu_pytorch_tanh", "gelu_new"},
		RopeByLayer: true,
		Slide:       func(layer int) bool { return (c.SlidingWindow > 0 || !c.gguf) && (layer+1)%c.SlidingWindowPattern != 0 },
	}
}

// ConfigFromGGUF reads the metadata that llama.cpp's converter writes for
// general.architecture gemma3. vocab is the number of rows of the embedding.
func ConfigFromGGUF(meta map[string]any, vocab int) (*Config, error) {
	const theta, layersOf27B = 10_000, 62
	r, final := load.ReadMetadata("gemma3", meta), 0.0
	if final = r.Number("final_logit_softcapping", 0); final < 0 {
		return nil, fmt.Errorf("gemma3: GGUF: gemma3.final_logit_softcapping is %v, want 0 or more", final)
	}
	c := &Config{Standard: r.Standard(vocab, theta), FinalLogitSoftcapping: &final, gguf: true}
	c.HiddenAct, c.SlidingWindow = "gelu_pytorch_tanh", r.Int("attention.sliding_window", 0)
	c.SlidingWindowPattern = r.Int("attention.sliding_window_pattern", 6)
	r.WholeHeads(&c.Standard)
	if c.QueryPreAttnScalar = float64(c.HeadDim); c.NumHiddenLayers == layersOf27B { // the file does not say it
		c.QueryPreAttnScalar = float64(c.HiddenSize) / float64(c.NumAttentionHeads)
	}
	c.LocalRope = load.LinearRope(r.Number("rope.freq_base_swa", localBase), 1)
	if err := r.Err(); err != nil {
		return nil, err
	}
	if err := load.CheckSizes("gemma3", load.Size{Key: "sliding_window_pattern", Value: c.SlidingWindowPattern}); err != nil {
		return nil, err
	}
	return c, c.traits().Complete(nil, &c.Standard)
}
