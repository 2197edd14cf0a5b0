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
	for _, a := range arrays {
		if size, err := storedSize(a.Type, a.Shape); err == nil && size != len(a.Bytes) {
			return fmt.Errorf("checkpoint: safetensors: array %q has %d bytes, and type %s and shape %v take %d", a.Name, len(a.Bytes), a.Type, a.Shape, size)
		}
	}
	return StreamSafetensors(w, metadata, arrays, func(i int, w io.Writer) error {
		_, err := w.Write(arrays[i].Bytes)
		return err
	})
}

// StreamSafetensors is WriteSafetensors of arrays that need not be in memory together: their
// Bytes are not looked at, and write is called for each in turn to write those of arrays[i].
func StreamSafetensors(w io.Writer, metadata map[string]string, arrays []Array, write func(i int, w io.Writer) error) error {
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
	for i, a := range arrays {
		size, _ := storedSize(a.Type, a.Shape) // the header has it
		if err := WriteExactly(w, size, func(w io.Writer) error { return write(i, w) }); err != nil {
			return fmt.Errorf("checkpoint: safetensors: array %q: %w", a.Name, err)
		}
	}
	return nil
}

// WriteExactly calls write, which must write so many bytes.
func WriteExactly(w io.Writer, size int, write func(io.Writer) error) error {
	counted := &counter{w: w}
	if err := write(counted); err != nil {
		return err
	}
	if counted.n != size {
		return fmt.Errorf("%d bytes were written, and its type and shape take %d", counted.n, size)
	}
	return nil
}

// counter counts what goes through it.
type counter struct {
	w io.Writer
	n int
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += n
	return n, err
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
