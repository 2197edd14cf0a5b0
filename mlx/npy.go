package mlx

import (
	"io"

	"github.com/mlxlens/mlxlens/checkpoint/npz"
)

// LoadNpy reads a file that NumPy or MLX saved. A nil scope leaves the array to the
// collector.
func LoadNpy(s *Scope, path string) *Array {
	file, err := openRegular(path)
	if err != nil {
		return &Array{err: fileError("load", err)}
	}
	defer file.Close()
	a := ReadNpy(s, file)
	if a.err != nil && a.err.Kind == ErrFile {
		a.err.Text = path + ": " + a.err.Text
	}
	return a
}

// ReadNpy is LoadNpy from a reader, up to its end.
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
	out, err := toFile("", a)
	if err != nil {
		return err
	}
	if err := npz.EncodeNPY(w, out); err != nil {
		return fileError("save", err)
	}
	return nil
}
