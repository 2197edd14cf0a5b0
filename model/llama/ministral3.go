package llama

import (
	"fmt"

	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model/load"
)

// ParseMinistral3 reads the config.json of a Ministral 3: a Mistral whose queries grow with their
// position ([model.QueryScale]). Default: 262,144 positions.
func ParseMinistral3(raw []byte) (*Config, error) {
	c := &Config{Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 262_144, HeadDim: 128}}
	ministral := load.Traits{
		Arch: "ministral3", Theta: 1_000_000, Acts: []string{"silu"}, WindowsIgnored: true, Slide: func(int) bool { return c.SlidingWindow > 0 }, QueryScale: true,
	}
	if err := load.ReadConfig(ministral.Arch, raw, c, nil, "layer_types", "sliding_window"); err != nil {
		return nil, err
	}
	raw, err := load.WithRope(ministral.Arch, raw, ministralRope)
	if err != nil {
		return nil, err
	}
	if err := ministral.Complete(raw, &c.Standard); err != nil {
		return nil, err
	}
	if c.query.Beta, c.query.Every = c.Rope.QueryScale(); c.query.Every <= 0 {
		return nil, fmt.Errorf("ministral3: config.json: rope_parameters needs llama_4_scaling_beta, and original_max_position_embeddings above 0")
	}
	return c, nil
}

// ministralRope is how heads turn where a config says nothing of it.
const ministralRope = `{"type": "yarn", "rope_theta": 1000000.0, "factor": 16.0, "original_max_position_embeddings": 16384,
	"beta_fast": 32.0, "beta_slow": 1.0, "mscale_all_dim": 1.0, "mscale": 1.0, "llama_4_scaling_beta": 0.1}`

// ParseMistral3 reads the config.json of a Mistral 3, whose text_config is a Mistral's or a
// Ministral 3's. What sees is left out.
func ParseMistral3(raw []byte) (*Config, error) {
	text, wrapped, err := load.Unwrap("mistral3", raw)
	if err != nil {
		return nil, err
	}
	if !wrapped {
		return nil, fmt.Errorf("mistral3: config.json: there is no text_config")
	}
	var inner struct {
		ModelType string `json:"model_type"`
	}
	if err := exactjson.Unmarshal(text, &inner); err != nil {
		return nil, fmt.Errorf("mistral3: config.json: text_config: %w", err)
	}
	parse := map[string]func([]byte) (*Config, error){"": ParseMistral, "mistral": ParseMistral, "ministral3": ParseMinistral3}[inner.ModelType]
	if parse == nil {
		return nil, fmt.Errorf("mistral3: config.json: text_config has the model_type %q, which is not supported there (have: mistral, ministral3)", inner.ModelType)
	}
	c, err := parse(text)
	if err != nil {
		return nil, err
	}
	c.wrapped = true
	return c, nil
}
