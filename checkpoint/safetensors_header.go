package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxHeader is the largest safetensors header, the limit of the reference
// implementation (MAX_HEADER_SIZE in safetensors/src/tensor.rs).
const maxHeader = 100_000_000

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
