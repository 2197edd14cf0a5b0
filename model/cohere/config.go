// Package cohere is the architecture of Cohere's Command R (Cohere 2024, the authors' code is in
// transformers), of model_type cohere, and of Command R7B and Command A (Cohere Team 2025,
// arXiv:2504.00698), model_type cohere2: attention and MLP in parallel on one LayerNorm without
// bias (Wang and Komatsuzaki 2021, GPT-J), neighbouring dimensions that turn together, scaled
// logits. In cohere2 three layers of four see a window, and the fourth sees all and turns nothing.
package cohere

import (
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults: those of
// transformers, which are Command R's.
type Config struct {
	load.Standard
	LayerNormEps         float64 `json:"layer_norm_eps"`
	LogitScale           float64 `json:"logit_scale"`            // factor on logits
	AttentionBias        bool    `json:"attention_bias"`         // on queries, keys, values and the output matrix
	UseQKNorm            bool    `json:"use_qk_norm"`            // cohere: each head's queries and keys have a norm with a gain of its own
	SlidingWindowPattern int     `json:"sliding_window_pattern"` // cohere2: where layer_types are missing, every so many layers one sees all

	theta float64 // mlx-lm's, where a config has none
	slide bool    // layers that slide turn, and the others do not
}

func defaults() *Config {
	tied := true
	return &Config{
		Standard: load.Standard{
			HiddenSize: 8192, IntermediateSize: 22_528, NumHiddenLayers: 40, NumAttentionHeads: 64, VocabSize: 256_000,
			MaxPositionEmbeddings: 8192, HiddenAct: "silu", TieWordEmbeddings: &tied, SlidingWindow: 4096,
		},
		LayerNormEps: 1e-5, LogitScale: 0.0625, SlidingWindowPattern: 4,
	}
}

// own are conditions of keys: what no judge reads is as the architecture has it.
func own() map[string]load.Harmless {
	return map[string]load.Harmless{
		"rope_traditional": load.Is(true), "position_embedding_type": load.OneOf("rope_gptj", "rope", "rotary"),
		"layer_norm_bias": load.Is(false), "use_parallel_block": load.Is(true), "use_gated_activation": load.Is(true),
		"order_of_interleaved_layers": load.Is("local_attn_first"), "logit_scale": load.Number,
	}
}

// ParseConfig reads the config.json of model_type cohere. It rejects what would change the
// mathematics and is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := defaults()
	c.theta = 8_000_000
	if err := load.ReadConfig("cohere", raw, c, own(), "attention_bias", "use_qk_norm"); err != nil {
		return nil, err
	}
	return c, c.complete(raw, load.Traits{Arch: "cohere", Theta: 500_000})
}

// ParseCohere2 reads the config.json of model_type cohere2.
func ParseCohere2(raw []byte) (*Config, error) {
	c := defaults()
	c.theta, c.slide = 50_000, true
	keys := own()
	keys["sliding_window"], keys["sliding_window_pattern"] = load.Number, load.Number
	if err := load.ReadConfig("cohere2", raw, c, keys, "attention_bias", "layer_types"); err != nil {
		return nil, err
	}
	if err := load.CheckSizes("cohere2", load.Size{Key: "sliding_window_pattern", Value: c.SlidingWindowPattern}); err != nil {
		return nil, err
	}
	return c, c.complete(raw, load.Traits{Arch: "cohere2", Theta: 10_000, Slide: c.slidesByPattern})
}

func (c *Config) complete(raw []byte, traits load.Traits) error {
	c.RMSNormEps = c.LayerNormEps
	traits.Acts, traits.Eps, traits.LayerNorm, traits.Unbiased = []string{"silu"}, "layer_norm_eps", true, true
	if err := traits.Complete(raw, &c.Standard); err != nil {
		return err
	}
	c.Rope.Traditional = true
	return nil
}

// slidesByPattern says which layers slide where layer_types do not.
func (c *Config) slidesByPattern(layer int) bool { return (layer+1)%c.SlidingWindowPattern != 0 }

// turns reports whether queries and keys of a layer turn.
func (c *Config) turns(layer int) bool { return !c.slide || c.Windows[layer] > 0 }

// atOdds reports whether layer_types say otherwise than the pattern, which alone mlx-lm reads.
func (c *Config) atOdds() bool {
	for layer, window := range c.Windows {
		if c.slide && c.slidesByPattern(layer) != (window > 0) {
			return true
		}
	}
	return false
}
