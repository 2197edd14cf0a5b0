package mlx

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Files are read in Go, which checks the whole header against the file before it believes a
// number in it: MLX's own readers crash on many damaged files, take a short read for zeros and
// another tensor's bytes for the one asked for. What is read is in memory when the function
// returns.

// stored maps types of files to ours.
var stored = map[checkpoint.Type]Dtype{
	checkpoint.F32: Float32, checkpoint.F16: Float16, checkpoint.BF16: BFloat16, checkpoint.F64: Float64, checkpoint.C64: Complex64,
	checkpoint.I8: Int8, checkpoint.I16: Int16, checkpoint.I32: Int32, checkpoint.I64: Int64,
	checkpoint.U8: Uint8, checkpoint.U16: Uint16, checkpoint.U32: Uint32, checkpoint.U64: Uint64, checkpoint.BOOL: Bool,
}

// fromFile makes an array of what a file holds.
func fromFile(s *Scope, a checkpoint.Array) *Array {
	d, ok := stored[a.Type]
	if !ok {
		return failed("load", ErrDtype, "%q is of type %s, which MLX has not", a.Name, a.Type)
	}
	if d == Bool {
		for i, b := range a.Bytes {
			if b > 1 {
				return failed("load", ErrFile, "element %d of %q is %d, not a boolean", i, a.Name, b)
			}
		}
	}
	return FromBytes(s, a.Bytes, d, append([]int{}, a.Shape...)...)
}

// toFile computes a and returns it as a file holds it.
func toFile(name string, a *Array) (checkpoint.Array, error) {
	out := checkpoint.Array{Name: name, Shape: a.Shape()}
	for t, d := range stored {
		if d == a.Dtype() {
			out.Type = t
		}
	}
	if err := a.Err(); err != nil {
		return out, err
	}
	// complex numbers and booleans have no View of their bytes: read each as what it is
	var err error
	switch a.Dtype() {
	case Bool:
		err = Borrow(a, func(xs []bool) error {
			out.Bytes = make([]byte, len(xs))
			for i, x := range xs {
				if x {
					out.Bytes[i] = 1
				}
			}
			return nil
		})
	default:
		err = borrowBytes(a, func(b []byte) { out.Bytes = bytes.Clone(b) })
	}
	return out, err
}

// borrowBytes is Borrow of any type but bool.
func borrowBytes(a *Array, f func([]byte)) error {
	switch a.Dtype().Size() {
	case 1:
		return borrowAs[uint8](a, f)
	case 2:
		return borrowAs[uint16](a, f)
	case 4:
		return borrowAs[uint32](a, f)
	}
	return borrowAs[uint64](a, f)
}

func borrowAs[T Element](a *Array, f func([]byte)) error {
	return borrow(a, func(data []T) error {
		f(capi.BytesOf(data))
		return nil
	})
}

// openRegular opens a file, but none that has no end or no contents.
func openRegular(path string) (*os.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return file, nil
}

// save writes to a new file beside path and gives it the name when it is whole. What is no
// regular file, such as a device, is written to directly.
func save(path string, write func(io.Writer) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return fileError("save", err)
		}
		err = write(file)
		if closed := file.Close(); err == nil && closed != nil {
			err = fileError("save", closed)
		}
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".*."+filepath.Base(path))
	if err != nil {
		return fileError("save", err)
	}
	defer os.Remove(file.Name()) // nothing when it has its name
	if err := write(file); err != nil {
		file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return fileError("save", err)
	}
	if err := os.Chmod(file.Name(), 0o644); err != nil {
		return fileError("save", err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fileError("save", err)
	}
	return nil
}
