package mlx

import (
	"io"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
)

// LoadNpy opens a file that NumPy or MLX saved. Its header is checked, and its elements are read
// at the array's first use, as LoadSafetensors has it. A nil scope leaves the array to the
// collector.
func LoadNpy(s *Scope, path string) *Array {
	const op = "load"
	if err := Load(); err != nil {
		return failed(op, ErrLibrary, "%v", err)
	}
	file, err := npz.OpenNPY(path)
	if err != nil {
		return &Array{err: fileError(op, err)}
	}
	if s == nil {
		s = On(DefaultDevice())
	}
	from := &source{close: file.Close}
	from.users.Add(1) // this function
	defer from.drop()
	return fromSource(s, from, path, stored[file.Type], file.Shape, file)
}

// ReadNpy is LoadNpy from a reader, up to its end, of elements that are in memory when it
// returns.
func ReadNpy(s *Scope, r io.Reader) *Array {
	a, err := npz.DecodeNPY(r)
	if err != nil {
		return &Array{err: fileError("load", err)}
	}
	return fromFile(s, a)
}

// SaveNpy writes an array for NumPy; of bfloat16, which NumPy has not, as float32. The file
// appears when it is whole.
func SaveNpy(path string, a *Array) error {
	return save(path, func(w io.Writer) error { return WriteNpy(w, a) })
}

// WriteNpy is SaveNpy to a writer.
func WriteNpy(w io.Writer, a *Array) error {
	if bad := required("save", a); bad != nil {
		return bad.err
	}
	const op = "save"
	if w == nil {
		return missing(op, "writer")
	}
	out, err := toFile("", a)
	if err != nil {
		return err
	}
	if out.Type != checkpoint.BF16 {
		return savedError(op, npz.StreamNPY(w, out.Type, out.Shape, func(w io.Writer) error { return writeElements(w, a) }))
	}
	return savedError(op, npz.StreamNPY(w, checkpoint.F32, out.Shape, func(w io.Writer) error { return writeConverted(w, a, Brain.Float32) }))
}
