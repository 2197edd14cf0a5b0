package tokenizer

import "fmt"

// ggufValue returns tokenizer.ggml.<key>; ok is false where it is missing.
func ggufValue[T any](g ggufMeta, key string) (value T, ok bool, err error) {
	v, ok := g.meta["tokenizer.ggml."+key]
	if !ok {
		return value, false, nil
	}
	if value, ok = v.(T); !ok {
		return value, false, fmt.Errorf("tokenizer.ggml.%s is a %T, want a %T", key, v, value)
	}
	return value, true, nil
}

// integer reads a value of any integer type.
func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case uint8:
		return int64(n), true
	case uint16:
		return int64(n), true
	case uint32:
		return int64(n), true
	case uint64:
		return int64(n), n < 1<<63
	case int8:
		return int64(n), true
	case int16:
		return int64(n), true
	case int32:
		return int64(n), true
	case int64:
		return n, true
	case int:
		return int64(n), true
	}
	return 0, false
}

// id reads the id of a token; −1 where it is missing, is the 2^32 − 1 that stands for none, or is no token's: files
// that were merged of two models have such ids, and llama.cpp passes over them.
func (g ggufMeta) id(key string, count int) (int, error) {
	v, ok := g.meta["tokenizer.ggml."+key]
	if !ok {
		return -1, nil
	}
	n, ok := integer(v)
	if ok && (n == -1 || n == 1<<32-1) {
		return -1, nil
	}
	if !ok {
		return -1, fmt.Errorf("tokenizer.ggml.%s is %v, want an id from 0 to %d", key, v, count-1)
	}
	if n < 0 || n >= int64(count) {
		g.note(fmt.Sprintf("tokenizer.ggml.%s is %d, and ids go from 0 to %d: it is passed over", key, n, count-1))
		return -1, nil
	}
	return int(n), nil
}

// integers reads a list of any integer type; nil where it is missing.
func (g ggufMeta) integers(key string) ([]int64, error) {
	v, ok := g.meta["tokenizer.ggml."+key]
	if !ok {
		return nil, nil
	}
	switch list := v.(type) {
	case []int32:
		return widen(list), nil
	case []uint32:
		return widen(list), nil
	case []int64:
		return list, nil
	case []int16:
		return widen(list), nil
	case []uint16:
		return widen(list), nil
	case []int8:
		return widen(list), nil
	case []uint8:
		return widen(list), nil
	case []int:
		return widen(list), nil
	}
	return nil, fmt.Errorf("tokenizer.ggml.%s is a %T, want a list of integers", key, v)
}

func widen[T uint8 | uint16 | uint32 | int8 | int16 | int32 | int](list []T) []int64 {
	out := make([]int64, len(list))
	for i, v := range list {
		out[i] = int64(v)
	}
	return out
}

// floats reads a list of either float type.
func (g ggufMeta) floats(key string) ([]float64, error) {
	v, ok := g.meta["tokenizer.ggml."+key]
	if !ok {
		return nil, nil
	}
	switch list := v.(type) {
	case []float32:
		out := make([]float64, len(list))
		for i, v := range list {
			out[i] = float64(v)
		}
		return out, nil
	case []float64:
		return list, nil
	}
	return nil, fmt.Errorf("tokenizer.ggml.%s is a %T, want a list of numbers", key, v)
}
