package mlx

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Files are read in Go, which checks the whole header against the file before it believes a
// number in it: MLX's own readers crash on many damaged files, take a short read for zeros and
// another tensor's bytes for the one asked for. What LoadSafetensors and LoadNpy opened is read at
// the first use of each array (see unread.go).

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
		if e := checkBools(a.Name, a.Bytes); e != nil {
			return &Array{err: e}
		}
	}
	return FromBytes(s, a.Bytes, d, append([]int{}, a.Shape...)...)
}

// toFile returns how a file describes an array, without its elements.
func toFile(name string, a *Array) (checkpoint.Array, error) {
	out := checkpoint.Array{Name: name, Shape: a.Shape()}
	for t, d := range stored {
		if d == a.Dtype() {
			out.Type = t
		}
	}
	return out, a.Err()
}

// writeElements computes a and writes its elements as they lie in memory, which is their only
// copy, or in their file.
func writeElements(w io.Writer, a *Array) error {
	if copied, err := a.copyUnread(w); copied {
		return err
	}
	if a.Dtype() != Bool {
		return borrowBytes(a, func(b []byte) error {
			_, err := w.Write(b)
			return err
		})
	}
	// a byte that is neither 0 nor 1 would not be read back
	return writeConverted(w, a, func(x bool) byte {
		if x {
			return 1
		}
		return 0
	})
}

// writeConverted computes a and writes what f makes of its elements, part by part.
func writeConverted[T Element, U Element](w io.Writer, a *Array, f func(T) U) error {
	return Borrow(a, func(xs []T) error {
		var part [1 << 14]U
		for len(xs) > 0 {
			n := min(len(xs), len(part))
			for i, x := range xs[:n] {
				part[i] = f(x)
			}
			if _, err := w.Write(capi.BytesOf(part[:n])); err != nil {
				return err
			}
			xs = xs[n:]
		}
		return nil
	})
}

// savedError is the error of a save: of the computation, or of the file.
func savedError(op string, err error) error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	}
	return fileError(op, err)
}

// borrowBytes is Borrow of any type but bool.
func borrowBytes(a *Array, f func([]byte) error) error {
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

func borrowAs[T Element](a *Array, f func([]byte) error) error {
	return borrow(a, func(data []T) error { return f(capi.BytesOf(data)) })
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
