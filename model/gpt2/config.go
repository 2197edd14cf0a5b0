// Package gpt2 is the GPT-2 architecture (Radford et al. 2019): layer norms before
// attention and MLP, learned positions, biases everywhere, a GELU MLP.
package gpt2

import (
	"fmt"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model/load"
)

const arch = "gpt2"

// Config holds the keys of config.json that the model depends on, under the names
// that they have there.
type Config struct {
	NEmbd                      int     `json:"n_embd"`
	NHead                      int     `json:"n_head"`
	NLayer                     int     `json:"n_layer"`
	NPositions                 int     `json:"n_positions"` // default: NCtx
	NCtx                       int     `json:"n_ctx"`
	NInner                     int     `json:"n_inner"` // default: 4·NEmbd
	VocabSize                  int     `json:"vocab_size"`
	LayerNormEpsilon           float64 `json:"layer_norm_epsilon"`  // default: 1e-5
	ActivationFunction         string  `json:"activation_function"` // default: gelu_new
	ScaleAttnWeights           bool    `json:"scale_attn_weights"`  // by d_head^−½; default: true
	ScaleAttnByInverseLayerIdx bool    `json:"scale_attn_by_inverse_layer_idx"`
	TieWordEmbeddings          *bool   `json:"tie_word_embeddings"` // absent: tied when there is no head

	activation func(*mlx.Array) *mlx.Array
}

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := &Config{LayerNormEpsilon: 1e-5, ActivationFunction: "gelu_new", ScaleAttnWeights: true}
	// positions are learned, and nothing turns
	own := map[string]load.Harmless{"position_embedding_type": load.OneOf("absolute"), "rope_theta": load.Null, "rope_scaling": load.Null, "rope_parameters": load.Null}
	if err := load.ReadConfig(arch, raw, c, own, "scale_attn_weights", "scale_attn_by_inverse_layer_idx"); err != nil {
		return nil, err
	}
	return c, c.complete()
}

// ConfigFromGGUF reads the metadata that llama.cpp's converter writes for
// general.architecture gpt2. vocab is the number of rows of the embedding.
func ConfigFromGGUF(meta map[string]any, vocab int) (*Config, error) {
	r := load.ReadMetadata(arch, meta)
	c := &Config{
		NEmbd: r.Required("embedding_length"), NHead: r.Required("attention.head_count"), NLayer: r.Required("block_count"),
		NPositions: r.Required("context_length"), NInner: r.Required("feed_forward_length"), VocabSize: vocab,
		LayerNormEpsilon: r.Number("attention.layer_norm_epsilon", 1e-5), ActivationFunction: "gelu_new", ScaleAttnWeights: true,
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	return c, c.complete()
}

func (c *Config) complete() error {
	if c.NPositions == 0 {
		c.NPositions = c.NCtx
	}
	if c.NInner == 0 {
		c.NInner = 4 * c.NEmbd
	}
	err := load.CheckSizes(arch, load.Size{Key: "n_embd", Value: c.NEmbd}, load.Size{Key: "n_head", Value: c.NHead}, load.Size{Key: "n_layer", Value: c.NLayer},
		load.Size{Key: "n_positions", Value: c.NPositions}, load.Size{Key: "n_inner", Value: c.NInner}, load.Size{Key: "vocab_size", Value: c.VocabSize})
	if err != nil {
		return err
	}
	if c.NEmbd%c.NHead != 0 {
		return fmt.Errorf("gpt2: config.json: n_embd %d is no multiple of n_head %d", c.NEmbd, c.NHead)
	}
	if c.LayerNormEpsilon <= 0 {
		return fmt.Errorf("gpt2: config.json: layer_norm_epsilon is %v, want a number above 0", c.LayerNormEpsilon)
	}
	if err := load.CheckActivation(arch, "activation_function", c.ActivationFunction, load.ActivationNames()...); err != nil {
		return err
	}
	c.activation = load.Activations[c.ActivationFunction]
	return nil
}
