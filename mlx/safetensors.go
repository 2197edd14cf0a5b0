package mlx

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/mlxlens/mlxlens/checkpoint"
)

// LoadSafetensors opens a file and returns its arrays and its metadata, nil when it has none.
// The whole header is checked; the elements of an array are read when it is first an operand, or
// evaluated, so that an array takes memory when it is used. Until then its shape and type are
// known and the file stays open and mapped: another file may be renamed onto it (as
// SaveSafetensors does), but if it is cut short or overwritten, what is read afterwards fails
// with ErrFile, or is what was written.
func LoadSafetensors(s *Scope, path string) (arrays map[string]*Array, metadata map[string]string, err error) {
	const op = "load_safetensors"
	if err := Load(); err != nil {
		return nil, nil, err
	}
	file, err := checkpoint.OpenFile(path)
	if err != nil {
		return nil, nil, fileError(op, err)
	}
	if s == nil {
		s = On(DefaultDevice())
	}
	from := &source{close: file.Close}
	from.users.Add(1) // this function
	defer from.drop()
	arrays = make(map[string]*Array, len(file.Names()))
	for _, name := range file.Names() {
		t := file.Tensor(name)
		d, ok := stored[t.Type]
		if !ok {
			err = newError(op, ErrDtype, fmt.Sprintf("%s: %q is of type %s, which MLX has not", path, name, t.Type))
		} else if a := fromSource(s, from, name, d, t.Shape, tensorElements{file, t}); a.err != nil {
			err = a.err
		} else {
			arrays[name] = a
		}
		if err != nil {
			free(arrays)
			return nil, nil, err
		}
	}
	for key, text := range file.Metadata {
		if metadata == nil {
			metadata = map[string]string{}
		}
		metadata[key] = text.(string) // safetensors has nothing else
	}
	return arrays, metadata, nil
}

// tensorElements are the elements of a tensor in a mapped file. They are read part by part, or the
// file would count in memory beside the array. A page that the file no longer has is an error there,
// not a signal; pages that were cut off and come back as zeros change its size.
type tensorElements struct {
	file *checkpoint.Checkpoint
	t    *checkpoint.Tensor
}

// parts calls f with the rows of each part and the bytes of a row.
func (e tensorElements) parts(f func(from, to, width int) error) error {
	const part = 8 << 20
	rows, width := e.t.NumRows(), e.t.RowBytes()
	step := max(part/width, 1)
	for from := 0; from < rows; from += step {
		if err := f(from, min(from+step, rows), width); err != nil {
			return err
		}
		e.t.Forget()
	}
	return e.file.Verify()
}

func (e tensorElements) Read(dst []byte) error {
	return e.parts(func(from, to, width int) error { return e.t.Read(dst[from*width:to*width], from, to) })
}

func (e tensorElements) Copy(w io.Writer) error {
	var part []byte
	return e.parts(func(from, to, width int) error {
		part = slices.Grow(part[:0], (to-from)*width)[:(to-from)*width]
		if err := e.t.Read(part, from, to); err != nil {
			return err
		}
		_, err := w.Write(part)
		return err
	})
}

// ReadSafetensors is LoadSafetensors from a reader, up to its end: all arrays are in memory
// when it returns.
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
// The file appears when it is whole. Arrays are computed and written one by one, from where they
// lie in memory; one of a file that was not read yet is copied from there part by part, and stays
// unread.
func SaveSafetensors(path string, arrays map[string]*Array, metadata map[string]string) error {
	return save(path, func(w io.Writer) error { return WriteSafetensors(w, arrays, metadata) })
}

// WriteSafetensors is SaveSafetensors to a writer.
func WriteSafetensors(w io.Writer, arrays map[string]*Array, metadata map[string]string) error {
	const op = "save_safetensors"
	if w == nil {
		return missing(op, "writer")
	}
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
	return savedError(op, checkpoint.StreamSafetensors(w, metadata, list, func(i int, w io.Writer) error {
		return writeElements(w, arrays[names[i]])
	}))
}
