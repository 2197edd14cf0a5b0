package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode"
	"unicode/utf8"
)

// ggufHave are the element types that an error offers: those of weights.
const ggufHave = "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS"

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

// Sizes by which a count read from the file is checked before it is believed.
const (
	ggufMinKV     = 8 + 1 + 4 + 1     // key length, one byte of key, value type, one byte of value
	ggufMinTensor = 8 + 1 + 4 + 4 + 8 // name length, one byte of name, dimensions, type, offset
)

// ggufMaxDims is GGML_MAX_DIMS.
const ggufMaxDims = 4

// ggufDefaultAlignment is the alignment of tensor data without general.alignment.
const ggufDefaultAlignment = 32

// parseGGUF reads and checks the header of a GGUF file: magic, version, metadata
// and tensor infos; the tensors' bytes follow at the next multiple of the
// alignment. It returns the tensors in file order and all metadata. Nothing
// returned refers to file: the strings of an array share one copy.
func parseGGUF(file []byte) ([]entry, map[string]any, error) {
	if err := checkContent(file); err != nil {
		return nil, nil, err
	}
	magic := string(file[:min(4, len(file))])
	switch magic {
	case "GGUF":
	case "lmgg", "fmgg", "tjgg":
		return nil, nil, fmt.Errorf("is a GGML file of before GGUF (magic %q), which is not supported; convert it to GGUF version 3", magic)
	default:
		return nil, nil, fmt.Errorf("is not a GGUF file: it begins with %q", magic)
	}
	r := &ggufReader{file: file, at: 4}
	version := r.uint32("the version")
	switch {
	case r.err != nil:
		return nil, nil, r.err
	case version == 2 || version == 3:
	case version == 1:
		return nil, nil, errors.New("is GGUF version 1, which is not supported (have: 2, 3); convert it again with a current llama.cpp")
	case version != 0 && version&0xffff == 0:
		return nil, nil, errors.New("is a big-endian GGUF file, which is not supported (have: little-endian)")
	default:
		return nil, nil, fmt.Errorf("is GGUF version %d, which is not supported (have: 2, 3)", version)
	}
	tensorCount := r.count("the number of tensors", 8)
	kvCount := r.count("the number of metadata keys", ggufMinKV)
	if r.err == nil && tensorCount > r.left()/ggufMinTensor {
		r.fail("the number of tensors, %d, is more than the file has room for", tensorCount)
	}

	metadata := map[string]any{}
	for i := 0; i < kvCount && r.err == nil; i++ {
		r.keyValue(metadata)
	}
	alignment := ggufDefaultAlignment
	if v, ok := metadata["general.alignment"]; ok && r.err == nil {
		a, isUint32 := v.(uint32)
		if !isUint32 || a == 0 || a&(a-1) != 0 || a > maxDim {
			r.fail("general.alignment is %v (%T), which is not a power of two in a uint32", v, v)
		}
		alignment = int(a)
	}

	var infos []ggufInfo
	names := map[string]bool{}
	unknown := unsupported{have: ggufHave}
	for i := 0; i < tensorCount && r.err == nil; i++ {
		info := r.tensorInfo()
		if r.err != nil {
			break
		}
		if names[info.name] {
			r.fail("the tensor name %q stands twice", info.name)
		}
		names[info.name] = true
		if _, ok := ggmlTypes[info.typ]; !ok {
			name, known := ggmlTypeNames[info.typ]
			if !known {
				name = fmt.Sprintf("%d (no known GGML type)", info.typ)
			}
			unknown.add(info.name, name)
		}
		infos = append(infos, info)
	}
	if r.err != nil {
		return nil, nil, r.err
	}
	if err := unknown.err(); err != nil {
		return nil, nil, err
	}
	entries, err := placeGGUF(infos, (r.at+alignment-1)&^(alignment-1), alignment, len(file))
	return entries, metadata, err
}

// ggufInfo is one tensor info before its meaning is checked.
type ggufInfo struct {
	name   string
	typ    uint32
	shape  []int // row-major
	offset uint64
}

// placeGGUF checks where the tensors stand, in a file of size bytes whose tensor
// data begin at byte data.
func placeGGUF(infos []ggufInfo, data, alignment, size int) ([]entry, error) {
	entries := make([]entry, len(infos))
	need := 0
	for i, info := range infos {
		typ := ggmlTypes[info.typ]
		stored, err := storedSize(typ, info.shape)
		switch {
		case err != nil:
			return nil, fmt.Errorf("tensor %q %w", info.name, err)
		case info.offset%uint64(alignment) != 0:
			return nil, fmt.Errorf("tensor %q has offset %d, which is not a multiple of the alignment %d", info.name, info.offset, alignment)
		case stored > math.MaxInt-data || info.offset > uint64(math.MaxInt-data-stored):
			return nil, fmt.Errorf("tensor %q has offset %d and %d bytes, far outside of any file", info.name, info.offset, stored)
		}
		start := data + int(info.offset)
		entries[i] = entry{name: info.name, typ: typ, shape: info.shape, start: start, end: start + stored}
		need = max(need, start+stored)
	}
	if need > size {
		return nil, fmt.Errorf("is truncated: the file has %d bytes, its header needs %d; download it again", size, need)
	}
	return entries, checkOverlap(entries)
}

// ggufReader walks a header. Its first error sticks; after it every read returns
// zero and the position stays.
type ggufReader struct {
	file []byte
	at   int
	err  error
}

func (r *ggufReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *ggufReader) left() int { return len(r.file) - r.at }

// take returns the next n bytes of the file, or nil after an error.
func (r *ggufReader) take(n int, what string) []byte {
	if r.err != nil {
		return nil
	}
	if n > r.left() {
		r.fail("is truncated: the file has %d bytes and ends within its header, in %s; download it again", len(r.file), what)
		return nil
	}
	b := r.file[r.at : r.at+n]
	r.at += n
	return b
}

func (r *ggufReader) uint32(what string) uint32 {
	if b := r.take(4, what); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *ggufReader) uint64(what string) uint64 {
	if b := r.take(8, what); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// count reads a uint64 that counts things of at least size bytes each, all of which
// must still fit in the file.
func (r *ggufReader) count(what string, size int) int {
	n := r.uint64(what)
	if r.err == nil && n > uint64(r.left()/size) {
		r.fail("%s, %d, is more than the %d bytes left in the file have room for: it is truncated or damaged; download it again", what, n, r.left())
		return 0
	}
	return int(n)
}

func (r *ggufReader) string(what string) string {
	return string(r.take(r.count("the length of "+what, 1), what))
}

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
			return math.Float32frombits(binary.LittleEndian.Uint32(b))
		case ggufUint64:
			return binary.LittleEndian.Uint64(b)
		case ggufInt64:
			return int64(binary.LittleEndian.Uint64(b))
		case ggufFloat64:
			return math.Float64frombits(binary.LittleEndian.Uint64(b))
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
		return decode(b, 4, func(b []byte) float32 { return math.Float32frombits(le.Uint32(b)) })
	case ggufUint64:
		return decode(b, 8, le.Uint64)
	case ggufInt64:
		return decode(b, 8, func(b []byte) int64 { return int64(le.Uint64(b)) })
	default:
		return decode(b, 8, func(b []byte) float64 { return math.Float64frombits(le.Uint64(b)) })
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

// tensorInfo reads a name, a shape (innermost dimension first in the file), a type
// and an offset.
func (r *ggufReader) tensorInfo() ggufInfo {
	var info ggufInfo
	info.name = r.string("a tensor name")
	if r.err != nil {
		return info
	}
	if err := checkName(info.name); err != nil {
		r.err = err
		return info
	}
	what := fmt.Sprintf("tensor %q", info.name)
	dims := r.uint32(what)
	if r.err == nil && dims > ggufMaxDims {
		r.fail("%s has %d dimensions (at most %d)", what, dims, ggufMaxDims)
	}
	if r.err != nil {
		return info
	}
	info.shape = make([]int, dims)
	for i := range info.shape {
		d := r.uint64(what)
		if r.err == nil && (d == 0 || d > maxDim) {
			r.fail("%s has dimension %d (from 1 to %d)", what, d, maxDim)
		}
		info.shape[int(dims)-1-i] = int(d)
	}
	info.typ = r.uint32(what)
	info.offset = r.uint64(what)
	return info
}
