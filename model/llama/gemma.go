package llama

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// gemma has "gelu" because it stands in Google's first files, and means the tanh form there.
var gemma = load.Traits{Arch: "gemma", Theta: 10_000, Acts: []string{"gelu", "gelu_fast", "gelu_new", "gelu_pytorch_tanh"}}

// gemmaConfig returns what every Gemma has, with the defaults of the 7B model.
func gemmaConfig(s load.Standard, fromGGUF bool) *Config {
	tied := true
	s.TieWordEmbeddings = &tied
	return &Config{Standard: s, plusOne: !fromGGUF, scaled: true, act: mlx.GELUTanh} // llama.cpp's converter has added the 1
}

// ParseGemma reads the config.json of a Gemma: gains of 1 + w, a gated tanh GELU in the MLP, an
// embedding times √d_model. Defaults are those of the 7B model, and a head that is tied.
func ParseGemma(raw []byte) (*Config, error) {
	c := gemmaConfig(load.Standard{
		HiddenSize: 3072, IntermediateSize: 24_576, NumHiddenLayers: 28, NumAttentionHeads: 16, NumKeyValueHeads: 16, HeadDim: 256,
		VocabSize: 256_000, RMSNormEps: 1e-6, MaxPositionEmbeddings: 8192, HiddenAct: "gelu_pytorch_tanh",
	}, false)
	own := map[string]load.Harmless{"hidden_activation": load.OneOf("gelu", "gelu_fast", "gelu_new", "gelu_pytorch_tanh")} // hidden_act is read
	if err := load.ReadConfig(gemma.Arch, raw, c, own, "attention_bias", "rope_traditional"); err != nil {
		return nil, err
	}
	if err := gemma.Complete(raw, &c.Standard); err != nil {
		return nil, err
	}
	c.notes = append(c.notes, model.Note{Text: "the MLP's activation is the tanh GELU, as in transformers; mlx-lm takes the exact one"})
	if kind := c.Rope.Kind(); kind != "default" {
		c.notes = append(c.notes, model.Note{Text: kind + " rope is read, as in transformers; mlx-lm does not read it for this model_type"})
	}
	return c, nil
}

// GemmaFromGGUF reads the metadata that llama.cpp's converter writes for general.architecture
// gemma. vocab is the number of rows of the embedding.
func GemmaFromGGUF(meta map[string]any, vocab int) (*Config, error) {
	r := load.ReadMetadata(gemma.Arch, meta)
	c := gemmaConfig(r.Standard(vocab, gemma.Theta), true)
	c.HiddenAct = "gelu_pytorch_tanh"
	r.WholeHeads(&c.Standard)
	if err := r.Err(); err != nil {
		return nil, err
	}
	return c, gemma.Complete(nil, &c.Standard)
}
