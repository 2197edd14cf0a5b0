package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf8"
)

// maxHeader is the largest safetensors header, the limit of the reference
// implementation (MAX_HEADER_SIZE in safetensors/src/tensor.rs).
const maxHeader = 100_000_000

// safetensorsHave are the element types that an error offers.
const safetensorsHave = "F32, F16, BF16, F64, I8, I16, I32, I64, U8, U16, U32, U64, BOOL, C64"

// parseSafetensors reads and checks the header of a safetensors file: eight bytes of
// length, JSON {name: {dtype, shape, data_offsets}}, then the tensors' bytes, which the
// offsets must cover without gap or overlap. It returns the tensors in file order
// and the strings of __metadata__ (nil when there is none).
func parseSafetensors(file []byte) ([]entry, map[string]any, error) {
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
	entries := make([]entry, len(raw))
	need := 0
	for i, t := range raw {
		typ := safetensorsTypes[t.dtype]
		size, err := storedSize(typ, t.shape)
		if err != nil {
			return nil, nil, fmt.Errorf("tensor %q %w", t.name, err)
		}
		start, end := t.offsets[0], t.offsets[1]
		if end < start {
			return nil, nil, fmt.Errorf("tensor %q has data_offsets [%d, %d], which are reversed", t.name, start, end)
		}
		if end-start != size {
			return nil, nil, fmt.Errorf("tensor %q has %d bytes at data_offsets [%d, %d], but type %s and shape %v take %d",
				t.name, end-start, start, end, typ, t.shape, size)
		}
		if end > math.MaxInt-data {
			return nil, nil, fmt.Errorf("tensor %q has data_offsets [%d, %d], far outside of any file", t.name, start, end)
		}
		entries[i] = entry{name: t.name, typ: typ, shape: t.shape, start: data + start, end: data + end}
		need = max(need, end)
	}
	if data+need > len(file) {
		return nil, nil, fmt.Errorf("is truncated: the file has %d bytes, its header needs %d; download it again", len(file), data+need)
	}
	if err := checkOverlap(entries); err != nil {
		return nil, nil, err
	}
	at := data
	for _, e := range entries {
		if e.start != at {
			return nil, nil, fmt.Errorf("has a gap: bytes %d to %d of the file, before tensor %q, belong to no tensor", at, e.start, e.name)
		}
		at = e.end
	}
	if at != len(file) {
		return nil, nil, fmt.Errorf("has %d bytes, but its tensors end at byte %d: the rest belongs to no tensor", len(file), at)
	}
	return entries, metadata, nil
}

// rawTensor is one entry of the JSON header before its meaning is checked.
type rawTensor struct {
	name    string
	dtype   string
	shape   []int
	offsets []int
}

// parseSafetensorsHeader reads the JSON of the header. It goes token by token, for
// encoding/json's Unmarshal keeps the last of two equal keys and says nothing.
func parseSafetensorsHeader(header []byte) ([]rawTensor, map[string]any, error) {
	if !utf8.Valid(header) {
		return nil, nil, errors.New("the safetensors header is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(header))
	dec.UseNumber()
	var tensors []rawTensor
	var metadata map[string]any
	err := readObject(dec, "the safetensors header", func(name string) error {
		if name == "__metadata__" {
			var err error
			metadata, err = readMetadata(dec)
			return err
		}
		if err := checkName(name); err != nil {
			return err
		}
		t := rawTensor{name: name}
		if err := t.read(dec); err != nil {
			return err
		}
		tensors = append(tensors, t)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, nil, errors.New("the safetensors header goes on after its JSON object")
	}
	return tensors, metadata, nil
}

// read reads the object {dtype, shape, data_offsets} of one tensor. Other keys mean
// nothing in the format and are passed over.
func (t *rawTensor) read(dec *json.Decoder) error {
	what := fmt.Sprintf("tensor %q", t.name)
	err := readObject(dec, what, func(key string) error {
		var err error
		switch key {
		case "dtype":
			token, terr := dec.Token()
			if terr != nil {
				return badJSON(what, terr)
			}
			var ok bool
			if t.dtype, ok = token.(string); !ok {
				return fmt.Errorf("%s has dtype %v, which is not a string", what, token)
			}
		case "shape":
			if t.shape, err = readInts(dec, what, key, maxDims); err != nil {
				return err
			}
			for _, d := range t.shape {
				if d > maxDim {
					return fmt.Errorf("%s has shape %v: %d is over the largest dimension, %d", what, t.shape, d, maxDim)
				}
			}
		case "data_offsets":
			t.offsets, err = readInts(dec, what, key, 2)
		default:
			var skipped json.RawMessage
			if err = dec.Decode(&skipped); err != nil {
				return badJSON(what, err)
			}
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case t.dtype == "":
		return fmt.Errorf("%s has no dtype", what)
	case t.shape == nil:
		return fmt.Errorf("%s has no shape", what)
	case len(t.offsets) != 2:
		return fmt.Errorf("%s has %d data_offsets (want 2: begin and end)", what, len(t.offsets))
	}
	return nil
}

// readMetadata reads the strings of __metadata__, or null.
func readMetadata(dec *json.Decoder) (map[string]any, error) {
	const what = "the safetensors header's __metadata__"
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return nil, badJSON(what, err)
	}
	if string(raw) == "null" {
		return nil, nil
	}
	sub := json.NewDecoder(bytes.NewReader(raw))
	metadata := map[string]any{}
	err := readObject(sub, what, func(key string) error {
		token, err := sub.Token()
		if err != nil {
			return badJSON(what, err)
		}
		s, ok := token.(string)
		if !ok {
			return fmt.Errorf("%s has a value at %q that is not a string", what, key)
		}
		metadata[key] = s
		return nil
	})
	return metadata, err
}

// readObject reads a JSON object and calls field for each key, which must read the
// value. A key that stands twice is an error.
func readObject(dec *json.Decoder, what string, field func(key string) error) error {
	token, err := dec.Token()
	if err != nil {
		return badJSON(what, err)
	}
	if token != json.Delim('{') {
		return fmt.Errorf("%s is not a JSON object", what)
	}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return badJSON(what, err)
		}
		key := token.(string) // the decoder lets nothing else stand for a key
		if seen[key] {
			return fmt.Errorf("%s has the key %q twice", what, key)
		}
		seen[key] = true
		if err := field(key); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return badJSON(what, err)
	}
	return nil
}

// readInts reads a JSON array of at most limit non-negative integers.
func readInts(dec *json.Decoder, what, key string, limit int) ([]int, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, badJSON(what, err)
	}
	if token != json.Delim('[') {
		return nil, fmt.Errorf("%s has a %s that is not an array", what, key)
	}
	ints := []int{}
	for dec.More() {
		if len(ints) == limit {
			return nil, fmt.Errorf("%s has more than %d numbers in %s", what, limit, key)
		}
		token, err := dec.Token()
		if err != nil {
			return nil, badJSON(what, err)
		}
		number, ok := token.(json.Number)
		if !ok {
			return nil, fmt.Errorf("%s has %v in %s, which is not a number", what, token, key)
		}
		n, err := strconv.ParseUint(number.String(), 10, 63)
		if err != nil {
			return nil, fmt.Errorf("%s has %s in %s, which is not an integer from 0 to 2^63-1", what, number, key)
		}
		ints = append(ints, int(n))
	}
	if _, err := dec.Token(); err != nil {
		return nil, badJSON(what, err)
	}
	return ints, nil
}

func badJSON(what string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s is not JSON: it ends too soon", what)
	}
	return fmt.Errorf("%s is not JSON: %w", what, err)
}
