package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// safetensorsHave are the element types that an error offers.
const safetensorsHave = "F32, F16, BF16, F64, I8, I16, I32, I64, U8, U16, U32, U64, BOOL, C64"

// parseSafetensors reads and checks the header of a safetensors file: eight bytes of
// length, JSON {name: {dtype, shape, data_offsets}}, then the tensors' bytes, which the
// offsets must cover without gap or overlap. It returns the tensors in file order
// and the strings of __metadata__ (nil when there is none).
func parseSafetensors(file []byte) ([]headerTensor, map[string]any, error) {
	if err := checkContent(file); err != nil {
		return nil, nil, err
	}
	if len(file) < 8 {
		return nil, nil, fmt.Errorf("is truncated: the file has %d bytes, fewer than the 8 of a safetensors header's length", len(file))
	}
	length := binary.LittleEndian.Uint64(file)
	switch {
	case length == 0:
		return nil, nil, errors.New("the safetensors header has length 0")
	case length > maxHeader:
		return nil, nil, fmt.Errorf("is not a safetensors file: it begins with %q, which is no header length (at most %d)", file[:8], maxHeader)
	case length > uint64(len(file)-8):
		return nil, nil, fmt.Errorf("is truncated: the file has %d bytes, its header alone needs %d; download it again", len(file), length+8)
	}
	data := 8 + int(length)
	raw, metadata, err := parseSafetensorsHeader(file[8:data])
	if err != nil {
		return nil, nil, err
	}

	unknown := unsupported{have: safetensorsHave}
	for _, t := range raw {
		if _, ok := safetensorsTypes[t.dtype]; !ok {
			unknown.add(t.name, strconv.Quote(t.dtype))
		}
	}
	if err := unknown.err(); err != nil {
		return nil, nil, err
	}
	entries, err := placeSafetensors(raw, data, len(file))
	if err != nil {
		return nil, nil, err
	}
	if err := checkCovered(entries, data, len(file)); err != nil {
		return nil, nil, err
	}
	return entries, metadata, nil
}

// placeSafetensors checks where the tensors stand, in a file of size bytes whose tensor data
// begin at byte data.
func placeSafetensors(raw []rawTensor, data, size int) ([]headerTensor, error) {
	entries := make([]headerTensor, len(raw))
	need := 0
	for i, t := range raw {
		typ := safetensorsTypes[t.dtype]
		stored, err := storedSize(typ, t.shape)
		if err != nil {
			return nil, fmt.Errorf("tensor %q %w", t.name, err)
		}
		start, end := t.offsets[0], t.offsets[1]
		if end < start {
			return nil, fmt.Errorf("tensor %q has data_offsets [%d, %d], which are reversed", t.name, start, end)
		}
		if end-start != stored {
			return nil, fmt.Errorf("tensor %q has %d bytes at data_offsets [%d, %d], but type %s and shape %v take %d",
				t.name, end-start, start, end, typ, t.shape, stored)
		}
		if end > math.MaxInt-data {
			return nil, fmt.Errorf("tensor %q has data_offsets [%d, %d], far outside of any file", t.name, start, end)
		}
		entries[i] = headerTensor{name: t.name, typ: typ, shape: t.shape, start: data + start, end: data + end}
		need = max(need, end)
	}
	if data+need > size {
		return nil, fmt.Errorf("is truncated: the file has %d bytes, its header needs %d; download it again", size, data+need)
	}
	return entries, nil
}

// checkCovered sorts entries by where they stand, and fails unless each byte from data to
// the end of the file belongs to one of them.
func checkCovered(entries []headerTensor, data, size int) error {
	if err := checkOverlap(entries); err != nil {
		return err
	}
	at := data
	for _, e := range entries {
		if e.start != at {
			return fmt.Errorf("has a gap: bytes %d to %d of the file, before tensor %q, belong to no tensor", at, e.start, e.name)
		}
		at = e.end
	}
	if at != size {
		return fmt.Errorf("has %d bytes, but its tensors end at byte %d: the rest belongs to no tensor", size, at)
	}
	return nil
}

// ReadSafetensors reads a whole safetensors file: its arrays in the order in which they
// stand, and the strings of __metadata__, nil when there is none. The header is checked as
// OpenFile checks it. The arrays' bytes share the memory that was read.
func ReadSafetensors(r io.Reader) (arrays []Array, metadata map[string]string, err error) {
	file, err := io.ReadAll(r)
	if err != nil {
		return nil, nil, fmt.Errorf("checkpoint: safetensors: %w", err)
	}
	entries, texts, err := parseSafetensors(file)
	if err != nil {
		return nil, nil, fmt.Errorf("checkpoint: the safetensors file %w", err)
	}
	for _, e := range entries {
		arrays = append(arrays, Array{e.name, e.typ, e.shape, file[e.start:e.end:e.end]})
	}
	if texts != nil {
		metadata = make(map[string]string, len(texts))
		for key, text := range texts {
			metadata[key] = text.(string) // readMetadata lets nothing else in
		}
	}
	return arrays, metadata, nil
}
