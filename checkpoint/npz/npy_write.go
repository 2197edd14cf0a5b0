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
	if _, err := formatHeader(a.Type, a.Shape); err != nil {
		return err
	}
	if size, _ := (&header{typ: a.Type, shape: a.Shape}).bytes(); size != uint64(len(a.Bytes)) {
		return fmt.Errorf("it has %d bytes, which type %s and shape %v do not take", len(a.Bytes), a.Type, a.Shape)
	}
	return StreamNPY(w, a.Type, a.Shape, func(w io.Writer) error {
		_, err := w.Write(a.Bytes)
		return err
	})
}

// StreamNPY writes a file .npy whose elements, not of bfloat16, write writes, little-endian in
// row-major order.
func StreamNPY(w io.Writer, typ checkpoint.Type, shape []int, write func(io.Writer) error) error {
	h, err := formatHeader(typ, shape)
	if err != nil {
		return err
	}
	if _, err := w.Write(h); err != nil {
		return err
	}
	size, _ := (&header{typ: typ, shape: shape}).bytes() // formatHeader has checked it
	return checkpoint.WriteExactly(w, int(size), write)
}

func formatHeader(typ checkpoint.Type, shape []int) ([]byte, error) {
	descr := ""
	for d, t := range types {
		if t == typ && d != "V2" {
			descr = d
		}
	}
	if descr == "" {
		return nil, fmt.Errorf("NumPy has no type %s", typ)
	}
	order := "<"
	if _, width := typ.Block(); width == 1 {
		order = "|"
	}
	sizes := ""
	for _, d := range shape {
		sizes += fmt.Sprintf("%d, ", d)
	}
	if len(shape) > 1 {
		sizes = strings.TrimSuffix(sizes, ", ")
	}
	h := header{typ: typ, shape: shape}
	if _, err := h.bytes(); err != nil {
		return nil, err
	}
	text := fmt.Sprintf("{'descr': '%s%s', 'fortran_order': False, 'shape': (%s), }", order, descr, strings.TrimSuffix(sizes, " "))
	for (10+len(text)+1)%align != 0 {
		text += " "
	}
	text += "\n"
	out := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(text)))
	return append(out, text...), nil
}
