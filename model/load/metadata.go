package load

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Metadata reads what llama.cpp's converter writes about an architecture into a GGUF
// file: numbers of any width, under keys that begin with the architecture's name. The
// first problem is kept, for Err.
type Metadata struct {
	arch string
	meta map[string]any
	read map[string]bool // keys, without the architecture's name
	err  error
}

// ReadMetadata returns a reader of an architecture's keys.
func ReadMetadata(arch string, meta map[string]any) *Metadata {
	return &Metadata{arch: arch, meta: meta, read: map[string]bool{}}
}

// harmlessMetadata are keys that change nothing that is computed here.
var harmlessMetadata = []string{"vocab_size", "tensor_data_layout", "rope.scaling.finetuned", "attention.layer_norm_epsilon", "pooling_type"}

// Err returns the first problem; or names a key of the architecture that nothing has read, and
// that is not 0, false or "": it would change the mathematics.
func (r *Metadata) Err() error {
	if r.err != nil {
		return r.err
	}
	for _, key := range slices.Sorted(maps.Keys(r.meta)) {
		own, ok := strings.CutPrefix(key, r.arch+".")
		if !ok || r.read[own] || slices.Contains(harmlessMetadata, own) {
			continue
		}
		value := equalElements(r.meta[key])
		if x, isNumber := number(value); isNumber && x == 0 || value == false || value == "" {
			continue
		}
		r.refuse("%s %v is not implemented", own, r.meta[key])
		return r.err
	}
	return nil
}

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
	if causal := r.value("attention.causal"); causal != nil && causal != true {
		r.refuse("attention.causal %v is not implemented: each position sees those before it", causal)
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
	s, _ := r.value(key).(string)
	return s
}

// value returns what stands under a key, nil if there is nothing; of a list whose elements are
// all equal, as converters write what is the same for every layer, that element.
func (r *Metadata) value(key string) any {
	r.read[key] = true
	return equalElements(r.meta[r.arch+"."+key])
}

// equalElements returns the one value of a list's elements; else what it is given.
func equalElements(v any) any {
	list := reflect.ValueOf(v)
	if list.Kind() != reflect.Slice || list.Len() == 0 {
		return v
	}
	first := list.Index(0).Interface()
	for i := range list.Len() {
		if list.Index(i).Interface() != first {
			return v
		}
	}
	return first
}

// number reads a number of any width.
func number(v any) (x float64, ok bool) {
	switch n := reflect.ValueOf(v); n.Kind() {
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return float64(n.Uint()), true
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return float64(n.Int()), true
	case reflect.Float32:
		// the shortest decimal that is this float32 is the number that was meant:
		// 1e-5, not 9.99999974737875e-06
		d, err := strconv.ParseFloat(strconv.FormatFloat(n.Float(), 'g', -1, 32), 64)
		return d, err == nil
	case reflect.Float64:
		return n.Float(), true
	}
	return 0, false
}

// Number returns a number.
func (r *Metadata) Number(key string, missing float64) float64 {
	v := r.value(key)
	if v == nil {
		return missing
	}
	if x, ok := number(v); ok {
		return x
	}
	if reflect.ValueOf(v).Kind() == reflect.Slice {
		r.refuse("%s %v differs by layer, which is not implemented", key, v)
	} else {
		r.refuse("%s is %T, want a number", key, v)
	}
	return missing
}

// Rope reads rope.freq_base and rope.scaling; theta is the base where the file has none.
// As in llama.cpp a factor without a type is linear, scale_linear is the factor's first name,
// and attn_factor multiplies what turns.
func (r *Metadata) Rope(theta float64, context int) *RopeConfig {
	c := &RopeConfig{Theta: r.Number("rope.freq_base", theta), Partial: 1, Context: context, Original: r.Number("rope.scaling.original_context_length", 0)}
	factor := r.Number("rope.scale_linear", 0)
	if x := r.Number("rope.scaling.factor", 0); x != 0 {
		factor = x
	}
	attention := r.Number("rope.scaling.attn_factor", 1)
	kind := r.Text("rope.scaling.type")
	s := ropeScaling{Type: "linear", Factor: factor, BetaFast: r.Number("rope.scaling.yarn_beta_fast", 0), BetaSlow: r.Number("rope.scaling.yarn_beta_slow", 0)}
	switch {
	case kind == "none" || (kind == "" || kind == "linear" || kind == "longrope") && (factor == 0 || factor == 1):
	case kind == "" || kind == "linear":
		c.scaling = s
	case kind == "yarn":
		if s.Type = kind; factor == 0 {
			s.Factor = 1
		}
		c.scaling = s
		attention *= yarnMagnitude(s.Factor, 1)
	default:
		r.refuse("rope.scaling.type %q is not implemented (have: none, linear, yarn)", kind)
	}
	c.magnitude = attention
	if r.err == nil && (c.Theta <= 0 || factor < 0 || attention <= 0) {
		r.err = fmt.Errorf("%s: GGUF: rope.freq_base %v, rope.scaling.factor %v and rope.scaling.attn_factor %v, want all above 0", r.arch, c.Theta, factor, attention)
	}
	return c
}
