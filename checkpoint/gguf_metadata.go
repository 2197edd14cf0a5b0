package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode"
	"unicode/utf8"
)

// The value types of GGUF metadata (gguf_metadata_value_type in the GGUF
// specification, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
const (
	ggufUint8 = iota
	ggufInt8
	ggufUint16
	ggufInt16
	ggufUint32
	ggufInt32
	ggufFloat32
	ggufBool
	ggufString
	ggufArray
	ggufUint64
	ggufInt64
	ggufFloat64
)

// keyValue reads one pair of the metadata.
func (r *ggufReader) keyValue(metadata map[string]any) {
	key := r.string("a metadata key")
	if r.err != nil {
		return
	}
	if key == "" || !printable(key) {
		r.fail("the metadata key %q is empty or has characters that do not print", key)
		return
	}
	if _, twice := metadata[key]; twice {
		r.fail("the metadata key %q stands twice", key)
		return
	}
	what := fmt.Sprintf("metadata key %q", key)
	typ := r.uint32(what)
	if typ == ggufArray {
		metadata[key] = r.array(what)
	} else {
		metadata[key] = r.scalar(what, typ)
	}
}

func printable(s string) bool {
	for _, c := range s {
		if !unicode.IsPrint(c) {
			return false
		}
	}
	return utf8.ValidString(s)
}

func (r *ggufReader) scalar(what string, typ uint32) any {
	switch typ {
	case ggufString:
		return r.string(what)
	case ggufBool:
		if b := r.take(1, what); b != nil {
			return r.bool(b[0], what)
		}
	case ggufUint8, ggufInt8, ggufUint16, ggufInt16, ggufUint32, ggufInt32, ggufFloat32, ggufUint64, ggufInt64, ggufFloat64:
		b := r.take(ggufSize(typ), what)
		if b == nil {
			break
		}
		switch typ {
		case ggufUint8:
			return b[0]
		case ggufInt8:
			return int8(b[0])
		case ggufUint16:
			return binary.LittleEndian.Uint16(b)
		case ggufInt16:
			return int16(binary.LittleEndian.Uint16(b))
		case ggufUint32:
			return binary.LittleEndian.Uint32(b)
		case ggufInt32:
			return int32(binary.LittleEndian.Uint32(b))
		case ggufFloat32:
			return finite(r, math.Float32frombits(binary.LittleEndian.Uint32(b)), what)
		case ggufUint64:
			return binary.LittleEndian.Uint64(b)
		case ggufInt64:
			return int64(binary.LittleEndian.Uint64(b))
		case ggufFloat64:
			return finite(r, math.Float64frombits(binary.LittleEndian.Uint64(b)), what)
		}
	default:
		r.fail("%s has value type %d, which GGUF does not have", what, typ)
	}
	return nil
}

// ggufSize is the size of a value whose type has one.
func ggufSize(typ uint32) int {
	switch typ {
	case ggufUint8, ggufInt8, ggufBool:
		return 1
	case ggufUint16, ggufInt16:
		return 2
	case ggufUint32, ggufInt32, ggufFloat32:
		return 4
	}
	return 8
}

func (r *ggufReader) bool(b byte, what string) bool {
	if b > 1 {
		r.fail("%s has the boolean %d, which is neither 0 nor 1", what, b)
	}
	return b == 1
}

// finite refuses what is no number to compute with: a norm's epsilon of NaN makes every result
// NaN, and no program says why.
func finite[T float32 | float64](r *ggufReader, x T, what string) T {
	if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
		r.fail("%s holds %v: the file is damaged, or was converted wrongly", what, x)
	}
	return x
}

// array reads a []T or []string.
func (r *ggufReader) array(what string) any {
	typ := r.uint32(what)
	if r.err != nil {
		return nil
	}
	switch {
	case typ == ggufArray:
		r.fail("%s is an array of arrays, which is not supported", what)
		return nil
	case typ > ggufFloat64:
		r.fail("%s is an array of value type %d, which GGUF does not have", what, typ)
		return nil
	case typ == ggufString:
		return r.strings(what)
	}
	size := ggufSize(typ)
	n := r.count("the length of "+what, size)
	b := r.take(n*size, what)
	if r.err != nil {
		return nil
	}
	le := binary.LittleEndian
	switch typ {
	case ggufUint8:
		return append(make([]uint8, 0, n), b...)
	case ggufInt8:
		return decode(b, 1, func(b []byte) int8 { return int8(b[0]) })
	case ggufBool:
		return decode(b, 1, func(b []byte) bool { return r.bool(b[0], what) })
	case ggufUint16:
		return decode(b, 2, le.Uint16)
	case ggufInt16:
		return decode(b, 2, func(b []byte) int16 { return int16(le.Uint16(b)) })
	case ggufUint32:
		return decode(b, 4, le.Uint32)
	case ggufInt32:
		return decode(b, 4, func(b []byte) int32 { return int32(le.Uint32(b)) })
	case ggufFloat32:
		return decode(b, 4, func(b []byte) float32 { return finite(r, math.Float32frombits(le.Uint32(b)), what) })
	case ggufUint64:
		return decode(b, 8, le.Uint64)
	case ggufInt64:
		return decode(b, 8, func(b []byte) int64 { return int64(le.Uint64(b)) })
	default:
		return decode(b, 8, func(b []byte) float64 { return finite(r, math.Float64frombits(le.Uint64(b)), what) })
	}
}

// decode splits b into values of size bytes each.
func decode[T any](b []byte, size int, value func([]byte) T) []T {
	values := make([]T, len(b)/size)
	for i := range values {
		values[i] = value(b[i*size:])
	}
	return values
}

// strings reads an array of strings: a walk over the lengths finds its end, and all
// strings are then parts of one copy (a vocabulary has 10⁵ of them).
func (r *ggufReader) strings(what string) []string {
	n := r.count("the length of "+what, 8)
	if r.err != nil {
		return nil
	}
	begin, at := r.at, r.at
	for i := range n {
		if len(r.file)-at < 8 {
			r.fail("is truncated: the file has %d bytes and ends within its header, at string %d of %s; download it again", len(r.file), i, what)
			return nil
		}
		length := binary.LittleEndian.Uint64(r.file[at:])
		at += 8
		if length > uint64(len(r.file)-at) {
			r.fail("%s has a string of length %d at index %d, but %d bytes are left in the file: it is truncated or damaged; download it again",
				what, length, i, len(r.file)-at)
			return nil
		}
		at += int(length)
	}
	section := r.file[begin:at]
	text := string(section)
	r.at = at
	values := make([]string, n)
	at = 0
	for i := range values {
		length := int(binary.LittleEndian.Uint64(section[at:]))
		at += 8
		values[i] = text[at : at+length]
		at += length
	}
	return values
}
