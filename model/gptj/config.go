// Package gptj is the GPT-J architecture (Wang and Komatsuzaki 2021, in the terms of Su et al.
// 2021, arXiv:2104.09864): attention and MLP in parallel behind one layer norm, neighbouring
// dimensions of a part of each head turned, biases in the MLP and on the head alone.
package gptj

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/load"
)

const arch = "gptj"

// Config holds the keys of config.json that the model depends on, under the names
// that they have there.
type Config struct {
	NEmbd              int     `json:"n_embd"`
	NHead              int     `json:"n_head"`
	NLayer             int     `json:"n_layer"`
	NPositions         int     `json:"n_positions"` // default: 2,048
	NInner             *int    `json:"n_inner"`     // default: 4·NEmbd
	RotaryDim          int     `json:"rotary_dim"`  // how many dimensions of each head turn; default: 64
	VocabSize          int     `json:"vocab_size"`
	LayerNormEpsilon   float64 `json:"layer_norm_epsilon"`  // default: 1e-5
	ActivationFunction string  `json:"activation_function"` // default: gelu_new
	TieWordEmbeddings  bool    `json:"tie_word_embeddings"`
}

// own are keys of which a value that is not the usual one would mean something else. The first
// four are other names that transformers takes, and mlx-lm does not.
var own = map[string]load.Harmless{
	"hidden_size": load.Null, "num_attention_heads": load.Null, "num_hidden_layers": load.Null, "max_position_embeddings": load.Null,
	"rotary": load.Is(true), "rotary_dim": load.Number,
	"rope_theta": load.Null, "rope_scaling": load.Null, "rope_parameters": load.Null, // the base is 10,000
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := &Config{NPositions: 2048, RotaryDim: 64, LayerNormEpsilon: 1e-5, ActivationFunction: "gelu_new"}
	if err := load.ReadConfig(arch, raw, c, own); err != nil {
		return nil, err
	}
	return c, c.complete()
}

func (c *Config) complete() error {
	if c.NInner == nil {
		inner := 4 * c.NEmbd
		c.NInner = &inner
	}
	err := load.CheckSizes(arch, load.Size{Key: "n_embd", Value: c.NEmbd}, load.Size{Key: "n_head", Value: c.NHead}, load.Size{Key: "n_layer", Value: c.NLayer},
		load.Size{Key: "n_positions", Value: c.NPositions}, load.Size{Key: "n_inner", Value: *c.NInner}, load.Size{Key: "vocab_size", Value: c.VocabSize})
	switch {
	case err != nil:
		return err
	case c.NEmbd%c.NHead != 0:
		return fmt.Errorf("gptj: config.json: n_embd %d is no multiple of n_head %d", c.NEmbd, c.NHead)
	case c.RotaryDim <= 0 || c.RotaryDim%2 != 0 || c.RotaryDim > c.headDim():
		return fmt.Errorf("gptj: config.json: rotary_dim is %d, want an even number above 0, and no more than the %d dimensions of a head", c.RotaryDim, c.headDim())
	case c.LayerNormEpsilon <= 0:
		return fmt.Errorf("gptj: config.json: layer_norm_epsilon is %v, want a number above 0", c.LayerNormEpsilon)
	}
	return load.CheckActivation(arch, "activation_function", c.ActivationFunction, load.ActivationNames()...)
}

func (c *Config) headDim() int { return c.NEmbd / c.NHead }
