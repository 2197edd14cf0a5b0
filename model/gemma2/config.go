// Package gemma2 is the Gemma 2 architecture (Gemma Team 2024, arXiv:2408.00118): norms
// before and after attention and MLP, with a gain of 1 + w; a gated GELU MLP; soft caps
// on attention scores and logits; every other layer slides; the embedding is scaled.
package gemma2

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model"
)

const arch = "gemma2"

// Config holds the keys of config.json that the model depends on, under the names
// that they have there. Caps that are null are none.
type Config struct {
	HiddenSize            int      `json:"hidden_size"`
	IntermediateSize      int      `json:"intermediate_size"`
	NumHiddenLayers       int      `json:"num_hidden_layers"`
	NumAttentionHeads     int      `json:"num_attention_heads"`
	NumKeyValueHeads      int      `json:"num_key_value_heads"`
	HeadDim               int      `json:"head_dim"`
	VocabSize             int      `json:"vocab_size"`
	RMSNormEps            float64  `json:"rms_norm_eps"`
	MaxPositionEmbeddings int      `json:"max_position_embeddings"` // default: 8192
	HiddenAct             string   `json:"hidden_act"`
	HiddenActivation      string   `json:"hidden_activation"` // goes before HiddenAct; default: gelu_pytorch_tanh
	AttentionBias         bool     `json:"attention_bias"`
	AttnLogitSoftcapping  *float64 `json:"attn_logit_softcapping"`  // default: 50
	FinalLogitSoftcapping *float64 `json:"final_logit_softcapping"` // default: 30
	QueryPreAttnScalar    float64  `json:"query_pre_attn_scalar"`   // default: 144
	SlidingWindow         int      `json:"sliding_window"`          // default: 4096
	LayerTypes            []string `json:"layer_types"`             // absent: layers 0, 2, 4, … slide

	Rope    *model.RopeConfig `json:"-"` // default theta: 10,000
	Windows []int             `json:"-"` // keys that each layer's queries see, 0: all
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	attn, final := 50.0, 30.0
	c := &Config{
		MaxPositionEmbeddings: 8192, AttnLogitSoftcapping: &attn, FinalLogitSoftcapping: &final, QueryPreAttnScalar: 144, SlidingWindow: 4096,
	}
	own := map[string]model.Harmless{"tie_word_embeddings": model.Is(true)}
	err := model.ReadConfig(arch, raw, c, own, "attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar", "layer_types", "sliding_window")
	if err != nil {
		return nil, err
	}
	if c.Rope, err = model.ReadRope(raw, 10_000, "full_attention"); err != nil {
		return nil, err
	}
	return c, c.complete()
}

func (c *Config) complete() error {
	act := c.HiddenActivation
	if act == "" {
		act = c.HiddenAct
	}
	// "gelu" stands in Google's first files, and means the tanh form there
	err := model.CheckActivation(arch, "hidden_activation", act, "", "gelu_pytorch_tanh", "gelu_new", "gelu")
	if err != nil {
		return err
	}
	err = model.CheckSizes(arch, model.Size{Key: "hidden_size", Value: c.HiddenSize}, model.Size{Key: "intermediate_size", Value: c.IntermediateSize},
		model.Size{Key: "num_hidden_layers", Value: c.NumHiddenLayers}, model.Size{Key: "num_attention_heads", Value: c.NumAttentionHeads},
		model.Size{Key: "vocab_size", Value: c.VocabSize}, model.Size{Key: "max_position_embeddings", Value: c.MaxPositionEmbeddings})
	if err != nil {
		return err
	}
	if c.RMSNormEps <= 0 || c.QueryPreAttnScalar <= 0 {
		return fmt.Errorf("gemma2: config.json: rms_norm_eps is %v and query_pre_attn_scalar %v, want both above 0", c.RMSNormEps, c.QueryPreAttnScalar)
	}
	c.Windows, err = model.Windows(arch, c.NumHiddenLayers, c.LayerTypes, c.SlidingWindow,
		func(layer int) bool { return layer%2 == 0 && c.SlidingWindow > 0 })
	if err != nil {
		return err
	}
	return model.CheckHeads(arch, c.HiddenSize, c.NumAttentionHeads, &c.NumKeyValueHeads, &c.HeadDim)
}
