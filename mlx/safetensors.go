package mlx

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/mlxlens/mlxlens/checkpoint"
)

// LoadSafetensors reads the arrays of a file and its metadata, nil when it has none.
func LoadSafetensors(s *Scope, path string) (arrays map[string]*Array, metadata map[string]string, err error) {
	file, err := openRegular(path)
	if err != nil {
		return nil, nil, fileError("load_safetensors", err)
	}
	defer file.Close()
	arrays, metadata, err = ReadSafetensors(s, file)
	if err != nil {
		return nil, nil, fmt.Errorf("%w (%s)", err, path)
	}
	return arrays, metadata, nil
}

// ReadSafetensors is LoadSafetensors from a reader, up to its end.
func ReadSafetensors(s *Scope, r io.Reader) (arrays map[string]*Array, metadata map[string]string, err error) {
	list, metadata, err := checkpoint.ReadSafetensors(r)
	if err != nil {
		return nil, nil, fileError("load_safetensors", err)
	}
	arrays = make(map[string]*Array, len(list))
	for _, a := range list {
		arrays[a.Name] = fromFile(s, a)
		if err := arrays[a.Name].Err(); err != nil {
			free(arrays)
			return nil, nil, err
		}
	}
	return arrays, metadata, nil
}

func free(arrays map[string]*Array) {
	for _, a := range arrays {
		a.Free()
	}
}

// SaveSafetensors writes arrays in the order of their names, and metadata unless it is nil.
// The file appears when it is whole.
func SaveSafetensors(path string, arrays map[string]*Array, metadata map[string]string) error {
	return save(path, func(w io.Writer) error { return WriteSafetensors(w, arrays, metadata) })
}

// WriteSafetensors is SaveSafetensors to a writer.
func WriteSafetensors(w io.Writer, arrays map[string]*Array, metadata map[string]string) error {
	const op = "save_safetensors"
	names := slices.Sorted(maps.Keys(arrays))
	var list []checkpoint.Array
	for _, name := range names {
		if bad := required(op, arrays[name]); bad != nil {
			return bad.err
		}
		a, err := toFile(name, arrays[name])
		if err != nil {
			return err
		}
		list = append(list, a)
	}
	if err := checkpoint.WriteSafetensors(w, metadata, list); err != nil {
		return fileError(op, err)
	}
	return nil
}
