package checkpoint

import (
	"fmt"
	"io"
)

// ReadSafetensors reads a whole safetensors file: its arrays in the order in which they
// stand, and the strings of __metadata__, nil when there is none. The header is checked as
// OpenFile checks it. The arrays' bytes share the memory that was read.
func ReadSafetensors(r io.Reader) (arrays []Array, metadata map[string]string, err error) {
	file, err := io.ReadAll(r)
	if err != nil {
		return nil, nil, fmt.Errorf("checkpoint: safetensors: %w", err)
	}
	entries, texts, err := parseSafetensors(file)
	if err != nil {
		return nil, nil, fmt.Errorf("checkpoint: the safetensors file %w", err)
	}
	for _, e := range entries {
		arrays = append(arrays, Array{e.name, e.typ, e.shape, file[e.start:e.end:e.end]})
	}
	if texts != nil {
		metadata = make(map[string]string, len(texts))
		for key, text := range texts {
			metadata[key] = text.(string) // readMetadata lets nothing else in
		}
	}
	return arrays, metadata, nil
}
