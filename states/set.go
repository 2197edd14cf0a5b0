// Package states keeps what a model computes at some places ([Capture]), as plain data, and
// writes it to files that Python reads: .npz (numpy.load) and .safetensors. What was written
// is what an edit sets ([ReadValue]): a capture is a patch.
//
// An array is named by its place, layers.5.resid_post. Beside the arrays a file has ids,
// the prompt's tokens, and positions, those of them that the arrays are of, both int32.
package states

import (
	"io"
	"maps"

	"github.com/mlxlens/mlxlens/checkpoint"
)

// Set is what one prompt has at some places.
type Set struct {
	IDs       []int // of the prompt
	Positions []int // that the arrays have, ascending

	// Arrays are in forward order, without a batch axis: [pos, …], of attn_scores and
	// pattern [head, pos, key] with all keys. Their type is that of the computation:
	// F32, F16 or BF16.
	Arrays []checkpoint.Array

	// Metadata is what else is known, such as the model and the prompt. The key format is
	// written by this package.
	Metadata map[string]string
}

// Format is what the metadata of a file have under "format".
const Format = "mlxlens.activations/1"

// Array returns the array of a place by its name, nil if there is none.
func (s *Set) Array(name string) *checkpoint.Array {
	for i := range s.Arrays {
		if s.Arrays[i].Name == name {
			return &s.Arrays[i]
		}
	}
	return nil
}

// Bytes returns what the arrays take.
func (s *Set) Bytes() int64 {
	total := int64(0)
	for _, a := range s.Arrays {
		total += int64(len(a.Bytes))
	}
	return total
}

func (s *Set) metadata() map[string]string {
	m := map[string]string{"format": Format}
	maps.Copy(m, s.Metadata)
	m["format"] = Format
	return m
}

func (s *Set) beside() []checkpoint.Array {
	return []checkpoint.Array{checkpoint.Int32Array("ids", s.IDs), checkpoint.Int32Array("positions", s.Positions)}
}

// WriteSafetensors writes a safetensors file: the types as they are, and Metadata in
// __metadata__.
func (s *Set) WriteSafetensors(w io.Writer) error {
	return checkpoint.WriteSafetensors(w, s.metadata(), append(s.beside(), s.Arrays...))
}

// WriteNPZ writes an .npz file. NumPy has no bfloat16: those arrays become float32, which
// holds their values exactly. Metadata is the array metadata: the bytes, uint8, of a
// JSON object, json.loads(bytes(file["metadata"])).
func (s *Set) WriteNPZ(w io.Writer) error {
	return writeNPZ(w, s.metadata(), append(s.beside(), s.Arrays...))
}
