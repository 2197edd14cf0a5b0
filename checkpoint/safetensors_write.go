package checkpoint

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// headerAlign is what the reference implementation pads the header to, so that the
// tensors begin at a multiple of the largest element (safetensors/src/tensor.rs).
const headerAlign = 8

// WriteSafetensors writes a safetensors file, with the arrays in their order: what
// OpenFile reads. The metadata stands in __metadata__; nil is none.
func WriteSafetensors(w io.Writer, metadata map[string]string, arrays []Array) error {
	header, err := safetensorsHeader(metadata, arrays)
	if err != nil {
		return fmt.Errorf("checkpoint: safetensors: %w", err)
	}
	for len(header)%headerAlign != 0 {
		header = append(header, ' ')
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))); err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, a := range arrays {
		if _, err := w.Write(a.Bytes); err != nil {
			return err
		}
	}
	return nil
}

func safetensorsHeader(metadata map[string]string, arrays []Array) ([]byte, error) {
	header := map[string]any{}
	if metadata != nil {
		header["__metadata__"] = metadata
	}
	at := 0
	for _, a := range arrays {
		if err := checkName(a.Name); err != nil {
			return nil, err
		}
		if _, twice := header[a.Name]; twice {
			return nil, fmt.Errorf("the name %q stands for two arrays", a.Name)
		}
		if _, ok := safetensorsTypes[a.Type.String()]; !ok {
			return nil, fmt.Errorf("array %q has type %s, which safetensors has not", a.Name, a.Type)
		}
		size, err := storedSize(a.Type, a.Shape)
		if err != nil {
			return nil, fmt.Errorf("array %q %w", a.Name, err)
		}
		if size != len(a.Bytes) {
			return nil, fmt.Errorf("array %q has %d bytes, and type %s and shape %v take %d", a.Name, len(a.Bytes), a.Type, a.Shape, size)
		}
		shape := a.Shape
		if shape == nil {
			shape = []int{}
		}
		header[a.Name] = map[string]any{"dtype": a.Type.String(), "shape": shape, "data_offsets": [2]int{at, at + size}}
		at += size
	}
	text, err := json.Marshal(header)
	if err == nil && len(text) > maxHeader {
		err = errors.New("the header is too long")
	}
	return text, err
}
