package load

import (
	"fmt"
	"math"
	"strconv"
)

// Metadata reads what llama.cpp's converter writes about an architecture into a GGUF
// file: numbers of any width, under keys that begin with the architecture's name. The
// first problem is kept, for Err.
type Metadata struct {
	arch string
	meta map[string]any
	err  error
}

// ReadMetadata returns a reader of an architecture's keys.
func ReadMetadata(arch string, meta map[string]any) *Metadata {
	return &Metadata{arch: arch, meta: meta}
}

// Err returns the first problem.
func (r *Metadata) Err() error { return r.err }

// Standard reads what all architectures with the standard keys have; vocab is the number of
// rows of the embedding, theta the base of the rotation where the file has none.
func (r *Metadata) Standard(vocab int, theta float64) Standard {
	s := Standard{
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
	}
	s.Rope = r.Rope(theta, s.MaxPositionEmbeddings)
	return s
}

// WholeHeads keeps an error unless positions turn all of a head, and keys and values are
// of one size.
func (r *Metadata) WholeHeads(s *Standard) {
	if n := r.Int("rope.dimension_count", 0); s.HeadDim == 0 {
		s.HeadDim = n
	} else if n != 0 && n != s.HeadDim {
		r.refuse("rope.dimension_count %d is less than a head's %d dimensions: not implemented", n, s.HeadDim)
	}
	if n := r.Int("attention.value_length", s.HeadDim); n != s.HeadDim {
		r.refuse("attention.value_length %d differs from the key's %d: not implemented", n, s.HeadDim)
	}
}

// refuse keeps an error about a key, with which format begins.
func (r *Metadata) refuse(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: GGUF: %s.%s", r.arch, r.arch, fmt.Sprintf(format, args...))
	}
}

// Required returns a whole number that must be there.
func (r *Metadata) Required(key string) int {
	if _, ok := r.meta[r.arch+"."+key]; !ok && r.err == nil {
		r.err = fmt.Errorf("%s: GGUF: the metadata has no %s.%s", r.arch, r.arch, key)
	}
	return r.Int(key, 0)
}

// Int returns a whole number.
func (r *Metadata) Int(key string, missing int) int {
	x := r.Number(key, float64(missing))
	if (x != math.Trunc(x) || math.Abs(x) > math.MaxInt32) && r.err == nil {
		r.err = fmt.Errorf("%s: GGUF: %s.%s is %v, want a whole number", r.arch, r.arch, key, x)
	}
	return int(x)
}

// Text returns a string, "" if there is none.
func (r *Metadata) Text(key string) string {
	s, _ := r.meta[r.arch+"."+key].(string)
	return s
}

// Number returns a number.
func (r *Metadata) Number(key string, missing float64) float64 {
	key = r.arch + "." + key
	x := r.meta[key]
	if x == nil {
		return missing
	}
	switch x := x.(type) {
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
		r.err = fmt.Errorf("%s: GGUF: %s is %T, want a number", r.arch, key, x)
	}
	return missing
}

// Refuse keeps an error for a key that is there, is not 0, and changes the mathematics
// in a way that is not implemented.
func (r *Metadata) Refuse(keys ...string) {
	for _, key := range keys {
		if x := r.Number(key, 0); x != 0 {
			r.refuse("%s %v is not implemented", key, x)
		}
	}
}

// Rope reads rope.freq_base and rope.scaling; theta is the base where the file has none.
func (r *Metadata) Rope(theta float64, context int) *RopeConfig {
	factor := 1.0
	switch kind := r.Text("rope.scaling.type"); kind {
	case "", "none":
	case "linear":
		factor = r.Number("rope.scaling.factor", 1)
	default:
		r.refuse("rope.scaling.type %q is not implemented (have: none, linear)", kind)
	}
	c := LinearRope(r.Number("rope.freq_base", theta), factor)
	c.Context = context
	if r.err == nil && (c.Theta <= 0 || factor <= 0) {
		r.err = fmt.Errorf("%s: GGUF: rope.freq_base %v and rope.scaling.factor %v, want both above 0", r.arch, c.Theta, factor)
	}
	return c
}
