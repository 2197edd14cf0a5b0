package jacobian

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/internal/torchfile"
)

// WritePT writes the lens as TransformerLens does, with elements of F16, as it has them, or F32, and what tells its
// prompts from other shards' under a key of its own, so that TransformerLens merges shards too. The matrices are read and written one after another; equal lenses give equal files.
func (l *Lens) WritePT(w io.Writer, typ checkpoint.Type) error {
	if err := l.writable(typ); err != nil {
		return err
	}
	matrices, layers := torchfile.Items{}, []any{}
	for _, layer := range l.Layers {
		layers = append(layers, layer)
		matrices = append(matrices, torchfile.Item{Key: layer, Value: torchfile.Stored{
			Type: typ, Shape: []int{l.DModel, l.DModel}, Write: func(w io.Writer) error { return l.write(w, layer, typ) },
		}})
	}
	root := torchfile.Items{{Key: "J", Value: matrices}, {Key: "n_prompts", Value: l.Prompts}, {Key: "source_layers", Value: layers}, {Key: "d_model", Value: l.DModel}}
	m, shard := l.metadata(), Metadata{}
	for _, key := range besideMetadata {
		if v, ok := m[key]; ok {
			shard[key] = v
			delete(m, key)
		}
	}
	for _, of := range []struct {
		key string
		m   Metadata
	}{{"metadata", m}, {keyShard, shard}} {
		if len(of.m) > 0 {
			root = append(root, torchfile.Item{Key: of.key, Value: items(of.m)})
		}
	}
	return torchfile.Write(w, root)
}

// WriteSafetensors writes the own form, with elements of F16 or F32.
func (l *Lens) WriteSafetensors(w io.Writer, typ checkpoint.Type) error {
	if err := l.writable(typ); err != nil {
		return err
	}
	text, err := l.metadata().json()
	if err != nil {
		return fmt.Errorf("jacobian: %w", err)
	}
	var arrays []checkpoint.Array
	for _, layer := range l.Layers {
		arrays = append(arrays, checkpoint.Array{Name: tensorName(layer), Type: typ, Shape: []int{l.DModel, l.DModel}})
	}
	about := map[string]string{"format": format, keyPrompts: strconv.Itoa(l.Prompts), "metadata": text}
	return checkpoint.StreamSafetensors(w, about, arrays, func(i int, w io.Writer) error { return l.write(w, l.Layers[i], typ) })
}

func (l *Lens) writable(typ checkpoint.Type) error {
	if typ != checkpoint.F16 && typ != checkpoint.F32 {
		return fmt.Errorf("jacobian: elements of %s are not written (have: F16, F32)", typ)
	}
	return l.check()
}

// metadata is what is written: with the target, where it is known.
func (l *Lens) metadata() Metadata {
	m := maps.Clone(l.Metadata)
	if m == nil {
		m = Metadata{}
	}
	if l.Target != Unknown {
		m[keyTarget] = l.Target
	}
	return m
}

// items are a dictionary's, by their keys' order.
func items(m Metadata) torchfile.Items {
	out := torchfile.Items{}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		out = append(out, torchfile.Item{Key: key, Value: item(m[key])})
	}
	return out
}

func item(v any) any {
	switch v := v.(type) {
	case Metadata:
		return items(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = item(v[i])
		}
		return out
	}
	return v
}

// write writes a matrix's elements.
func (l *Lens) write(w io.Writer, layer int, typ checkpoint.Type) error {
	x, err := l.Matrix(layer)
	if err != nil {
		return err
	}
	_, width := typ.Block()
	buffer := make([]byte, 0, width*l.DModel)
	for from := 0; from < len(x); from += l.DModel {
		buffer = buffer[:0]
		for _, v := range x[from : from+l.DModel] {
			if typ == checkpoint.F32 {
				buffer = binary.LittleEndian.AppendUint32(buffer, math.Float32bits(v))
				continue
			}
			h := half(v)
			if h&0x7fff == 0x7c00 {
				return fmt.Errorf("jacobian: layer %d has %v in row %d, which 16 bits cannot hold: write it with 32", layer, v, from/l.DModel)
			}
			buffer = binary.LittleEndian.AppendUint16(buffer, h)
		}
		if _, err := w.Write(buffer); err != nil {
			return err
		}
	}
	return nil
}

// half rounds to float16, ties to even (IEEE 754, section 4.3.1).
func half(x float32) uint16 {
	bits := math.Float32bits(x)
	sign, magnitude := uint16(bits>>16&0x8000), bits&0x7fffffff
	switch {
	case magnitude >= 0x47800000: // 65,536 and more, and what is no number
		return sign | 0x7c00
	case magnitude < 0x38800000: // below 2⁻¹⁴: multiples of 2⁻²⁴
		return sign | uint16(math.RoundToEven(math.Abs(float64(x))*(1<<24)))
	}
	odd := magnitude >> 13 & 1
	return sign | uint16((magnitude+0xfff+odd-(127-15)<<23)>>13) // what rounds up to 65,536 is an infinity
}
