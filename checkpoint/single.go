package checkpoint

import (
	"errors"
	"maps"
	"slices"
)

// OpenFile opens a single .safetensors file that is no model, such as a tuned lens, as
// Open does a directory. There is no Config.
func OpenFile(path string) (*Checkpoint, error) {
	if _, err := statRegular(path); err != nil {
		return nil, err
	}
	c := &Checkpoint{Path: path, Format: Safetensors, Metadata: map[string]any{}, tensors: map[string]*Tensor{}}
	tensors, metadata, err := c.add(path, parseSafetensors)
	if err == nil {
		err = c.put(tensors)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.addMetadata(metadata)
	c.names = slices.Sorted(maps.Keys(c.tensors))
	return c, nil
}

// Array reads the tensor into memory.
func (t *Tensor) Array() (Array, error) {
	a := Array{t.Name, t.Type, slices.Clone(t.Shape), make([]byte, t.NumRows()*t.rowBytes)}
	if err := t.Read(a.Bytes, 0, t.NumRows()); err != nil {
		return Array{}, err
	}
	return a, nil
}
