package npz

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
)

// align is what the elements' offset in an entry is a multiple of (NEP 1).
const align = 64

// EncodeNPY writes an array as a file .npy holds it, without its name; of bfloat16, as
// Write does.
func EncodeNPY(w io.Writer, a checkpoint.Array) error {
	if a.Type == checkpoint.BF16 {
		wide, err := a.Float32()
		if err != nil {
			return err
		}
		a = checkpoint.Float32Array(a.Name, wide, a.Shape...)
	}
	h, err := formatHeader(a)
	if err != nil {
		return err
	}
	if _, err := w.Write(h); err != nil {
		return err
	}
	_, err = w.Write(a.Bytes)
	return err
}

func formatHeader(a checkpoint.Array) ([]byte, error) {
	descr := ""
	for d, t := range types {
		if t == a.Type && d != "V2" {
			descr = d
		}
	}
	if descr == "" {
		return nil, fmt.Errorf("NumPy has no type %s", a.Type)
	}
	order := "<"
	if _, width := a.Type.Block(); width == 1 {
		order = "|"
	}
	sizes := ""
	for _, d := range a.Shape {
		sizes += fmt.Sprintf("%d, ", d)
	}
	if len(a.Shape) > 1 {
		sizes = strings.TrimSuffix(sizes, ", ")
	}
	h := header{typ: a.Type, shape: a.Shape}
	if size, err := h.bytes(); err != nil || size != uint64(len(a.Bytes)) {
		return nil, fmt.Errorf("it has %d bytes, which type %s and shape %v do not take", len(a.Bytes), a.Type, a.Shape)
	}
	text := fmt.Sprintf("{'descr': '%s%s', 'fortran_order': False, 'shape': (%s), }", order, descr, strings.TrimSuffix(sizes, " "))
	for (10+len(text)+1)%align != 0 {
		text += " "
	}
	text += "\n"
	out := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(text)))
	return append(out, text...), nil
}
