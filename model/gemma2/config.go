// Package gemma2 is the Gemma 2 architecture (Gemma Team 2024, arXiv:2408.00118): norms
// before and after attention and MLP, with a gain of 1 + w; a gated GELU MLP; soft caps
// on attention scores and logits; every other layer slides; the embedding is scaled.
package gemma2

import (
	"cmp"
	"fmt"

	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: a base of
// 10,000, 8,192 positions, a window of 4,096; layers 0, 2, 4, … slide where layer_types
// does not say otherwise. Caps that are null are none.
type Config struct {
	load.Standard
	HiddenActivation      string   `json:"hidden_activation"` // goes before hidden_act; default: gelu_pytorch_tanh
	AttentionBias         bool     `json:"attention_bias"`
	AttnLogitSoftcapping  *float64 `json:"attn_logit_softcapping"`  // default: 50
	FinalLogitSoftcapping *float64 `json:"final_logit_softcapping"` // default: 30
	QueryPreAttnScalar    float64  `json:"query_pre_attn_scalar"`   // default: 144

	gguf bool
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	attn, final, tied := 50.0, 30.0, true
	c := &Config{
		Standard:             load.Standard{MaxPositionEmbeddings: 8192, SlidingWindow: 4096},
		AttnLogitSoftcapping: &attn, FinalLogitSoftcapping: &final, QueryPreAttnScalar: 144,
	}
	own := map[string]load.Harmless{"tie_word_embeddings": load.Is(true)}
	err := load.ReadConfig("gemma2", raw, c, own, "attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar", "layer_types", "sliding_window",
		"attention_bias", "rope_traditional")
	if err != nil {
		return nil, err
	}
	c.TieWordEmbeddings = &tied
	if c.RMSNormEps <= 0 || c.QueryPreAttnScalar <= 0 {
		return nil, fmt.Errorf("gemma2: config.json: rms_norm_eps is %v and query_pre_attn_scalar %v, want both above 0", c.RMSNormEps, c.QueryPreAttnScalar)
	}
	c.HiddenAct = cmp.Or(c.HiddenActivation, c.HiddenAct)
	return c, c.traits().Complete(raw, &c.Standard)
}

func (c *Config) traits() load.Traits {
	return load.Traits{
		Arch: "gemma2", Theta: 10_000, Act: "hidden_activation", WindowsIgnored: true,
		// "gelu" stands in Google's first files, and means the tanh form there
		Acts:  []string{"", "gelu_pytorch_tanh", "gelu_new", "gelu"},
		Slide: func(layer int) bool { return layer%2 == 0 && c.SlidingWindow > 0 },
	}
}

// ConfigFromGGUF reads the metadata that llama.cpp's converter writes for
// general.architecture gemma2. vocab is the number of rows of the embedding.
func ConfigFromGGUF(meta map[string]any, vocab int) (*Config, error) {
	const theta, layersOf27B = 10_000, 46
	r, tied := load.ReadMetadata("gemma2", meta), true
	attn, final := r.Number("attn_logit_softcapping", 50), r.Number("final_logit_softcapping", 30)
	c := &Config{Standard: r.Standard(vocab, theta), AttnLogitSoftcapping: &attn, FinalLogitSoftcapping: &final, gguf: true}
	c.HiddenAct, c.TieWordEmbeddings, c.SlidingWindow = "gelu_pytorch_tanh", &tied, r.Int("attention.sliding_window", 4096)
	r.WholeHeads(&c.Standard)
	if c.QueryPreAttnScalar = float64(c.HeadDim); c.NumHiddenLayers == layersOf27B { // the file does not say it
		c.QueryPreAttnScalar = float64(c.HiddenSize) / float64(c.NumAttentionHeads)
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	return c, c.traits().Complete(nil, &c.Standard)
}
