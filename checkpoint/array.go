package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Array is a tensor in memory, to be written or as another kind of file had it.
type Array struct {
	Name  string
	Type  Type
	Shape []int  // row-major, outermost first; a scalar has none
	Bytes []byte // the elements in that order, little-endian
}

// Float32Array returns an array of float32.
func Float32Array(name string, x []float32, shape ...int) Array {
	bytes := make([]byte, 0, 4*len(x))
	for _, v := range x {
		bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(v))
	}
	return Array{name, F32, shape, bytes}
}

// Int32Array returns a vector of int32.
func Int32Array(name string, x []int) Array {
	bytes := make([]byte, 0, 4*len(x))
	for _, v := range x {
		bytes = binary.LittleEndian.AppendUint32(bytes, uint32(int32(v)))
	}
	return Array{name, I32, []int{len(x)}, bytes}
}

// Float32 returns the elements: exactly of the types that [Tensor.Float32] widens,
// rounded of F64.
func (a *Array) Float32() ([]float32, error) {
	size, err := storedSize(a.Type, a.Shape)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: array %q %w", a.Name, err)
	}
	if size != len(a.Bytes) {
		return nil, fmt.Errorf("checkpoint: array %q has %d bytes, and type %s and shape %v take %d", a.Name, len(a.Bytes), a.Type, a.Shape, size)
	}
	elements := 1
	for _, d := range a.Shape {
		elements *= d
	}
	out := make([]float32, elements)
	switch {
	case a.Type == F64:
		for i := range out {
			out[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(a.Bytes[8*i:])))
		}
	case int(a.Type) >= len(widenTo) || widenTo[a.Type] == nil:
		return nil, fmt.Errorf("checkpoint: array %q is of %s, not of floating-point numbers", a.Name, a.Type)
	default:
		widenTo[a.Type](out, a.Bytes)
	}
	return out, nil
}

// Array reads the tensor into memory.
func (t *Tensor) Array() (Array, error) {
	a := Array{t.Name, t.Type, slices.Clone(t.Shape), make([]byte, t.NumRows()*t.rowBytes)}
	if err := t.Read(a.Bytes, 0, t.NumRows()); err != nil {
		return Array{}, err
	}
	return a, nil
}
