package llama

import (
	"fmt"
	"math"
	"strconv"

	"github.com/mlxlens/mlxlens/model"
)

// ConfigFromGGUF reads the metadata that llama.cpp's converter writes for
// general.architecture llama. vocab is the number of rows of the embedding.
func ConfigFromGGUF(meta map[string]any, vocab int) (*Config, error) {
	r := metadata{meta: meta}
	c := &Config{
		ModelType:             "llama",
		HiddenSize:            r.required("llama.embedding_length"),
		IntermediateSize:      r.required("llama.feed_forward_length"),
		NumHiddenLayers:       r.required("llama.block_count"),
		NumAttentionHeads:     r.required("llama.attention.head_count"),
		MaxPositionEmbeddings: r.required("llama.context_length"),
		NumKeyValueHeads:      r.integer("llama.attention.head_count_kv", 0),
		HeadDim:               r.integer("llama.attention.key_length", 0),
		VocabSize:             vocab,
		RMSNormEps:            r.number("llama.attention.layer_norm_rms_epsilon", 0),
		RopeTheta:             r.number("llama.rope.freq_base", 10_000),
		HiddenAct:             "silu",
		Rope:                  &model.RopeConfig{},
		interleaved:           true,
	}
	if n := r.integer("llama.rope.dimension_count", 0); c.HeadDim == 0 {
		c.HeadDim = n
	} else if n != 0 && n != c.HeadDim {
		return nil, fmt.Errorf("llama: GGUF: llama.rope.dimension_count %d is less than a head's %d dimensions: not implemented", n, c.HeadDim)
	}
	if n := r.integer("llama.attention.value_length", c.HeadDim); n != c.HeadDim {
		return nil, fmt.Errorf("llama: GGUF: llama.attention.value_length %d differs from the key's %d: not implemented", n, c.HeadDim)
	}
	if n := r.integer("llama.expert_count", 0); n > 0 {
		return nil, fmt.Errorf("llama: GGUF: llama.expert_count %d: mixtures of experts are not implemented", n)
	}
	switch kind, _ := meta["llama.rope.scaling.type"].(string); kind {
	case "", "none":
	case "linear":
		c.Rope = &model.RopeConfig{Type: "linear", Factor: r.number("llama.rope.scaling.factor", 1)}
	default:
		return nil, fmt.Errorf("llama: GGUF: llama.rope.scaling.type %q is not implemented (have: none, linear)", kind)
	}
	if r.err != nil {
		return nil, r.err
	}
	return c, c.complete()
}

// metadata reads numbers of any width; the first problem is kept.
type metadata struct {
	meta map[string]any
	err  error
}

func (r *metadata) required(key string) int {
	if _, ok := r.meta[key]; !ok && r.err == nil {
		r.err = fmt.Errorf("llama: GGUF: the metadata has no %s", key)
	}
	return r.integer(key, 0)
}

func (r *metadata) integer(key string, missing int) int {
	x := r.number(key, float64(missing))
	if (x != math.Trunc(x) || math.Abs(x) > math.MaxInt32) && r.err == nil {
		r.err = fmt.Errorf("llama: GGUF: %s is %v, want a whole number", key, x)
	}
	return int(x)
}

func (r *metadata) number(key string, missing float64) float64 {
	switch x := r.meta[key].(type) {
	case nil:
		return missing
	case uint8:
		return float64(x)
	case uint16:
		return float64(x)
	case uint32:
		return float64(x)
	case uint64:
		return float64(x)
	case int8:
		return float64(x)
	case int16:
		return float64(x)
	case int32:
		return float64(x)
	case int64:
		return float64(x)
	case float32:
		// the shortest decimal that is this float32 is the number that was meant:
		// 1e-5, not 9.99999974737875e-06
		d, err := strconv.ParseFloat(strconv.FormatFloat(float64(x), 'g', -1, 32), 64)
		if err == nil {
			return d
		}
	case float64:
		return x
	}
	if r.err == nil {
		r.err = fmt.Errorf("llama: GGUF: %s is %T, want a number", key, r.meta[key])
	}
	return missing
}

// halvesFromPairs returns the row order that undoes llama.cpp's interleaving of q
// and k: it turns neighbouring pairs of dimensions, the Hugging Face form the two
// halves of a head. Row i of half s of a head is row 2i+s in the file.
func halvesFromPairs(heads, headDim int) []int {
	order := make([]int, 0, heads*headDim)
	for h := range heads {
		for s := range 2 {
			for i := range headDim / 2 {
				order = append(order, h*headDim+2*i+s)
			}
		}
	}
	return order
}
