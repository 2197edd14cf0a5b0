package llama

import (
	"fmt"

	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model/load"
)

// qwen2 are the keys of its config.json beyond the standard ones.
type qwen2 struct {
	UseSlidingWindow bool `json:"use_sliding_window"`
	MaxWindowLayers  int  `json:"max_window_layers"` // layers before it do not slide; default: 28
}

func (q *qwen2) traits(arch string, c *Config) load.Traits {
	return load.Traits{
		Arch: arch, Theta: 1_000_000, Acts: []string{"silu"}, WindowsIgnored: true,
		Slide: func(layer int) bool { return q.UseSlidingWindow && c.SlidingWindow > 0 && layer >= q.MaxWindowLayers },
	}
}

// ParseQwen2 reads the config.json of a Qwen2: biases on queries, keys and values alone, and
// a window in the later layers where use_sliding_window says so. Defaults: a base of
// 1,000,000, 32,768 positions.
func ParseQwen2(raw []byte) (*Config, error) {
	return readQwen2("qwen2", raw, &qwen2{MaxWindowLayers: 28})
}

// ParseQwen2VL reads the config.json of a Qwen2-VL (Wang et al. 2024, arXiv:2409.12191), of which the
// text part is a Qwen2. Positions of a text are alike on all axes of its rotation. Its first files
// have the keys of the text part outside text_config.
func ParseQwen2VL(raw []byte) (*Config, error) { return readQwenVL("qwen2_vl", raw) }

// ParseQwen25VL reads that of a Qwen2.5-VL (Bai et al. 2025, arXiv:2502.13923).
func ParseQwen25VL(raw []byte) (*Config, error) { return readQwenVL("qwen2_5_vl", raw) }

func readQwenVL(arch string, raw []byte) (*Config, error) {
	text, _, err := load.Unwrap(arch, raw)
	if err != nil {
		return nil, err
	}
	c, err := readQwen2(arch, text, &qwen2{MaxWindowLayers: 80})
	if err != nil {
		return nil, err
	}
	c.wrapped = true
	c.Rope.OneAxis()
	return c, nil
}

func readQwen2(arch string, raw []byte, q *qwen2) (*Config, error) {
	c := &Config{Standard: load.Standard{HiddenAct: "silu", MaxPositionEmbeddings: 32_768}}
	if err := load.ReadConfig(arch, raw, c, nil, "layer_types", "sliding_window", "attention_bias", "rope_traditional"); err != nil {
		return nil, err
	}
	if err := exactjson.Unmarshal(raw, q); err != nil {
		return nil, fmt.Errorf("%s: config.json: %w", arch, err)
	}
	c.AttentionBias, c.MLPBias, c.qkvBias = false, false, true // its biases are not the config's to choose
	return c, q.traits(arch, c).Complete(raw, &c.Standard)
}

// Qwen2FromGGUF reads the metadata that llama.cpp's converter writes for
// general.architecture qwen2. vocab is the number of rows of the embedding.
func Qwen2FromGGUF(meta map[string]any, vocab int) (*Config, error) {
	r, q := load.ReadMetadata("qwen2", meta), &qwen2{}
	c := &Config{qkvBias: true, gguf: true}
	c.Standard = r.Standard(vocab, q.traits("qwen2", c).Theta)
	r.WholeHeads(&c.Standard)
	if err := r.Err(); err != nil {
		return nil, err
	}
	return c, q.traits("qwen2", c).Complete(nil, &c.Standard)
}
