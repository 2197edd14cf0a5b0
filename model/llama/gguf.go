package llama

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model"
)

// ConfigFromGGUF reads the metadata that llama.cpp's converter writes for
// general.architecture llama. vocab is the number of rows of the embedding.
func ConfigFromGGUF(meta map[string]any, vocab int) (*Config, error) {
	r := model.ReadMetadata(arch, meta)
	c := &Config{
		HiddenSize:            r.Required("embedding_length"),
		IntermediateSize:      r.Required("feed_forward_length"),
		NumHiddenLayers:       r.Required("block_count"),
		NumAttentionHeads:     r.Required("attention.head_count"),
		MaxPositionEmbeddings: r.Required("context_length"),
		NumKeyValueHeads:      r.Int("attention.head_count_kv", 0),
		HeadDim:               r.Int("attention.key_length", 0),
		VocabSize:             vocab,
		RMSNormEps:            r.Number("attention.layer_norm_rms_epsilon", 0),
		HiddenAct:             "silu",
		interleaved:           true,
	}
	if n := r.Int("rope.dimension_count", 0); c.HeadDim == 0 {
		c.HeadDim = n
	} else if n != 0 && n != c.HeadDim {
		return nil, fmt.Errorf("llama: GGUF: llama.rope.dimension_count %d is less than a head's %d dimensions: not implemented", n, c.HeadDim)
	}
	if n := r.Int("attention.value_length", c.HeadDim); n != c.HeadDim {
		return nil, fmt.Errorf("llama: GGUF: llama.attention.value_length %d differs from the key's %d: not implemented", n, c.HeadDim)
	}
	r.Refuse("expert_count", "attention.sliding_window", "attention.clamp_kqv", "logit_scale", "residual_scale", "embedding_scale", "attention.scale")
	var err error
	if c.Rope, err = r.Rope(10_000, c.MaxPositionEmbeddings); err != nil {
		return nil, err
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	return c, c.complete()
}
