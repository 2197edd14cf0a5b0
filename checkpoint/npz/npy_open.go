package npz

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/internal/regular"
)

// NPY is an open file .npy: its header was read and checked against the file's size, its
// elements are read when they are asked for. Goroutines may share it.
type NPY struct {
	Type  checkpoint.Type
	Shape []int

	path    string
	file    *os.File
	size    int64 // of the file
	at      int64 // of the elements in it
	fortran bool
}

// OpenNPY opens a file .npy, which must be a regular one.
func OpenNPY(path string) (*NPY, error) {
	file, _, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("npz: %s: %w", path, err)
	}
	a := &NPY{path: path, file: file}
	if err := a.readHeader(); err != nil {
		return nil, errors.Join(fmt.Errorf("npz: %s: %w", path, err), file.Close())
	}
	return a, nil
}

func (a *NPY) readHeader() error {
	info, err := a.file.Stat()
	if err != nil {
		return err
	}
	h, length, err := readHeader(a.file)
	if err != nil {
		return err
	}
	need, err := h.bytes()
	if err != nil {
		return err
	}
	a.size, a.at = info.Size(), int64(length)
	if uint64(length)+need != uint64(a.size) {
		return fmt.Errorf("has %d bytes, and its header needs %d", a.size, uint64(length)+need)
	}
	a.Type, a.Shape, a.fortran = h.typ, h.shape, h.fortran && len(h.shape) > 1
	return nil
}

// Read reads the elements into dst, which has their size, in row-major order, little-endian. It
// fails when the file has another size than it was opened with.
func (a *NPY) Read(dst []byte) error {
	if want := a.size - a.at; int64(len(dst)) != want {
		return fmt.Errorf("npz: %s: has %d bytes of elements, and the destination %d", a.path, want, len(dst))
	}
	into := dst
	if a.fortran {
		into = make([]byte, len(dst))
	}
	n, err := a.file.ReadAt(into, a.at)
	if n == len(into) {
		err = a.verify()
	} else if errors.Is(err, io.EOF) {
		err = errors.New("the file was cut short after it was opened")
	}
	if err != nil {
		return fmt.Errorf("npz: %s: %w", a.path, err)
	}
	if a.fortran {
		_, width := a.Type.Block()
		copy(dst, rowMajor(into, a.Shape, width))
	}
	return nil
}

// Copy writes the elements as Read has them, without taking their size in memory, unless they are
// stored in Fortran's order.
func (a *NPY) Copy(w io.Writer) error {
	want := a.size - a.at
	if a.fortran {
		all := make([]byte, want)
		if err := a.Read(all); err != nil {
			return err
		}
		_, err := w.Write(all)
		return err
	}
	n, err := io.Copy(w, io.NewSectionReader(a.file, a.at, want))
	if err != nil {
		return err
	}
	if err = a.verify(); err == nil && n < want {
		err = errors.New("the file was cut short after it was opened")
	}
	if err != nil {
		return fmt.Errorf("npz: %s: %w", a.path, err)
	}
	return nil
}

func (a *NPY) verify() error {
	info, err := a.file.Stat()
	if err == nil && info.Size() != a.size {
		err = fmt.Errorf("has %d bytes now and had %d when it was opened", info.Size(), a.size)
	}
	return err
}

// Close closes the file.
func (a *NPY) Close() error { return a.file.Close() }
