package checkpoint

import (
	"errors"
	"fmt"
	"math"
)

// ggufHave are the element types that an error offers: those of weights.
const ggufHave = "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4"

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
func parseGGUF(file []byte) ([]headerTensor, map[string]any, error) {
	if err := checkContent(file); err != nil {
		return nil, nil, err
	}
	r := &ggufReader{file: file}
	if err := r.version(); err != nil {
		return nil, nil, err
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
	alignment := r.alignment(metadata)
	infos, unknown := r.tensorInfos(tensorCount)
	if r.err != nil {
		return nil, nil, r.err
	}
	if err := unknown.err(); err != nil {
		return nil, nil, err
	}
	entries, err := placeGGUF(infos, (r.at+alignment-1)&^(alignment-1), alignment, len(file))
	return entries, metadata, err
}

// version reads the magic number and the version, and refuses those that are not read.
func (r *ggufReader) version() error {
	magic := string(r.file[:min(4, len(r.file))])
	switch magic {
	case "GGUF":
	case "lmgg", "fmgg", "tjgg":
		return fmt.Errorf("is a GGML file of before GGUF (magic %q), which is not supported; convert it to GGUF version 3", magic)
	default:
		return fmt.Errorf("is not a GGUF file: it begins with %q", magic)
	}
	r.at = len(magic)
	version := r.uint32("the version")
	switch {
	case r.err != nil:
		return r.err
	case version == 2 || version == 3:
		return nil
	case version == 1:
		return errors.New("is GGUF version 1, which is not supported (have: 2, 3); convert it again with a current llama.cpp")
	case version != 0 && version&0xffff == 0:
		return errors.New("is a big-endian GGUF file, which is not supported (have: little-endian)")
	}
	return fmt.Errorf("is GGUF version %d, which is not supported (have: 2, 3)", version)
}

// alignment is that of the tensors' bytes.
func (r *ggufReader) alignment(metadata map[string]any) int {
	v, ok := metadata["general.alignment"]
	if !ok || r.err != nil {
		return ggufDefaultAlignment
	}
	a, isUint32 := v.(uint32)
	if !isUint32 || a == 0 || a&(a-1) != 0 || a > maxDim {
		r.fail("general.alignment is %v (%T), which is not a power of two in a uint32", v, v)
	}
	return int(a)
}

// tensorInfos reads the tensor infos, and gathers those of types that are not read.
func (r *ggufReader) tensorInfos(count int) (infos []ggufInfo, unknown unsupported) {
	names := map[string]bool{}
	unknown.have = ggufHave
	for i := 0; i < count && r.err == nil; i++ {
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
	return infos, unknown
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
func placeGGUF(infos []ggufInfo, data, alignment, size int) ([]headerTensor, error) {
	entries := make([]headerTensor, len(infos))
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
		entries[i] = headerTensor{name: info.name, typ: typ, shape: info.shape, start: start, end: start + stored}
		need = max(need, start+stored)
	}
	if need > size {
		return nil, fmt.Errorf("is truncated: the file has %d bytes, its header needs %d; download it again", size, need)
	}
	return entries, checkOverlap(entries)
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
